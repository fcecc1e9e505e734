"""Runs one flow: file batches one after another, or a stream until nothing is left."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from dlt_stub import stopping
from dlt_stub.cdc import tombstone_seconds
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.cloud_files import (
    Cleaning,
    CloudFilesSource,
    CloudFilesState,
    FileBatch,
    cleaning_of,
)
from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.records import (
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Flow,
    SnapshotFlow,
)
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.callbacks import close_idle_callbacks
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.engine.lost import lost_spark
from dlt_stub.engine.names import SessionNames
from dlt_stub.errors import DltStubError
from dlt_stub.expectations import Check, CheckMetrics
from dlt_stub.failpoints import reach
from dlt_stub.flows.external import ForeachBatchSink, sink_table
from dlt_stub.flows.failures import flow_error, unread_files, violation_in
from dlt_stub.flows.metrics import BatchMetrics
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import (
    check_checkpoint,
    checkpoint_of,
    done_once,
    generation,
    snapshots_of,
    source_of_files,
)
from dlt_stub.flows.reads import BatchReads, StreamReads
from dlt_stub.flows.recount import committed_rows, is_as_read, observed_so_far
from dlt_stub.flows.settings import FlowSettings
from dlt_stub.flows.sinks import AppendSink, CdcSink, CompleteSink, Sink, Written, is_committed
from dlt_stub.flows.snapshots import SnapshotSink, once_an_update
from dlt_stub.flows.stateful import check_state
from dlt_stub.flows.tables import new_layout
from dlt_stub.flows.untold import OnBatch, Proof, Teller, Untold
from dlt_stub.flows.ways_out import Ways, ways_out
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow

_TELL_SECONDS = 1  # between two looks at what a running stream has committed


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

    def ways_out(self, flow: ResolvedFlow, target: ResolvedDataset) -> Ways:
        """Return the commands that get ``flow`` going again where it is stuck."""
        return ways_out(flow, target, self.place, self.graph)


def run_flow(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, *, on_batch: OnBatch
) -> None:
    """Process everything new for ``flow``; ``on_batch`` is told of each committed micro-batch.

    A batch is told once: when ``on_batch`` returns, its event has to be on disk.

    Raises:
        ExpectationViolation: a row broke a fail rule; nothing of its batch was committed.
        UnknownFieldError: files hold new columns; the schema is written, start the flow again.
        RefusedFilesError: files cannot be read; all others are committed.
        SparkLostError: Spark's Java process has ended.
        StuckFlowError: its source or its checkpoint has changed; the hint names what to do.
        FlowError: anything else the query or the write raised.
        Stopped: that was wished before the flow had read all there is.
    """
    try:
        with context.settings.of(flow.flow, target.dataset, context.session):
            _run(flow, target, context, on_batch)
    except DltStubError:
        raise
    except Exception as error:
        if stopping.is_demanded():
            raise stopping.stopped() from error
        ways = context.ways_out(flow, target)
        raise lost_spark() or flow_error(error, flow.flow, ways, context.registry) from error


def _run(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, on_batch: OnBatch
) -> None:
    if isinstance(flow.flow, SnapshotFlow):
        _run_snapshots(flow, flow.flow, target, context)
    elif flow.analysis.cloud_files is not None:
        _run_files(flow, flow.analysis.cloud_files, target, context, on_batch)
    elif flow.analysis.is_streaming:
        _run_stream(flow, target, context, on_batch)
    elif flow.flow.once:
        _run_once(flow, target, context, on_batch)
    else:
        _run_complete(flow, target, context, on_batch)


def source_of(request: CloudFilesRequest) -> CloudFilesSource:
    """Return the cloudFiles source of ``request``.

    Raises:
        SourceError: an option is unknown.
        NotEmulatedError: an option is not honoured here.
    """
    return CloudFilesSource.parse(
        options=request.options, path=request.path, schema=request.schema, origin=request.origin
    )


def source_cleaning(request: CloudFilesRequest, context: FlowContext) -> Cleaning | None:
    """Return what is done with committed files of a cloudFiles source, or None if nothing is.

    Raises:
        SourceError: it asks for what Databricks refuses.
        NotEmulatedError: the source is not on this machine.
    """
    return cleaning_of(
        context.session,
        path=request.path,
        options=source_of(request).options,
        paths=context.place.paths,
        origin=request.origin,
    )


def source_state(flow: Flow, place: PipelinePlace, clock: Clock | None = None) -> CloudFilesState:
    """Return the ledger and schemas of a flow's cloudFiles source."""
    return CloudFilesState(source_of_files(place.flow(flow.target, flow.name)), clock)


