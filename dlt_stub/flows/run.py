"""Runs one flow, each kind its own way, and says what a failure means."""

from dlt_stub import stopping
from dlt_stub.declare.records import SnapshotFlow
from dlt_stub.engine.lost import lost_spark
from dlt_stub.errors import DltStubError
from dlt_stub.failpoints import reach
from dlt_stub.flows.failures import flow_error
from dlt_stub.flows.file_batches import run_files
from dlt_stub.flows.flow_run import FlowContext, FlowRun, observed
from dlt_stub.flows.progress import done_once, snapshots_of
from dlt_stub.flows.reads import BatchReads
from dlt_stub.flows.sinks import CompleteSink
from dlt_stub.flows.snapshots import SnapshotSink, once_an_update
from dlt_stub.flows.stream import run_stream
from dlt_stub.flows.tables import new_layout
from dlt_stub.flows.untold import OnBatch, Proof
from dlt_stub.graph import ResolvedDataset, ResolvedFlow


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
    run = FlowRun(flow=flow, target=target, context=context)
    try:
        with context.settings.of(flow.flow, target.dataset, context.session):
            _run(run, on_batch)
    except DltStubError:
        raise
    except Exception as error:
        if stopping.is_demanded():
            raise stopping.stopped() from error
        ways = run.ways_out
        raise lost_spark() or flow_error(error, flow.flow, ways, context.registry) from error


def _run(run: FlowRun, on_batch: OnBatch) -> None:
    flow, analysis = run.flow.flow, run.flow.analysis
    if isinstance(flow, SnapshotFlow):
        _run_snapshots(run, flow)
    elif analysis.cloud_files is not None:
        run_files(run, analysis.cloud_files, on_batch)
    elif analysis.is_streaming:
        run_stream(run, on_batch)
    elif flow.once:
        _run_once(run, on_batch)
    else:
        _run_complete(run, on_batch)


def _run_once(run: FlowRun, on_batch: OnBatch) -> None:
    """Write what a batch query gives, unless an earlier update has: until a full refresh."""
    done = done_once(run.folder)
    if done.exists():
        return
    reads = run.reads(BatchReads)
    frame = run.checked(reads.query(), reads)
    untold = run.untold(Proof.ONCE)
    written = run.sink(run.app_id()).write(frame, 0)
    metrics = run.metrics_of_query(frame, written, reads, untold, 0)
    untold.keep(0, metrics)
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
    reach("flows.once_done")
    untold.tell(0, on_batch)


def _run_snapshots(run: FlowRun, declared: SnapshotFlow) -> None:
    """Apply every snapshot that is newer; no metrics are told of it.

    Source: docs "The AUTO CDC APIs", metrics: none for snapshots, 2026-11-24.
    """
    context = run.context
    reads = run.reads(BatchReads)
    sink = SnapshotSink(
        flow=declared,
        session=context.session,
        table=context.place.table(run.target.name),
        app_id=run.app_id(),
        state=snapshots_of(run.folder),
    )
    if isinstance(declared.source, str):
        sink.run(once_an_update(reads.query(), context.clock))
    else:
        sink.run(reads.next_snapshot)


def _run_complete(run: FlowRun, on_batch: OnBatch) -> None:
    # Every update computes a materialized view anew and commits it, changed inputs or not: that the
    # query is deterministic, and reads nothing but its inputs, cannot be known from its plan.
    place = run.context.place
    reads = run.reads(BatchReads)
    frame = reads.checked(reads.query(), run.target.name)
    sink = CompleteSink(
        table=place.table(run.target.name),
        app_id=None,
        layout=new_layout(run.target, place=place, spark=run.context.session),
        is_clustered=bool(run.target.dataset.cluster_by),
    )
    written = sink.write(frame, 0)
    on_batch(run.metrics(written, observed(reads.checks)), None)
