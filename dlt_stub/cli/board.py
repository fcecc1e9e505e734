"""What an update has done so far, added up from its events: what every display shows."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime

from dlt_stub.events import Event, FlowStatus

_UNDER_WAY = (FlowStatus.STARTING, FlowStatus.RUNNING)
_NOT_STARTED = (FlowStatus.QUEUED, FlowStatus.EXCLUDED, FlowStatus.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLine:
    """One flow; rows are summed over its micro-batches and None where Databricks reports none."""

    name: str
    dataset: str
    status: FlowStatus
    rows: int | None = None
    dropped: int | None = None
    upserted: int | None = None
    deleted: int | None = None
    started_at: datetime | None = None
    earlier_seconds: float = 0.0  # of the updates before a schema change

    def seconds(self, now: datetime) -> float | None:
        """Return how long it has run, up to ``now`` if it still does; None if it has not."""
        if self.started_at is not None:
            return self.earlier_seconds + max(0.0, (now - self.started_at).total_seconds())
        return self.earlier_seconds or None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One expectation of one dataset; ``action`` is "" where its definition was not seen."""

    dataset: str
    rule: str
    action: str
    passed: int
    failed: int


class Board:
    """Adds up the events of one pipeline's update; safe to call from several threads.

    An update that new columns interrupted and the one that follows it count as one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, FlowLine] = {}
        self._rules: dict[tuple[str, str], RuleLine] = {}
        self._actions: dict[tuple[str, str], str] = {}

    def take(self, event: Event) -> None:
        """Let ``event`` count; a new update begins from nothing."""
        with self._lock:
            if event.event_type == "create_update":
                if event.body.get("cause") != "SCHEMA_CHANGE":
                    self._flows, self._rules, self._actions = {}, {}, {}
            elif event.event_type == "dataset_definition":
                dataset = str(event.origin.get("dataset_name", ""))
                for each in event.body.get("expectations") or ():
                    self._actions[(dataset, each["name"])] = str(each.get("action", ""))
            elif event.event_type == "flow_progress":
                self._take_flow(event)
                self._take_rules(event)

    @property
    def flows(self) -> tuple[FlowLine, ...]:
        """Every flow, in the order they were first heard of."""
        with self._lock:
            return tuple(self._flows.values())

    @property
    def rules(self) -> tuple[RuleLine, ...]:
        """Every expectation that was checked on some row, by dataset as first heard of."""
        with self._lock:
            return tuple(self._rules.values())

    def _take_flow(self, event: Event) -> None:
        name = str(event.origin.get("flow_name", ""))
        status = FlowStatus(event.body["status"])
        line = self._flows.get(name) or FlowLine(
            name=name,
            dataset=str(event.origin.get("dataset_name") or event.origin.get("sink_name", "")),
            status=status,
        )
        metrics = event.body.get("metrics") or {}
        quality = event.body.get("data_quality") or {}
        line = replace(
            line,
            status=status,
            rows=_plus(line.rows, metrics.get("num_output_rows")),
            upserted=_plus(line.upserted, metrics.get("num_upserted_rows")),
            deleted=_plus(line.deleted, metrics.get("num_deleted_rows")),
            dropped=_plus(line.dropped, quality.get("dropped_records")),
        )
        if status in _UNDER_WAY:
            line = replace(line, started_at=line.started_at or event.timestamp)
        elif status not in _NOT_STARTED:
            seconds = line.seconds(event.timestamp) or 0.0
            line = replace(line, started_at=None, earlier_seconds=seconds)
        self._flows[name] = line

    def _take_rules(self, event: Event) -> None:
        for each in (event.body.get("data_quality") or {}).get("expectations") or ():
            key = (str(each["dataset"]), str(each["name"]))
            known = self._rules.get(key)
            self._rules[key] = RuleLine(
                dataset=key[0],
                rule=key[1],
                action=self._actions.get(key, ""),
                passed=int(each["passed_records"]) + (known.passed if known else 0),
                failed=int(each["failed_records"]) + (known.failed if known else 0),
            )


def _plus(known: int | None, more: int | None) -> int | None:
    return known if more is None else (known or 0) + int(more)
