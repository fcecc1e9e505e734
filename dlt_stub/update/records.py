"""What an update did, as records that outlive it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from dlt_stub.declare.records import Flow
from dlt_stub.events import Event, FlowStatus, UpdateState
from dlt_stub.expectations import ExpectationMetrics
from dlt_stub.flows.metrics import BatchMetrics


class UpdateCause(StrEnum):
    """Why an update started, as the event log names it."""

    API_CALL = "API_CALL"
    JOB_TASK = "JOB_TASK"
    RETRY_ON_FAILURE = "RETRY_ON_FAILURE"
    SCHEMA_CHANGE = "SCHEMA_CHANGE"
    USER_ACTION = "USER_ACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an update refreshes; nothing named to refresh means every dataset.

    Source: databricks-sdk, ``pipelines.start_update`` and ``jobs.PipelineTask``, and docs "How do
    pipelines refresh?", 2026-11-24.
    """

    refresh: tuple[str, ...] = ()
    full_refresh: bool = False
    full_refresh_selection: tuple[str, ...] = ()
    refresh_flow_selection: tuple[str, ...] = ()
    reset_checkpoint_selection: tuple[str, ...] = ()  # flows; it selects nothing to refresh
    validate_only: bool = False

    def includes(self, flow: Flow) -> bool:
        """Return whether ``flow`` takes part."""
        tables = self.refresh + self.full_refresh_selection
        if not tables and not self.refresh_flow_selection:
            return True
        return flow.target in tables or flow.name in self.refresh_flow_selection

    def resets(self, dataset: str) -> bool:
        """Return whether ``dataset`` is made anew."""
        return self.full_refresh or dataset in self.full_refresh_selection

    def without_resets(self) -> "Selection":
        """Return the selection of an update that goes on where one that did its resets ended."""
        return replace(
            self,
            refresh=self.refresh + self.full_refresh_selection,
            full_refresh=False,
            full_refresh_selection=(),
            reset_checkpoint_selection=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResult:
    """What one flow did in one update; rows are summed over its micro-batches."""

    name: str
    target: str
    status: FlowStatus
    seconds: float
    metrics: Mapping[str, int] = field(default_factory=dict)  # rows, by Databricks' names
    dropped_records: int = 0
    expectations: tuple[ExpectationMetrics, ...] = ()
    error: BaseException | None = None
    skipped_for: str | None = None  # the flow whose failure is why this one was not run


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """How one update ended; ``error`` is its root cause."""

    update_id: str
    state: UpdateState
    cause: UpdateCause
    flows: Mapping[str, FlowResult]
    events: tuple[Event, ...]
    error: BaseException | None = None
    has_reset: bool = False  # what its selection resets was reset

    @property
    def succeeded(self) -> bool:
        """Whether every selected flow completed."""
        return self.state is UpdateState.COMPLETED

    @property
    def failures(self) -> tuple[BaseException, ...]:
        """Everything that failed, the root cause first; what was skipped for it is no failure."""
        errors = [flow.error for flow in self.flows.values() if flow.error is not None]
        first = [] if self.error is None else [self.error]
        return (*first, *(error for error in errors if error is not self.error))

    def raise_for_failure(self) -> None:
        """Raise the root cause of a failed update; return when there is none."""
        if self.error is not None:
            raise self.error


def summed(batches: list[BatchMetrics]) -> BatchMetrics:
    """Return the rows of several micro-batches of one flow together."""
    expectations: dict[tuple[str, str], ExpectationMetrics] = {}
    for batch in batches:
        for each in batch.expectations:
            key = (each.dataset, each.name)
            known = expectations.get(key)
            expectations[key] = ExpectationMetrics(
                name=each.name,
                dataset=each.dataset,
                passed_records=each.passed_records + (known.passed_records if known else 0),
                failed_records=each.failed_records + (known.failed_records if known else 0),
            )
    return BatchMetrics(
        num_output_rows=_sum(batch.num_output_rows for batch in batches),
        num_upserted_rows=_sum(batch.num_upserted_rows for batch in batches),
        num_deleted_rows=_sum(batch.num_deleted_rows for batch in batches),
        dropped_records=sum(batch.dropped_records for batch in batches),
        expectations=tuple(expectations.values()),
    )


def rows_of(metrics: BatchMetrics) -> dict[str, int]:
    """Return the row counts of ``metrics`` by Databricks' names, without those it lacks."""
    named = {
        "num_output_rows": metrics.num_output_rows,
        "num_upserted_rows": metrics.num_upserted_rows,
        "num_deleted_rows": metrics.num_deleted_rows,
    }
    return {name: value for name, value in named.items() if value is not None}


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
