"""The test kit for authors of pipelines: feed one, update it, compare its tables; or tell a case.

``dlt_stub.testing.plugin`` is the pytest plugin; nothing else here needs pytest, and Spark is
imported when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt_stub.events import Event
    from dlt_stub.jobs import JobRun, RunEvent
    from dlt_stub.testing.case import Case, read_case
    from dlt_stub.testing.fixtures import MakePipeline, MakeWorkspace
    from dlt_stub.testing.pipeline import PipelineUnderTest
    from dlt_stub.testing.rows import RowsDiffer, assert_rows
    from dlt_stub.testing.runner import CaseFailure, run_case
    from dlt_stub.testing.workspace import JobFailed, WorkspaceUnderTest
    from dlt_stub.update import UpdateResult

__all__ = [
    "Case",
    "CaseFailure",
    "Event",
    "JobFailed",
    "JobRun",
    "MakePipeline",
    "MakeWorkspace",
    "PipelineUnderTest",
    "RowsDiffer",
    "RunEvent",
    "UpdateResult",
    "WorkspaceUnderTest",
    "assert_rows",
    "read_case",
    "run_case",
]
_HOMES = {
    "Case": "dlt_stub.testing.case",
    "CaseFailure": "dlt_stub.testing.runner",
    "Event": "dlt_stub.events",
    "JobFailed": "dlt_stub.testing.workspace",
    "JobRun": "dlt_stub.jobs",
    "MakePipeline": "dlt_stub.testing.fixtures",
    "MakeWorkspace": "dlt_stub.testing.fixtures",
    "PipelineUnderTest": "dlt_stub.testing.pipeline",
    "RowsDiffer": "dlt_stub.testing.rows",
    "RunEvent": "dlt_stub.jobs",
    "UpdateResult": "dlt_stub.update",
    "WorkspaceUnderTest": "dlt_stub.testing.workspace",
    "assert_rows": "dlt_stub.testing.rows",
    "read_case": "dlt_stub.testing.case",
    "run_case": "dlt_stub.testing.runner",
}


def __getattr__(name: str) -> Any:  # whichever of the names above
    """Return a public name from the module that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