def _reads(kind: type[R], flow: ResolvedFlow, context: FlowContext) -> R:
    return kind(
        place=context.place,
        session=context.session,
        registry=context.registry,
        datasets=context.datasets,
        view_flows=context.view_flows,
        flow=flow.flow,
    )


def _checked(
    frame: DataFrame, reads: StreamReads, flow: ResolvedFlow, target: ResolvedDataset
) -> DataFrame:
    """Return ``frame`` with its target's rules in its plan; changes without rules stay alone."""
    if isinstance(flow.flow, AutoCdcFlow) and not target.dataset.expectations:
        return frame
    return reads.checked(frame, target.name)


def _run_files(
    flow: ResolvedFlow,
    request: CloudFilesRequest,
    target: ResolvedDataset,
    context: FlowContext,
    on_batch: OnBatch,
) -> None:
    source = source_of(request)
    cleaning = source_cleaning(request, context)
    state = source_state(flow.flow, context.place, context.clock)
    schema = source.current_schema(context.session, state)
    plan = source.plan(context.session, state, schema)
    table, app_id = _table(target, context), _app_id(flow, context, state.source_id)
    untold = _untold(flow, target, context, Proof.LEDGER)
    sink = _sink(flow, target, context, app_id)
    batches = deque(plan.batches)
    while batches:
        stopping.check()
        batch = batches.popleft()
        if batch.is_empty:
            state.commit(batch, {})
            continue
        metrics = None
        if table is not None and not is_as_read(batch):
            metrics = _known(flow, target, context, untold, batch.number, table, app_id)
        try:
            if metrics is None:
                rows = source.read(context.session, state, batch)
                metrics = _write_files(rows, batch.number, flow, target, context, sink, untold)
        except Exception as error:
            unread = unread_files(batch, error)
            broken = violation_in(batch, error, flow.flow)
            if not (unread or broken) or _is_begun(batch, flow, target, context, app_id):
                raise
            if broken is not None:
                if table is not None:  # a function is given a batch under one number
                    state.release(batch, dict.fromkeys(batch.paths, "a row breaks a fail rule"))
                raise broken from error
            # A batch keeps its number only as long as it can be written: Delta takes a number
            # below the last one for done.
            batches.extend(state.release(batch, unread))
            plan.refused.reasons.update(unread)
            continue
        untold.keep(batch.number, metrics)
        state.commit(batch, _as_json(metrics))
        untold.tell(batch.number, on_batch)
    if cleaning is not None:
        cleaning.clean(context.session, state, context.clock.now())
    plan.refused.raise_if_any(request.origin)


def _write_files(
    rows: DataFrame,
    number: int,
    flow: ResolvedFlow,
    target: ResolvedDataset,
    context: FlowContext,
    sink: Sink,
    untold: Untold,
) -> BatchMetrics:
    reads = _reads(BatchReads, flow, context)
    reads.batch = rows
    frame = _checked(reads.query(), reads, flow, target)
    written = sink.write(frame, number)
    reach("bronze.after_commit")
    return _of_batch_query(frame, written, reads, untold, number, target)


def _of_batch_query(
    frame: DataFrame,
    written: Written,
    reads: BatchReads,
    untold: Untold,
    number: int,
    target: ResolvedDataset,
) -> BatchMetrics:
    """Return what a batch did: of a redo what was kept, else it is counted again."""
    if written.is_redo:
        kept = untold.kept(number)
        if kept is not None:
            return kept
        count_only(frame)
    return _metrics(written, _observed(reads.checks), target)


def _run_stream(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, on_batch: OnBatch
) -> None:
    reads = _reads(StreamReads, flow, context)
    try:
        _stream(flow, target, context, reads, on_batch)
    finally:
        reads.release()


