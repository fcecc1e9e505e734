"""Every event an update emits, one method for each transition: the only place that words them."""

from collections.abc import Mapping
from typing import Any

from dlt_stub.declare.records import (
    AppendFlow,
    AutoCdcFlow,
    DatasetKind,
    EventHook,
    SnapshotFlow,
)
from dlt_stub.errors import Origin
from dlt_stub.events import Event, EventLog, FlowStatus, Level, UpdateState, error_body
from dlt_stub.flows.metrics import BatchMetrics
from dlt_stub.flows.untold import Telling
from dlt_stub.graph import ResolvedDataset, ResolvedFlow
from dlt_stub.update.records import Selection, UpdateCause, rows_of

_LEVELS = {FlowStatus.FAILED: Level.ERROR, FlowStatus.SKIPPED: Level.WARN}


class Progress:
    """Writes the progress of one update to the event log."""

    def __init__(self, log: EventLog, update_id: str) -> None:
        self._log = log
        self._update_id = update_id
        self._sinks: set[str] = set()

    def created(self, cause: UpdateCause, selection: Selection) -> Event:
        """Say that the update exists and why."""
        return self._log.emit(
            "create_update",
            f"Update {self._short} started by {cause.value}.",
            body={
                "validate_only": selection.validate_only,
                "explore_only": False,
                "cause": cause.value,
                "full_refresh": selection.full_refresh,
                "refresh_selection": list(selection.refresh),
                "full_refresh_selection": list(selection.full_refresh_selection),
                "refresh_flow_selection": list(selection.refresh_flow_selection),
                "reset_checkpoint_selection": list(selection.reset_checkpoint_selection),
            },
        )

    def update(self, state: UpdateState, error: BaseException | None = None) -> Event:
        """Say that the update has reached ``state``."""
        verb = "has" if state in (UpdateState.FAILED, UpdateState.COMPLETED) else "is"
        return self._log.emit(
            "update_progress",
            f"Update {self._short} {verb} {state.value}.",
            body={"state": state.value},
            level=Level.ERROR if state is UpdateState.FAILED else Level.INFO,
            error=error_body(error, fatal=True) if error else None,
        )

    def dataset(self, dataset: ResolvedDataset) -> Event:
        """Describe a resolved dataset; a sink has an event of its own."""
        sink = dataset.dataset.sink
        if sink is not None:
            self._sinks.add(dataset.name)
            return self._log.emit(
                "sink_definition",
                f"Sink '{dataset.name}' defined as {sink.format}.",
                origin=_origin(dataset.name, None, dataset.dataset.origin, is_sink=True),
                body={"format": sink.format, "options": dict(sink.options)},
            )
        return self._log.emit(
            "dataset_definition",
            f"Dataset '{dataset.name}' defined as {dataset.kind.value}.",
            origin=_origin(dataset.name, None, dataset.dataset.origin),
            body={
                "dataset_type": dataset.kind.value,
                "num_flows": len(dataset.flows),
                "expectations": [
                    {"name": each.name, "constraint": each.constraint, "action": each.action.value}
                    for each in dataset.dataset.expectations
                ],
                "schema": _columns(dataset),
                "schema_json": dataset.schema.json(),
            },
        )

    def flow_definition(self, flow: ResolvedFlow, dataset: ResolvedDataset) -> Event:
        """Describe a resolved flow."""
        return self._log.emit(
            "flow_definition",
            f"Flow '{flow.flow.name}' defined as {_flow_type(flow, dataset)}.",
            origin=self._flow_origin(flow),
            body={
                "output_sink" if dataset.is_sink else "output_dataset": dataset.name,
                "input_datasets": [{"name": name} for name in flow.analysis.inputs],
                "flow_type": _flow_type(flow, dataset),
                "schema": _columns(dataset),
                "schema_json": flow.analysis.schema.json(),
                "language": "PYTHON",
                "once": flow.flow.once,
                "comment": flow.flow.comment if isinstance(flow.flow, AppendFlow) else None,
            },
        )

    def flow(
        self,
        flow: ResolvedFlow,
        status: FlowStatus,
        *,
        metrics: BatchMetrics | None = None,
        error: BaseException | None = None,
        message: str | None = None,
        level: Level | None = None,
        event_id: str | None = None,
    ) -> Event:
        """Say that ``flow`` has reached ``status``, with the rows of one micro-batch if any."""
        verb = "has" if status in (FlowStatus.FAILED, FlowStatus.COMPLETED) else "is"
        body: dict[str, Any] = {"status": status.value}
        if metrics is not None:
            body |= _metrics_body(metrics)
        return self._log.emit(
            "flow_progress",
            message or f"Flow '{flow.flow.name}' {verb} {status.value}.",
            origin=self._flow_origin(flow),
            body=body,
            level=level or _LEVELS.get(status, Level.INFO),
            error=error_body(error, fatal=level is None) if error else None,
            event_id=event_id,
        )

    def make_up_for(self, telling: Telling) -> None:
        """Say what a killed update did and could not say, under its own id; durable afterwards."""
        if self._log.has(telling.event_id):
            return
        self._log.emit(
            "flow_progress",
            f"Flow '{telling.flow}' is RUNNING.",
            origin={
                **_names(telling.target, is_sink=telling.is_sink),
                "flow_name": telling.flow,
                "update_id": telling.update_id,
            },
            body={"status": FlowStatus.RUNNING.value} | _metrics_body(telling.metrics),
            event_id=telling.event_id,
        )
        self._log.flush()

    def hook(self, hook: EventHook, error: Exception, is_disabled: bool) -> Event:
        """Say that an event hook raised; the body is assumed, as the documents show none."""
        status = "DISABLED" if is_disabled else "FAILED"
        return self._log.emit(
            "hook_progress",
            f"Event hook '{hook.name}' is {status}: {type(error).__name__}: {error}",
            body={"name": hook.name, "status": status},
            level=Level.WARN,
            maturity_level="EVOLVING",
            error=error_body(error, fatal=False),
        )

    def note(self, message: str) -> Event:
        """Tell the user something that is no state."""
        return self._log.emit("dlt_stub_note", message, maturity_level="EVOLVING", level=Level.WARN)

    def flush(self) -> None:
        """Make all events so far durable and visible."""
        self._log.flush()

    @property
    def _short(self) -> str:
        return self._update_id[:6]

    def _flow_origin(self, flow: ResolvedFlow) -> Mapping[str, Any]:
        target = flow.flow.target
        return _origin(target, flow.flow.name, flow.flow.origin, is_sink=target in self._sinks)


