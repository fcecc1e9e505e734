"""What an update did, as records that outlive it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dlt_stub.events import Event, FlowStatus, UpdateState
from dlt_stub.expectations import ExpectationMetrics
from dlt_stub.flows.run import BatchMetrics


class UpdateCause(StrEnum):
    """Why an update started, as the event log names it."""

    API_CALL = "API_CALL"
    JOB_TASK = "JOB_TASK"
    SCHEMA_CHANGE = "SCHEMA_CHANGE"
    USER_ACTION = "USER_ACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What an update refreshes; nothing named means every dataset."""

    refresh: tuple[str, ...] = ()
    full_refresh: bool = False
    full_refresh_selection: tuple[str, ...] = ()
    validate_only: bool = False

    def includes(self, dataset: str) -> bool:
        """Return whether ``dataset`` takes part."""
        if not self.refresh and not self.full_refresh_selection:
            return True
        return dataset in self.refresh or dataset in self.full_refresh_selection

    def resets(self, dataset: str) -> bool:
        """Return whether ``dataset`` is made anew."""
        return self.full_refresh or dataset in self.full_refresh_selection


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


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """How one update ended; ``error`` is its root cause."""

    update_id: str
    state: UpdateState
    cause: UpdateCause
    flows: Mapping[str, FlowResult]
    events: tuple[Event, ...]
    error: BaseException | None = None

    @property
    def succeeded(self) -> bool:
        """Whether every selected flow completed."""
        return self.state is UpdateState.COMPLETED

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
