"""``dbutils`` as pipelines and tasks find it: files, widgets, secrets, task values, notebooks."""

from dlt_stub.dbutils.files import FileInfo, FileUtils
from dlt_stub.dbutils.notebooks import NotebookExit, NotebookUtils, RunNotebook, has_exited
from dlt_stub.dbutils.secrets import SecretUtils, with_secret
from dlt_stub.dbutils.task_values import JobUtils, TaskValueStore
from dlt_stub.dbutils.utilities import Dbutils
from dlt_stub.dbutils.widgets import WidgetUtils

__all__ = [
    "Dbutils",
    "FileInfo",
    "FileUtils",
    "JobUtils",
    "NotebookExit",
    "NotebookUtils",
    "RunNotebook",
    "SecretUtils",
    "TaskValueStore",
    "WidgetUtils",
    "has_exited",
    "with_secret",
]
