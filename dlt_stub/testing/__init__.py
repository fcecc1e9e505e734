"""The test kit for authors of pipelines: feed one, update it, compare its tables; or tell a case.

``dlt_stub.testing.plugin`` is the pytest plugin; nothing else here needs pytest, and Spark is
imported when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlt_stub.testing.case import Case, read_case
    from dlt_stub.testing.pipeline import PipelineUnderTest
    from dlt_stub.testing.rows import RowsDiffer, assert_rows
    from dlt_stub.testing.runner import CaseFailure, run_case

__all__ = [
    "Case",
    "CaseFailure",
    "PipelineUnderTest",
    "RowsDiffer",
    "assert_rows",
    "read_case",
    "run_case",
]
_HOMES = {
    "Case": "case",
    "CaseFailure": "runner",
    "PipelineUnderTest": "pipeline",
    "RowsDiffer": "rows",
    "assert_rows": "rows",
    "read_case": "case",
    "run_case": "runner",
}


def __getattr__(name: str) -> Any:  # whichever of the names above
    """Return a public name from the module that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
