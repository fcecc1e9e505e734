"""What one micro-batch did, as a record and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dlt_stub.expectations import ExpectationMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMetrics:
    """What one micro-batch did (rows)."""

    num_output_rows: int | None = None
    num_upserted_rows: int | None = None
    num_deleted_rows: int | None = None
    dropped_records: int = 0
    expectations: tuple[ExpectationMetrics, ...] = ()


def metrics_as_json(metrics: BatchMetrics) -> dict[str, Any]:
    """Return ``metrics`` as what JSON can hold."""
    return asdict(metrics)


def metrics_of_json(found: Mapping[str, Any]) -> BatchMetrics:  # Any: what JSON holds
    """Return the metrics that ``metrics_as_json`` gave.

    Raises:
        KeyError, TypeError: it gave something else.
    """
    rules = tuple(ExpectationMetrics(**each) for each in found["expectations"])
    return BatchMetrics(**{**found, "expectations": rules})
