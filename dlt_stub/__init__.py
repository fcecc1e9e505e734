"""Runs Databricks Lakeflow (Delta Live Tables) pipelines and their jobs on open-source Spark.

The same three nouns as on the platform: a ``Workspace`` holds what a bundle deploys, a ``Pipeline``
is updated, a job is run.
"""

from dlt_stub.errors import (
    BundleError,
    BusyError,
    DefinitionError,
    DltStubError,
    ExpectationViolation,
    FlowError,
    GraphError,
    NotEmulatedError,
    SetupError,
    SourceError,
    StateError,
    UnknownFieldError,
    UsageError,
)
from dlt_stub.update import FlowResult, Pipeline, UpdateResult
from dlt_stub.workspace import Workspace

__all__ = [
    "BundleError",
    "BusyError",
    "DefinitionError",
    "DltStubError",
    "ExpectationViolation",
    "FlowError",
    "FlowResult",
    "GraphError",
    "NotEmulatedError",
    "Pipeline",
    "SetupError",
    "SourceError",
    "StateError",
    "UnknownFieldError",
    "UpdateResult",
    "UsageError",
    "Workspace",
]
