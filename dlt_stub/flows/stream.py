"""Flows over tables and other streams: micro-batches until nothing is left, by a checkpoint."""

from concurrent.futures import Future

from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from dlt_stub import stopping
from dlt_stub.engine.callbacks import close_idle_callbacks
from dlt_stub.flows.flow_run import FlowRun, count_only
from dlt_stub.flows.progress import check_checkpoint, checkpoint_of
from dlt_stub.flows.reads import StreamReads
from dlt_stub.flows.recount import observed_so_far
from dlt_stub.flows.stateful import check_state
from dlt_stub.flows.untold import OnBatch, Proof, Teller

_TELL_SECONDS = 1  # between two looks at what a running stream has committed


def run_stream(run: FlowRun, on_batch: OnBatch) -> None:
    """Write what is new in the sources of a streaming query; tell ``on_batch`` of each batch.

    Raises:
        StuckFlowError: its source or its checkpoint has changed; the hint names what to do.
        Stopped: that was wished before the query had read all there is.
    """
    reads = run.reads(StreamReads)
    try:
        _stream(run, reads, on_batch)
    finally:
        reads.release()


def _stream(run: FlowRun, reads: StreamReads, on_batch: OnBatch) -> None:
    flow = run.flow
    frame = run.checked(reads.query(), reads)
    sink = run.sink(run.app_id())
    untold = run.untold(Proof.CHECKPOINT)
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
                metrics = run.metrics(written, counts)
            untold.keep(batch_id, metrics)
            teller.kept.append(batch_id)
        except Exception as error:
            raised.append(error)  # Spark keeps only its text on the way through the JVM
            raise

    folder = untold.folder
    checks = reads.checks
    teller = Teller(untold=untold, on_batch=on_batch)
    way_out = run.ways_out.read_again()
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
        close_idle_callbacks(run.context.session)
        # Java holds ``handle`` as long as the query is there: holding the query from here, by what
        # ``handle`` sees, would keep both, and all the query's plans, for as long as the process.
        started = Future()
        raised.clear()
        teller.tell()