def _origin(
    dataset: str, flow: str | None, where: Origin, *, is_sink: bool = False
) -> dict[str, Any]:
    origin: dict[str, Any] = {
        **_names(dataset, is_sink=is_sink),
        "source_code_location": {"path": where.path, "line_number": where.line},
    }
    if flow is not None:
        origin["flow_name"] = flow
    return origin


def _names(dataset: str, *, is_sink: bool) -> dict[str, str]:
    return dict.fromkeys(("sink_name",) if is_sink else ("dataset_name", "table_name"), dataset)


def _columns(dataset: ResolvedDataset) -> list[dict[str, str]]:
    return [
        {"name": field.name, "data_type": field.dataType.simpleString()}
        for field in dataset.schema.fields
    ]


def _flow_type(flow: ResolvedFlow, dataset: ResolvedDataset) -> str:
    if isinstance(flow.flow, AutoCdcFlow):
        return "CHANGE"
    if isinstance(flow.flow, SnapshotFlow):
        return "SNAPSHOT_CHANGE"
    if dataset.kind is DatasetKind.VIEW:
        return "VIEW"
    if dataset.kind is DatasetKind.MATERIALIZED_VIEW:
        return "MATERIALIZED_VIEW"
    return "COMPLETE" if flow.analysis.is_aggregated else "APPEND"


def _metrics_body(metrics: BatchMetrics) -> dict[str, Any]:
    body: dict[str, Any] = {"metrics": rows_of(metrics)}
    if metrics.expectations:
        body["data_quality"] = {
            "dropped_records": metrics.dropped_records,
            "expectations": [
                {
                    "name": each.name,
                    "dataset": each.dataset,
                    "passed_records": each.passed_records,
                    "failed_records": each.failed_records,
                }
                for each in metrics.expectations
            ],
        }
    return body
