"""Flows over ``cloudFiles``: one batch of files after another, by the source's ledger."""

from collections import deque
from pathlib import Path

from pyspark.sql import DataFrame

from dlt_stub import stopping
from dlt_stub.clock import Clock
from dlt_stub.cloud_files import (
    Cleaning,
    CloudFilesSource,
    CloudFilesState,
    FileBatch,
    cleaning_of,
)
from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.records import Flow
from dlt_stub.failpoints import reach
from dlt_stub.flows.failures import unread_files, violation_in
from dlt_stub.flows.flow_run import FlowContext, FlowRun, count_only, observed
from dlt_stub.flows.metrics import BatchMetrics
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import source_of_files
from dlt_stub.flows.reads import BatchReads
from dlt_stub.flows.recount import committed_rows, is_as_read
from dlt_stub.flows.sinks import Sink, Written, is_committed
from dlt_stub.flows.untold import OnBatch, Proof, Untold


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


def run_files(run: FlowRun, request: CloudFilesRequest, on_batch: OnBatch) -> None:
    """Take in every file that is new, and tell ``on_batch`` of each committed batch.

    Raises:
        ExpectationViolation: a row broke a fail rule; nothing of its batch was committed.
        UnknownFieldError: files hold new columns; the schema is written, start the flow again.
        RefusedFilesError: files cannot be read; all others are committed.
        Stopped: that was wished before all files were read.
    """
    context = run.context
    source = source_of(request)
    cleaning = source_cleaning(request, context)
    state = source_state(run.flow.flow, context.place, context.clock)
    schema = source.current_schema(context.session, state)
    plan = source.plan(context.session, state, schema)
    table, app_id = run.table, run.app_id(state.source_id)
    untold = run.untold(Proof.LEDGER)
    sink = run.sink(app_id)
    batches = deque(plan.batches)
    while batches:
        stopping.check()
        batch = batches.popleft()
        if batch.is_empty:
            state.commit(batch, {})
            continue
        metrics = None
        if table is not None and not is_as_read(batch):
            metrics = _known(run, untold, batch.number, table, app_id)
        try:
            if metrics is None:
                rows = source.read(context.session, state, batch)
                metrics = _write(run, rows, batch.number, sink, untold)
        except Exception as error:
            unread = unread_files(batch, error)
            broken = violation_in(batch, error, run.flow.flow)
            if not (unread or broken) or _is_begun(run, batch, app_id):
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


def _write(run: FlowRun, rows: DataFrame, number: int, sink: Sink, untold: Untold) -> BatchMetrics:
    reads = run.reads(BatchReads)
    reads.batch = rows
    frame = run.checked(reads.query(), reads)
    written = sink.write(frame, number)
    reach("bronze.after_commit")
    return run.metrics_of_query(frame, written, reads, untold, number)


def _known(
    run: FlowRun, untold: Untold, number: int, table: Path, app_id: str
) -> BatchMetrics | None:
    """Return what a batch did that is in ``table`` already, or None if it is not.

    What was not kept is counted by the rows the batch has left: what a drop rule removed, or a
    view before the table counted, is not known any more.
    """
    session = run.context.session
    if not is_committed(session, table, app_id, number):
        return None
    kept = untold.kept(number)
    if kept is not None:
        return kept
    rows = committed_rows(session, table, app_id, number)
    if rows is None or run.is_of_changes:
        return BatchMetrics()
    reads = run.reads(BatchReads)
    count_only(reads.checked(rows, run.target.name))
    return run.metrics(Written(is_redo=True), observed(reads.checks))


def _is_begun(run: FlowRun, batch: FileBatch, app_id: str) -> bool:
    """Return whether a part of a batch is in one of the tables that its flow writes."""
    tables = [run.table]
    if run.is_of_changes:
        tables.append(run.context.place.auxiliary(run.target.name))
    there = [table for table in tables if table is not None and table.exists()]
    return any(is_committed(run.context.session, table, app_id, batch.number) for table in there)


def _as_json(metrics: BatchMetrics) -> dict[str, object]:
    return {
        "num_output_rows": metrics.num_output_rows,
        "dropped_records": metrics.dropped_records,
    }
