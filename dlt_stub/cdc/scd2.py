"""Applies one micro-batch of changes to an SCD type 2 target.

The auxiliary table keeps every change that ever held. A batch recomputes the history of its keys
from their changes, once without and once with its own, and writes the difference: so late
changes, ties and crashes need no rules of their own, and rows the difference does not touch stay
as they are, deleted or edited by hand as they may be. The cost grows with the number of changes
that the batch's keys have had, not with the table.
"""

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub import failpoints
from dlt_stub.cdc.auxiliary import (
    append_changes,
    compact_changes,
    is_crowded,
    read_changes,
    remembered_meaning,
)
from dlt_stub.cdc.batch import (
    Batch,
    CdcMetrics,
    KeyRange,
    is_redo,
    look_at,
    merging_session,
    pinned,
    same_keys,
    unpin,
)
from dlt_stub.cdc.flow import START_AT, column, data_columns, tracked_columns
from dlt_stub.cdc.history import (
    GAINED,
    IS_ONLY_CLOSED,
    IS_OPEN_AFTER,
    IS_OPEN_BEFORE,
    OP,
    compare_histories,
    gained_changes,
    greatest_changes,
    points_of,
)
from dlt_stub.cdc.ordering import IS_DELETE, SEQUENCE, changes_of
from dlt_stub.engine.catalog import quote
from dlt_stub.engine.delta_log import TableState, read_table_state
from dlt_stub.errors import FlowError

_NOTHING = CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
_COUNTS = ("inserted", "updated", "dropped", "only_closed", "deleted")


def apply_scd2(batch: DataFrame, job: Batch, state: TableState) -> CdcMetrics:
    """Bring the SCD type 2 target in ``state`` up to date with the changes in ``batch``.

    Undefined: flows that fill one target together, when one of them was killed between the two
    tables and another goes on first.

    Raises:
        FlowError: a row does not satisfy ``where``, or the history so far was made with other
            keys, other tracked columns, or as SCD type 1.
    """
    data = data_columns(state.schema)
    kind = state.schema[START_AT].dataType
    changes = changes_of(batch, job.flow, data, kind)
    greatest = greatest_changes(changes, data, job.keys).persist()
    try:
        return _apply(batch.sparkSession, greatest, data, job, state)
    finally:
        greatest.unpersist()


def _apply(
    spark: SparkSession, changes: DataFrame, data: StructType, job: Batch, state: TableState
) -> CdcMetrics:
    num_changes, key_range = look_at(changes, job)
    if num_changes == 0:
        return _NOTHING
    before = read_table_state(spark, job.auxiliary, job.app_id)
    tracked = tracked_columns(data, job.flow)
    _check_meaning(before, tracked, job, state)
    kind = state.schema[START_AT].dataType
    old = _old_changes(spark, data, kind, job) if before is not None else None
    by_hand = _rows_by_hand(spark, data, kind, job) if state.num_files else None
    points = pinned(
        points_of(
            changes,
            _of_batch(old, changes, key_range, job),
            _of_batch(by_hand, changes, key_range, job),
            data,
            job.keys,
        )
    )
    versions: DataFrame | None = None
    is_again = is_redo(before, job)
    try:
        if points.where(column(GAINED)).isEmpty() and not is_again:
            return _NOTHING
        versions = pinned(compare_histories(points, data, tracked, job.keys))
        counts = _count(versions, job)
        append_changes(
            gained_changes(points, data),
            job.auxiliary,
            keys=job.keys,
            tracked=tracked.names,
            app_id=job.app_id,
            version=job.version,
            is_redo=is_again,
        )
        failpoints.reach("cdc.between_tables")
        _write_target(spark, versions.where(column(OP) != "keep"), counts, key_range, job)
    finally:
        unpin(points)
        if versions is not None:
            unpin(versions)
    if is_crowded(before):
        compact_changes(spark, job.auxiliary)
    return CdcMetrics(
        num_upserted_rows=counts["inserted"] + counts["updated"] - counts["only_closed"],
        num_deleted_rows=counts["deleted"],
    )