def _stream(
    flow: ResolvedFlow,
    target: ResolvedDataset,
    context: FlowContext,
    reads: StreamReads,
    on_batch: OnBatch,
) -> None:
    frame = _checked(reads.query(), reads, flow, target)
    sink = _sink(flow, target, context, _app_id(flow, context))
    untold = _untold(flow, target, context, Proof.CHECKPOINT)
    started: Future[StreamingQuery] = Future()
    raised: list[BaseException] = []

    def handle(batch: DataFrame, batch_id: int) -> None:
        if stopping.is_wished():
            raised.append(stopping.stopped())
            raise RuntimeError("stopped")  # Spark's callback takes an Exception only
        try:
            written = sink.write(batch, batch_id)
            if written.is_redo:
                count_only(batch)  # whatever is known: what the query keeps is made by evaluating
            metrics = untold.kept(batch_id) if written.is_redo else None
            if metrics is None:
                seen = observed_so_far(started.result())
                counts = [check.metrics(seen.get(check.observed_as, {})) for check, _ in checks]
                metrics = _metrics(written, counts, target)
            untold.keep(batch_id, metrics)
            teller.kept.append(batch_id)
        except Exception as error:
            raised.append(error)  # Spark keeps only its text on the way through the JVM
            raise

    folder = untold.folder
    checks = reads.checks
    teller = Teller(untold=untold, on_batch=on_batch)
    way_out = context.ways_out(flow, target).read_again()
    check_checkpoint(flow.flow, folder, way_out)
    check_state(flow.flow, folder, flow.analysis.state, way_out)
    query = (
        frame.writeStream.outputMode("complete" if flow.analysis.is_aggregated else "append")
        .foreachBatch(handle)
        .option("checkpointLocation", str(checkpoint_of(folder)))
        .trigger(availableNow=True)
        .start()
    )
    started.set_result(query)
    try:
        # Told as they are committed: what a killed process has not told stays untold.
        while not query.awaitTermination(_TELL_SECONDS):
            teller.tell()
    except Exception as error:
        if raised:
            raise raised[0] from error
        raise
    finally:
        if query.isActive:
            query.stop()
        close_idle_callbacks(context.session)
        # Java holds ``handle`` as long as the query is there: holding the query from here, by what
        # ``handle`` sees, would keep both, and all the query's plans, for as long as the process.
        started = Future()
        raised.clear()
        teller.tell()


def _run_once(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, on_batch: OnBatch
) -> None:
    """Write what a batch query gives, unless an earlier update has: until a full refresh."""
    done = done_once(context.place.flow(target.name, flow.flow.name))
    if done.exists():
        return
    reads = _reads(BatchReads, flow, context)
    frame = reads.query()
    frame = _checked(frame, reads, flow, target)
    untold = _untold(flow, target, context, Proof.ONCE)
    written = _sink(flow, target, context, _app_id(flow, context)).write(frame, 0)
    metrics = _of_batch_query(frame, written, reads, untold, 0, target)
    untold.keep(0, metrics)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
    reach("flows.once_done")
    untold.tell(0, on_batch)


def _run_snapshots(
    flow: ResolvedFlow, declared: SnapshotFlow, target: ResolvedDataset, context: FlowContext
) -> None:
    """Apply every snapshot that is newer; no metrics are told of it.

    Source: docs "The AUTO CDC APIs", metrics: none for snapshots, 2026-11-24.
    """
    reads = _reads(BatchReads, flow, context)
    sink = SnapshotSink(
        flow=declared,
        session=context.session,
        table=context.place.table(target.name),
        app_id=_app_id(flow, context),
        state=snapshots_of(context.place.flow(target.name, declared.name)),
    )
    if isinstance(declared.source, str):
        sink.run(once_an_update(reads.query(), context.clock))
    else:
        sink.run(reads.next_snapshot)


def _run_complete(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, on_batch: OnBatch
) -> None:
    # Every update computes a materialized view anew and commits it, changed inputs or not: that the
    # query is deterministic, and reads nothing but its inputs, cannot be known from its plan.
    reads = _reads(BatchReads, flow, context)
    frame = reads.checked(reads.query(), target.name)
    layout = new_layout(target, place=context.place, spark=context.session)
    sink = CompleteSink(
        table=context.place.table(target.name),
        app_id=None,
        layout=layout,
        is_clustered=bool(target.dataset.cluster_by),
    )
    written = sink.write(frame, 0)
    on_batch(_metrics(written, _observed(reads.checks), target), None)


def _app_id(flow: ResolvedFlow, context: FlowContext, source_id: str | None = None) -> str:
    """Return what Delta knows the flow's batch numbers by; progress made anew counts from 0."""
    name = f"{context.place.pipeline_id}/{flow.flow.target}/{flow.flow.name}"
    since = source_id or generation(context.place.flow(flow.flow.target, flow.flow.name))
    return name if since is None else f"{name}/{since}"


def _table(target: ResolvedDataset, context: FlowContext) -> Path | None:
    """Return the folder of the table that flows into ``target`` write; a function has none."""
    sink = target.dataset.sink
    return context.place.table(target.name) if sink is None else sink_table(sink, context.place)


