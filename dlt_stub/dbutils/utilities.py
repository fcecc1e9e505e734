"""``dbutils``, put together for a pipeline or for one task."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dlt_stub.dbutils.files import FileUtils
from dlt_stub.dbutils.notebooks import NotebookUtils, RunNotebook
from dlt_stub.dbutils.secrets import SecretUtils
from dlt_stub.dbutils.task_values import JobUtils, TaskValueStore
from dlt_stub.dbutils.utility import Utility
from dlt_stub.dbutils.widgets import WidgetUtils
from dlt_stub.paths import WorkspacePaths

_NONE: Mapping[str, str] = MappingProxyType({})


def _nothing() -> None:
    """Restart nothing: packages are those of the Python that runs us."""


class LibraryUtils(Utility):
    """``restartPython`` forgets what the notebook has defined."""

    _name = "dbutils.library"

    def __init__(self, restart: Callable[[], None]) -> None:
        self._restart = restart

    def restartPython(self) -> None:
        """Begin anew, without the variables so far, where the caller has given a way to."""
        self._restart()


class Dbutils(Utility):
    """Stands for ``dbutils``; the parts it lacks are refused by name."""

    def __init__(
        self,
        paths: WorkspacePaths,
        *,
        parameters: Mapping[str, str] = _NONE,
        task_values: TaskValueStore | None = None,
        run_notebook: RunNotebook | None = None,
        restart: Callable[[], None] = _nothing,
        is_notebook_task: bool = False,
    ) -> None:
        self.fs = FileUtils(paths)
        self.widgets = WidgetUtils(parameters)
        self.secrets = SecretUtils()
        self.jobs = JobUtils(task_values)
        self.notebook = NotebookUtils(run_notebook, is_task=is_notebook_task)
        self.library = LibraryUtils(restart)
