"""Updates: the graph of a pipeline brought up to date, and what became of it."""

from dlt_stub.update.pipeline import Pipeline
from dlt_stub.update.records import FlowResult, Selection, UpdateCause, UpdateResult

__all__ = ["FlowResult", "Pipeline", "Selection", "UpdateCause", "UpdateResult"]