def _known(
    flow: ResolvedFlow,
    target: ResolvedDataset,
    context: FlowContext,
    untold: Untold,
    number: int,
    table: Path,
    app_id: str,
) -> BatchMetrics | None:
    """Return what a batch did that is in ``table`` already, or None if it is not.

    What was not kept is counted by the rows the batch has left: what a drop rule removed, or a
    view before the table counted, is not known any more.
    """
    if not is_committed(context.session, table, app_id, number):
        return None
    kept = untold.kept(number)
    if kept is not None:
        return kept
    rows = committed_rows(context.session, table, app_id, number)
    if rows is None or isinstance(flow.flow, AutoCdcFlow):
        return BatchMetrics()
    reads = _reads(BatchReads, flow, context)
    count_only(reads.checked(rows, target.name))
    return _metrics(Written(is_redo=True), _observed(reads.checks), target)


def _untold(
    flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, proof: Proof
) -> Untold:
    return Untold(
        folder=context.place.flow(flow.flow.target, flow.flow.name),
        proof=proof,
        update_id=context.update_id,
        target=flow.flow.target,
        flow=flow.flow.name,
        is_sink=target.is_sink,
    )


def _is_begun(
    batch: FileBatch,
    flow: ResolvedFlow,
    target: ResolvedDataset,
    context: FlowContext,
    app_id: str,
) -> bool:
    """Return whether a part of a batch is in one of the tables that its flow writes."""
    tables = [_table(target, context)]
    if isinstance(flow.flow, AutoCdcFlow):
        tables.append(context.place.auxiliary(target.name))
    there = [table for table in tables if table is not None and table.exists()]
    return any(is_committed(context.session, table, app_id, batch.number) for table in there)


def _sink(flow: ResolvedFlow, target: ResolvedDataset, context: FlowContext, app_id: str) -> Sink:
    table = _table(target, context)
    if table is None:
        assert isinstance(context.session, UserSession)
        assert isinstance(context.session.names, SessionNames)
        assert target.dataset.sink is not None
        return ForeachBatchSink(handler=target.dataset.sink.handler, names=context.session.names)
    if isinstance(flow.flow, AutoCdcFlow):
        return CdcSink(
            flow=flow.flow,
            table=table,
            auxiliary=context.place.auxiliary(target.name),
            untold=_untold(flow, target, context, Proof.CHECKPOINT),
            app_id=app_id,
            clock=context.clock,
            forgets_after_seconds=tombstone_seconds(target.dataset),
            beside=tuple(
                each.flow
                for each in target.flows
                if isinstance(each.flow, AutoCdcFlow) and each.flow.name != flow.flow.name
            ),
        )
    if flow.analysis.is_aggregated or target.kind is DatasetKind.MATERIALIZED_VIEW:
        return CompleteSink(
            table=table, app_id=app_id, is_clustered=bool(target.dataset.cluster_by)
        )
    return AppendSink(
        name=target.name, table=table, app_id=app_id, may_be_empty=flow.analysis.cloud_files is None
    )


def count_only(frame: DataFrame) -> None:
    """Evaluate ``frame`` without writing it, so that its observations arrive after a redo."""
    frame.write.format("noop").mode("overwrite").save()


def _observed(checks: Sequence[tuple[Check, Observation | None]]) -> list[CheckMetrics]:
    return [
        check.metrics(_counts(observation))
        for check, observation in checks
        if observation is not None
    ]


def _counts(observation: Observation) -> Mapping[str, object]:
    """Return what was observed: nothing where the optimizer proved that no row is needed."""
    handle: Any = observation._jo  # Py4J: pyspark's own get fails on an empty row
    return observation.get if handle.getRow().length() else {}


def _metrics(
    written: Written, checks: Sequence[CheckMetrics], target: ResolvedDataset
) -> BatchMetrics:
    own = [check for check in checks if check.dataset == target.name]
    is_of_changes = written.num_upserted_rows is not None
    return BatchMetrics(
        num_output_rows=own[-1].output_rows if own and not is_of_changes else None,
        num_upserted_rows=written.num_upserted_rows,
        num_deleted_rows=written.num_deleted_rows,
        dropped_records=sum(check.dropped_rows for check in checks),
        expectations=tuple(each for check in checks for each in check.expectations),
    )


def _as_json(metrics: BatchMetrics) -> dict[str, object]:
    return {
        "num_output_rows": metrics.num_output_rows,
        "dropped_records": metrics.dropped_records,
    }