def _check_meaning(
    before: TableState | None, tracked: StructType, job: Batch, state: TableState
) -> None:
    """Refuse to go on with a history that was made otherwise.

    Source: Apache Spark's conditions AUTOCDC_INVALID_STATE.KEY_SCHEMA_DRIFT, SCD_TYPE_DRIFT and
    TRACK_HISTORY_DRIFT, read 2026-10; what Databricks does is not stated.
    """
    if before is None and state.transaction_version is None:
        return
    meaning = remembered_meaning(before) if before is not None else None
    if meaning is None:
        raise _changed(job, "was stored as SCD type 1 before")
    keys, is_tracked = meaning
    if keys != set(job.keys):
        raise _changed(job, f"has other keys than before: now {job.keys}, {sorted(keys)} then")
    others = [n for n, known in is_tracked.items() if known is not (n in tracked.names)]
    if others := [name for name in others if name in job.schema.names]:
        raise _changed(job, f"tracks the history of {others} otherwise than before")


def _changed(job: Batch, what: str) -> FlowError:
    return FlowError(
        f"flow {job.flow.name!r} into {job.flow.target!r} {what}",
        origin=job.flow.origin,
        hint="run a full refresh of the table",
    )


def _old_changes(spark: SparkSession, data: StructType, kind: DataType, job: Batch) -> DataFrame:
    return read_changes(
        spark, job.auxiliary, data, kind=kind, app_id=job.app_id, version=job.version
    )


def _rows_by_hand(spark: SparkSession, data: StructType, kind: DataType, job: Batch) -> DataFrame:
    """Return the target's rows without a start as changes: put in by hand, or of a NULL sequence.

    The auxiliary table has the latter too, and its changes are greater.
    """
    rows = spark.read.format("delta").load(job.target).where(column(START_AT).isNull())
    return rows.select(
        *(column(name) for name in data.names),
        F.lit(None).cast(kind).alias(SEQUENCE),
        F.lit(False).alias(IS_DELETE),
    )


def _of_batch(
    rows: DataFrame | None, changes: DataFrame, key_range: KeyRange | None, job: Batch
) -> DataFrame | None:
    if rows is None:
        return None
    near = rows if key_range is None else rows.where(key_range.covers())
    return near.alias("t").join(changes.alias("s"), same_keys("t", "s", job), "left_semi")


def _count(versions: DataFrame, job: Batch) -> dict[str, int]:
    op = column(OP)
    of_keys = versions.groupBy(
        *(column(key).alias(f"__dlt_group_{i}") for i, key in enumerate(job.keys))
    ).agg(
        F.count_if(op == "insert").alias("inserted"),
        F.count_if(op == "update").alias("updated"),
        F.count_if(op == "drop").alias("dropped"),
        F.count_if(column(IS_ONLY_CLOSED) & (op == "update")).alias("only_closed"),
        (F.bool_or(column(IS_OPEN_BEFORE)) & ~F.bool_or(column(IS_OPEN_AFTER)))
        .cast("int")
        .alias("deleted"),
    )
    counts = of_keys.agg(*(F.sum(name).alias(name) for name in _COUNTS)).first()
    assert counts is not None
    return {name: int(value or 0) for name, value in counts.asDict().items()}


def _write_target(
    spark: SparkSession,
    changes: DataFrame,
    counts: dict[str, int],
    key_range: KeyRange | None,
    job: Batch,
) -> None:
    names = job.schema.names
    if not (counts["updated"] or counts["dropped"]):
        if counts["inserted"]:
            rows = changes.select(*(column(name) for name in names))
            writer = rows.write.format("delta").mode("append")
            writer.option("txnAppId", job.app_id).option("txnVersion", job.version).save(job.target)
        return
    private = merging_session(spark, job)
    condition = same_keys("t", "s", job) & column(START_AT, "t").eqNullSafe(column(START_AT, "s"))
    if key_range is not None:
        condition = condition & key_range.covers("t")
    op = column(OP, "s")
    values: dict[str, str | Column] = {quote(name): column(name, "s") for name in names}
    merge = DeltaTable.forPath(private, job.target).alias("t").merge(changes.alias("s"), condition)
    if counts["dropped"]:
        merge = merge.whenMatchedDelete(op == "drop")
    merge = merge.whenMatchedUpdate(op != "drop", values)
    # a version that should be there and is not was deleted by hand, and stays so
    merge.whenNotMatchedInsert(op == "insert", values).execute()
