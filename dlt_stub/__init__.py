"""Runs Databricks Lakeflow (Delta Live Tables) pipelines and their jobs on open-source Spark.

The same three nouns as on the platform: a ``Workspace`` holds what a bundle deploys, a ``Pipeline``
is updated, a job is run.
"""

from typing import TYPE_CHECKING, Any

from dlt_stub.errors import (
    BundleError,
    BusyError,
    DefinitionError,
    DiskError,
    DltStubError,
    ExpectationViolation,
    FlowError,
    GraphError,
    NotEmulatedError,
    RefusedFilesError,
    SetupError,
    SourceError,
    SparkLostError,
    StateError,
    StuckFlowError,
    UnknownFieldError,
    UsageError,
)

if TYPE_CHECKING:
    from dlt_stub.update import FlowResult, Pipeline, UpdateResult
    from dlt_stub.workspace import Workspace

__all__ = [
    "BundleError",
    "BusyError",
    "DefinitionError",
    "DiskError",
    "DltStubError",
    "ExpectationViolation",
    "FlowError",
    "FlowResult",
    "GraphError",
    "NotEmulatedError",
    "Pipeline",
    "RefusedFilesError",
    "SetupError",
    "SourceError",
    "SparkLostError",
    "StateError",
    "StuckFlowError",
    "UnknownFieldError",
    "UpdateResult",
    "UsageError",
    "Workspace",
]


def __getattr__(name: str) -> Any:  # whichever of the names below
    """Return a name that needs Spark; pyspark is imported when one is first used."""
    if name in ("FlowResult", "Pipeline", "UpdateResult"):
        from dlt_stub import update

        return getattr(update, name)
    if name == "Workspace":
        from dlt_stub.workspace import Workspace

        return Workspace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
