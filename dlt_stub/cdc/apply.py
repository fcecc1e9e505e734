"""The door of the room: one micro-batch into one target, once and only once."""

import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

from pyspark.sql import DataFrame

from dlt_stub.cdc.auxiliary import Memory
from dlt_stub.cdc.batch import SMALL_BYTES, STRICT, Batch, CdcMetrics, is_small_plan
from dlt_stub.cdc.flow import is_replayed
from dlt_stub.cdc.ordering import key_names
from dlt_stub.cdc.replay import apply_by_replay
from dlt_stub.cdc.scd1 import apply_scd1
from dlt_stub.declare.records import START_AT, AutoCdcFlow
from dlt_stub.engine.delta_log import read_table_state
from dlt_stub.errors import FlowError
from dlt_stub.failpoints import reach

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def _ignore(metrics: CdcMetrics) -> None:
    """Take no notice: for a caller that waits for the commit."""


def apply_changes_batch(
    batch: DataFrame,
    *,
    flow: AutoCdcFlow,
    target: str,
    auxiliary: str,
    app_id: str,
    version: int,
    applied_at: datetime,
    forgets_after_seconds: float | None = None,
    beside: tuple[AutoCdcFlow, ...] = (),
    on_counted: Callable[[CdcMetrics], None] = _ignore,
) -> CdcMetrics | None:
    """Bring the Delta table in folder ``target`` up to date with the changes in ``batch``.

    Afterwards the target holds, for each key, the row of its greatest change (see ``ordering``)
    among all batches applied so far, or no row if that change is a delete. ``batch`` is evaluated
    once. The table in folder ``auxiliary`` is made when it is first needed and is committed before
    the target; both commits bear ``app_id`` and ``version``, and the versions of one ``app_id``
    must grow. Batches of one target take turns within this process.

    Returns None if the target has this version already: it is then as it should be, and what the
    batch did is known only to whoever kept the metrics. A redo after a crash between the two
    tables, or with other rows after an edit of the flow, ends as if nothing had happened.

    A delete that was applied more than ``forgets_after_seconds`` before ``applied_at`` is
    forgotten: a change from before it brings its key back. ``beside`` are the other flows into
    the target. ``on_counted`` is told what the batch will do before anything is written; a batch
    that does nothing is not told.

    Shape:
        batch: the source's columns; one row per change.

    Undefined:
        which of two changes with equal keys and sequences wins on Databricks; rows put into the
        target by hand with a key twice.

    Source: docs.databricks.com AUTO CDC page (golden example, hand-made rows count as earlier
    than every change), and published measurements of NULL keys and sequences; read 2026-10.

    Raises:
        FlowError: the target is missing or lacks columns, a row does not satisfy ``where``, or
            lacks a key or sequence in strict mode.
    """
    spark = batch.sparkSession
    with _locks[target]:
        state = read_table_state(spark, target, app_id)
        if state is None:
            raise FlowError(
                f"table {flow.target!r} of flow {flow.name!r} does not exist", origin=flow.origin
            )
        if state.transaction_version is not None and state.transaction_version >= version:
            return None
        before = read_table_state(spark, auxiliary, app_id)
        num_bytes = state.size_bytes + (before.size_bytes if before is not None else 0)
        flows = (flow, *beside)
        last = before.transaction_version if before is not None else None
        job = Batch(
            flow=flow,
            schema=state.schema,
            keys=key_names(flow, state.schema),
            target=target,
            memory=Memory(
                path=auxiliary,
                app_id=app_id,
                version=version,
                committed=state.transactions,
                applied_at=applied_at,
                forgets_before=None
                if forgets_after_seconds is None
                else applied_at - timedelta(seconds=forgets_after_seconds),
                is_redo=last is not None and last >= version,
            ),
            before=before,
            has_truncates=any(each.apply_as_truncates is not None for each in flows),
            has_small_tables=num_bytes <= SMALL_BYTES,
            is_strict=str(spark.conf.get(STRICT, "false")).lower() == "true",
            is_small=num_bytes <= SMALL_BYTES and is_small_plan(batch),
            on_counted=on_counted,
        )
        _check_type(job)
        apply = apply_by_replay if is_replayed(flows, state.schema) else apply_scd1
        metrics = apply(batch, job, state)
        reach("cdc.target_committed", flow.target)
        return metrics


def _check_type(job: Batch) -> None:
    if (START_AT in job.schema.names) is not (job.flow.scd_type == 2):
        raise FlowError(
            f"table {job.flow.target!r} was not made for flow {job.flow.name!r}, which is stored "
            f"as SCD type {job.flow.scd_type}",
            origin=job.flow.origin,
            hint="run a full refresh of the table",
        )
