"""The pytest plugin: ``dlt_pipeline``, ``dlt_workspace`` and ``dlt_spark``, and cases as tests.

Spark is imported when a test first needs it: pytest itself starts no slower.
"""

import os
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dlt_stub.testing.case import Case
    from dlt_stub.testing.fixtures import MakePipeline, MakeWorkspace

_started: pytest.StashKey["SparkSession"] = pytest.StashKey()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return the collector of a case, or None for other files.

    A case is a ``case.yml`` beside a folder ``pipeline``, or a file called ``....dlt.yml``.
    """
    is_case = file_path.name.endswith(".dlt.yml") or (
        file_path.name == "case.yml" and (file_path.parent / "pipeline").is_dir()
    )
    return CaseFile.from_parent(parent, path=file_path) if is_case else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the Spark session, if it was a test of ours that started it."""
    if (session := config.stash.get(_started, None)) is not None:
        session.stop()


@pytest.fixture(scope="session")
def dlt_spark(pytestconfig: pytest.Config) -> "SparkSession":
    """The one Spark session of this process."""
    return _session(pytestconfig)


@pytest.fixture
def dlt_pipeline(tmp_path: Path, pytestconfig: pytest.Config) -> "MakePipeline":
    """Make a pipeline in a workspace of this test's own; two of one test share the workspace.

    ``root``, which helper modules are imported from, is pytest's root folder unless it is given.
    """
    from dlt_stub.testing.pipeline import PipelineUnderTest
    from dlt_stub.update import Pipeline

    def make(
        *source: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        configuration: Mapping[str, str] | None = None,
        catalog: str = "main",
        schema: str = "default",
        **more: Any,  # whatever else Pipeline takes
    ) -> PipelineUnderTest:
        given: dict[str, Any] = {"storage": tmp_path / "workspace", **more}
        given.setdefault("spark", _session(pytestconfig))
        return PipelineUnderTest(
            Pipeline(
                source=source,
                root=root or pytestconfig.rootpath,
                configuration=configuration,
                catalog=catalog,
                schema=schema,
                **given,
            )
        )

    return make


@pytest.fixture
def dlt_workspace(tmp_path: Path, pytestconfig: pytest.Config) -> "MakeWorkspace":
    """Make the workspace of a bundle, in a folder of this test's own."""
    from dlt_stub.testing.workspace import WorkspaceUnderTest

    def make(
        root: str | os.PathLike[str] | None = None,
        *,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> WorkspaceUnderTest:
        return WorkspaceUnderTest(
            root or pytestconfig.rootpath,
            storage=tmp_path / "workspace",
            target=target,
            variables=variables,
            spark=_session(pytestconfig),
        )

    return make


class CaseFile(pytest.File):
    """One case: one test, called by its folder's or its file's name."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the case."""
        from dlt_stub.testing.case import read_case

        case = read_case(self.path)
        item = CaseItem.from_parent(self, name=case.name, case=case)
        if case.slow:
            item.add_marker(pytest.mark.slow)
        yield item


class CaseItem(pytest.Item):
    """One case, run in a workspace that is gone afterwards."""

    def __init__(self, *, case: "Case", **arguments: Any) -> None:  # whatever pytest.Item takes
        super().__init__(**arguments)
        self.case = case

    def runtest(self) -> None:
        """Run the case on the session of this process."""
        from dlt_stub.testing.runner import run_case

        with tempfile.TemporaryDirectory(prefix="dlt_stub-case-") as folder:
            run_case(self.case, storage=Path(folder), spark=_session(self.config))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Return what the case says of itself, or the last frames of any other error."""
        from dlt_stub.errors import DltStubError
        from dlt_stub.testing.runner import CaseFailure

        error = excinfo.value
        if isinstance(error, CaseFailure):
            return str(error)
        if isinstance(error, DltStubError):
            return f"{self.case.name}: {error}"
        return "".join(traceback.format_exception(error, limit=-8))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the case stands and what it is called."""
        return self.path, None, f"case: {self.case.name}"


def _session(config: pytest.Config) -> "SparkSession":
    """Return the one Spark session of this process; one we start ends with pytest."""
    from pyspark.sql import SparkSession

    from dlt_stub.engine.session import start_session

    was_running = SparkSession.getActiveSession() is not None
    session = start_session()
    if not was_running:
        config.stash[_started] = session
    return session
