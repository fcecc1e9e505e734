"""The flows of an update: each is run, tried again, and told of."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from dlt_stub import stopping
from dlt_stub.errors import FlowError, UnknownFieldError
from dlt_stub.events import FlowStatus, Level
from dlt_stub.flows.failures import is_retryable
from dlt_stub.flows.flow_run import FlowContext
from dlt_stub.flows.metrics import BatchMetrics
from dlt_stub.flows.run import run_flow
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow
from dlt_stub.update.progress import Progress
from dlt_stub.update.records import FlowResult, Selection, rows_of, summed
from dlt_stub.update.retries import Retries
from dlt_stub.update.schedule import run_flows

Explain = Callable[[BaseException, Iterable[ResolvedDataset]], BaseException]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunner:
    """Runs the selected flows of ``graph`` in their order; every step emits its events.

    ``explain`` says what an error of a flow means, given the tables it reads and writes.
    """

    graph: Graph
    context: FlowContext
    selection: Selection
    retries: Retries
    progress: Progress
    explain: Explain

    def run(self) -> Mapping[str, FlowResult]:
        """Return how each flow ended, by its name.

        Raises:
            Stopped: that was wished before all had ended.
        """
        for dataset in self.graph.tables:
            for flow in dataset.flows:
                is_selected = self.selection.includes(flow.flow)
                status = FlowStatus.QUEUED if is_selected else FlowStatus.EXCLUDED
                self.progress.flow(flow, status)

        context = replace(self.context, graph=self.graph)

        def run(flow: ResolvedFlow) -> FlowResult:
            return self._run_one(flow, self.graph.datasets[flow.flow.target], context)

        return run_flows(self.graph, selected=self.selection.includes, run=run, skip=self._skip)

    def _run_one(
        self, flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext
    ) -> FlowResult:
        started = time.monotonic()
        batches: list[BatchMetrics] = []

        def on_batch(metrics: BatchMetrics, event_id: str | None) -> None:
            batches.append(metrics)
            self.progress.flow(flow, FlowStatus.RUNNING, metrics=metrics, event_id=event_id)
            self.progress.flush()

        error: Exception | None = None
        status = FlowStatus.COMPLETED
        try:
            for attempts_left in reversed(range(1 + self.retries.of_flow(flow.flow))):
                self.progress.flow(flow, FlowStatus.STARTING)
                self.progress.flow(flow, FlowStatus.RUNNING)
                # An event log reader must see what the flows before it said.
                self.progress.flush()
                try:
                    run_flow(flow, target, context, on_batch=on_batch)
                    break
                except FlowError as failure:
                    if not attempts_left or not is_retryable(failure):
                        raise
                    self.progress.flow(
                        flow,
                        FlowStatus.FAILED,
                        error=failure,
                        level=Level.WARN,
                        message=f"Flow '{flow.flow.name}' has FAILED and is started again: "
                        f"{failure.message}",
                    )
            self.progress.flow(flow, status)
        except UnknownFieldError as changed:
            error, status = changed, FlowStatus.STOPPED
            self.progress.flow(
                flow,
                status,
                error=changed,
                level=Level.WARN,
                message=f"Flow '{flow.flow.name}' has encountered a schema change during "
                "execution and terminated. A new update using the new schema will be started "
                "automatically.",
            )
        except stopping.Stopped:
            self.progress.flow(flow, FlowStatus.STOPPED)
            raise
        except Exception as failure:
            failed = self.explain(failure, self._tables_of(flow, target))
            if not isinstance(failed, Exception):
                self.progress.flow(flow, FlowStatus.STOPPED)
                raise failed from failure
            error, status = failed, FlowStatus.FAILED
            self.progress.flow(flow, status, error=failed)
        total = summed(batches)
        return FlowResult(
            name=flow.flow.name,
            target=flow.flow.target,
            status=status,
            seconds=time.monotonic() - started,
            metrics=rows_of(total),
            dropped_records=total.dropped_records,
            expectations=total.expectations,
            error=error,
        )

    def _tables_of(self, flow: ResolvedFlow, target: ResolvedDataset) -> list[ResolvedDataset]:
        read = {*flow.analysis.inputs}
        return [target, *(each for each in self.graph.tables if each.name in read)]

    def _skip(self, flow: ResolvedFlow, failed: str) -> FlowResult:
        self.progress.flow(
            flow,
            FlowStatus.SKIPPED,
            message=f"Flow '{flow.flow.name}' is SKIPPED: upstream flow '{failed}' did not "
            "complete.",
        )
        return FlowResult(
            name=flow.flow.name,
            target=flow.flow.target,
            status=FlowStatus.SKIPPED,
            seconds=0.0,
            skipped_for=failed,
        )
