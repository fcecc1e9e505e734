"""One flow about to run: what it reads with, what it writes to, and how its rows are counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyspark.sql import DataFrame, Observation, SparkSession

from dlt_stub.cdc import tombstone_seconds
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.declare.records import AppendFlow, AutoCdcFlow, Dataset, DatasetKind
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.engine.names import SessionNames
from dlt_stub.expectations import Check, CheckMetrics
from dlt_stub.flows.external import ForeachBatchSink, sink_table
from dlt_stub.flows.metrics import BatchMetrics
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import generation
from dlt_stub.flows.reads import BatchReads, StreamReads
from dlt_stub.flows.settings import FlowSettings
from dlt_stub.flows.sinks import AppendSink, CdcSink, CompleteSink, Sink, Written
from dlt_stub.flows.untold import Proof, Untold
from dlt_stub.flows.ways_out import Ways, ways_out
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow

R = TypeVar("R", bound=StreamReads)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowContext:
    """What every flow of one update shares."""

    place: PipelinePlace
    session: SparkSession
    registry: TableRegistry
    datasets: Mapping[str, Dataset]
    view_flows: Mapping[str, AppendFlow]
    update_id: str
    settings: FlowSettings = field(default_factory=FlowSettings)
    clock: Clock = field(default_factory=SystemClock)
    graph: Graph | None = None  # None while it is being resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """A flow, the dataset it fills, and what it shares with the others of its update."""

    flow: ResolvedFlow
    target: ResolvedDataset
    context: FlowContext

    @property
    def folder(self) -> Path:
        """The folder of what the flow remembers between updates."""
        return self.context.place.flow(self.flow.flow.target, self.flow.flow.name)

    @property
    def table(self) -> Path | None:
        """The folder of the table that is written; a function has none."""
        sink = self.target.dataset.sink
        place = self.context.place
        return place.table(self.target.name) if sink is None else sink_table(sink, place)

    @property
    def ways_out(self) -> Ways:
        """The commands that get the flow going again where it is stuck."""
        return ways_out(self.flow, self.target, self.context.place, self.context.graph)

    @property
    def is_of_changes(self) -> bool:
        """Whether rows are changes to be applied, and not rows to be added."""
        return isinstance(self.flow.flow, AutoCdcFlow)

    def app_id(self, source_id: str | None = None) -> str:
        """Return what Delta knows batch numbers by; progress made anew counts from 0."""
        flow = self.flow.flow
        name = f"{self.context.place.pipeline_id}/{flow.target}/{flow.name}"
        since = source_id or generation(self.folder)
        return name if since is None else f"{name}/{since}"

    def reads(self, kind: type[R]) -> R:
        """Return what the flow's query reads with."""
        return kind(
            place=self.context.place,
            session=self.context.session,
            registry=self.context.registry,
            datasets=self.context.datasets,
            view_flows=self.context.view_flows,
            flow=self.flow.flow,
        )

    def checked(self, frame: DataFrame, reads: StreamReads) -> DataFrame:
        """Return ``frame`` with its target's rules in its plan; changes without rules are left."""
        if self.is_of_changes and not self.target.dataset.expectations:
            return frame
        return reads.checked(frame, self.target.name)

    def untold(self, proof: Proof) -> Untold:
        """Return what keeps the counts of batches until they are told."""
        return Untold(
            folder=self.folder,
            proof=proof,
            update_id=self.context.update_id,
            target=self.flow.flow.target,
            flow=self.flow.flow.name,
            is_sink=self.target.is_sink,
        )

    def sink(self, app_id: str) -> Sink:
        """Return what writes the flow's batches."""
        table, target = self.table, self.target
        session = self.context.session
        if table is None:
            assert isinstance(session, UserSession)
            assert isinstance(session.names, SessionNames)
            assert target.dataset.sink is not None
            return ForeachBatchSink(handler=target.dataset.sink.handler, names=session.names)
        if isinstance(self.flow.flow, AutoCdcFlow):
            return CdcSink(
                flow=self.flow.flow,
                table=table,
                auxiliary=self.context.place.auxiliary(target.name),
                untold=self.untold(Proof.CHECKPOINT),
                app_id=app_id,
                clock=self.context.clock,
                forgets_after_seconds=tombstone_seconds(target.dataset),
                beside=tuple(
                    each.flow
                    for each in target.flows
                    if isinstance(each.flow, AutoCdcFlow) and each.flow.name != self.flow.flow.name
                ),
            )
        if self.flow.analysis.is_aggregated or target.kind is DatasetKind.MATERIALIZED_VIEW:
            return CompleteSink(
                table=table, app_id=app_id, is_clustered=bool(target.dataset.cluster_by)
            )
        return AppendSink(
            name=target.name,
            table=table,
            app_id=app_id,
            may_be_empty=self.flow.analysis.cloud_files is None,
        )

    def metrics(self, written: Written, checks: Sequence[CheckMetrics]) -> BatchMetrics:
        """Return what a batch did, from what was written and what its checks saw."""
        own = [check for check in checks if check.dataset == self.target.name]
        has_upserts = written.num_upserted_rows is not None
        return BatchMetrics(
            num_output_rows=own[-1].output_rows if own and not has_upserts else None,
            num_upserted_rows=written.num_upserted_rows,
            num_deleted_rows=written.num_deleted_rows,
            dropped_records=sum(check.dropped_rows for check in checks),
            expectations=tuple(each for check in checks for each in check.expectations),
        )

    def metrics_of_query(
        self, frame: DataFrame, written: Written, reads: BatchReads, untold: Untold, number: int
    ) -> BatchMetrics:
        """Return what batch ``number`` did: of a redo what was kept, else it is counted again."""
        if written.is_redo:
            kept = untold.kept(number)
            if kept is not None:
                return kept
            count_only(frame)
        return self.metrics(written, observed(reads.checks))


def count_only(frame: DataFrame) -> None:
    """Evaluate ``frame`` without writing it, so that its observations arrive after a redo."""
    frame.write.format("noop").mode("overwrite").save()


def observed(checks: Sequence[tuple[Check, Observation | None]]) -> list[CheckMetrics]:
    """Return what the checks of an evaluated batch query have counted."""
    return [
        check.metrics(_counts(observation))
        for check, observation in checks
        if observation is not None
    ]


def _counts(observation: Observation) -> Mapping[str, object]:
    """Return what was observed: nothing where the optimizer proved that no row is needed."""
    handle: Any = observation._jo  # Py4J: pyspark's own get fails on an empty row
    return observation.get if handle.getRow().length() else {}
