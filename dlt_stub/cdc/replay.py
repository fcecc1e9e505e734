"""Applies one micro-batch by replaying the changes of its keys.

This is how SCD type 2 is made, and SCD type 1 where NULL updates are ignored or truncates applied:
there the greatest change of a key does not say all. The auxiliary table keeps every change that
ever held. A batch recomputes what its keys' changes make of the target, once without and once with
its own, and writes the difference: so late changes, ties and crashes need no rules of their own.
Versions the difference does not touch stay as they are, deleted or edited by hand as they may be.

The cost grows with the number of changes that the batch's keys have had, not with the table; a
batch with a truncate replays every key.
"""

from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub import failpoints
from dlt_stub.cdc.auxiliary import (
    append_changes,
    changes_in,
    compact_changes,
    is_crowded,
    is_forgotten,
    remembered_meaning,
)
from dlt_stub.cdc.batch import (
    Batch,
    CdcMetrics,
    KeyRange,
    append_to_target,
    check_sequence,
    counted,
    gathered,
    look_at,
    merging_session,
    pinned,
    same_keys,
    unpin,
)
from dlt_stub.cdc.flow import (
    column,
    data_columns,
    filled_columns,
    tracked_columns,
)
from dlt_stub.cdc.history import (
    IS_ONLY_CLOSED,
    IS_OPEN_AFTER,
    IS_OPEN_BEFORE,
    OP,
    compare_histories,
    floors_of,
    found_rows,
    gained_changes,
    greatest_changes,
    points_of,
)
from dlt_stub.cdc.ordering import IS_DELETE, IS_TRUNCATE, SEQUENCE, changes_of, sequence_type
from dlt_stub.declare.records import START_AT
from dlt_stub.engine.catalog import quote
from dlt_stub.engine.delta_log import TableState
from dlt_stub.errors import FlowError

_NOTHING = CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
_IS_DEAD = "__dlt_is_dead"
_COUNTS = ("inserted", "updated", "dropped", "only_closed", "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What the columns of a replayed target stand for."""

    data: StructType
    kind: DataType  # of sequences
    tracked: StructType
    filled: StructType
    is_history: bool


def apply_by_replay(batch: DataFrame, job: Batch, state: TableState) -> CdcMetrics:
    """Bring the target in ``state`` up to date with the changes in ``batch``.

    Undefined: flows that fill one target together, when one of them was killed between the two
    tables and another goes on first.

    Raises:
        FlowError: a row does not satisfy ``where``, or the target so far was made with other
            keys, other tracked or filled columns, or in another way.
    """
    data = data_columns(state.schema)
    is_history = job.flow.scd_type == 2
    meaning = _Meaning(
        data=data,
        kind=state.schema[START_AT].dataType
        if is_history
        else sequence_type(batch, job.flow, data),
        tracked=tracked_columns(data, job.flow) if is_history else StructType([]),
        filled=filled_columns(data, job.flow),
        is_history=is_history,
    )
    changes = changes_of(
        gathered(batch, job), job.flow, data, meaning.kind, is_strict=job.is_strict
    )
    greatest = greatest_changes(changes, data, job.keys).persist()
    try:
        return _apply(batch.sparkSession, greatest, meaning, job, state)
    finally:
        greatest.unpersist()


def _apply(
    spark: SparkSession, changes: DataFrame, meaning: _Meaning, job: Batch, state: TableState
) -> CdcMetrics:
    num_changes, key_range = look_at(changes, job)
    if num_changes == 0:
        return _NOTHING
    job = counted(job, num_changes)
    changes = gathered(changes, job)
    _check_meaning(meaning, job, state)
    check_sequence(meaning.kind, job)
    remembered = _remembered(spark, meaning, job) if job.before is not None else None
    has_truncates = job.has_truncates
    floors = pinned(floors_of(changes, remembered)) if has_truncates else None
    is_of_all = has_truncates and not changes.where(column(IS_TRUNCATE)).isEmpty()
    near = None if is_of_all else changes
    old = _of_batch(_keyed(remembered), near, key_range, job)
    if old is not None and job.memory.forgets_before is not None:
        old = _not_forgotten(old, meaning, job)
    by_hand = _rows_by_hand(spark, near, old, key_range, meaning, job) if state.num_files else None
    found = gathered(found_rows(changes, old, by_hand, meaning.data), job)
    points = pinned(points_of(found, floors, meaning.data, job.keys))
    gained = pinned(gained_changes(points, floors, meaning.data))
    versions: DataFrame | None = None
    try:
        if gained.isEmpty() and not job.memory.is_redo:
            return _NOTHING
        versions = pinned(
            compare_histories(
                points,
                meaning.data,
                job.keys,
                tracked=meaning.tracked,
                filled=meaning.filled,
                is_history=meaning.is_history,
            )
        )
        counts = _count(versions, job)
        metrics = CdcMetrics(
            num_upserted_rows=counts["inserted"] + counts["updated"] - counts["only_closed"],
            num_deleted_rows=counts["deleted"],
        )
        job.on_counted(metrics)
        append_changes(
            gained,
            job.memory,
            keys=job.keys,
            tracked=meaning.tracked.names,
            filled=meaning.filled.names,
            is_settled=not (counts["inserted"] or counts["updated"] or counts["dropped"]),
        )
        failpoints.reach("cdc.between_tables")
        _write_target(spark, versions.where(column(OP) != "keep"), counts, key_range, job)
    finally:
        for rows in (floors, points, gained, versions):
            if rows is not None:
                unpin(rows)
    if is_crowded(job.before):
        compact_changes(spark, job.memory.path)
    return metrics


def _check_meaning(meaning: _Meaning, job: Batch, state: TableState) -> None:
    """Refuse to go on with rows that were made otherwise.

    Source: Apache Spark's conditions AUTOCDC_INVALID_STATE.KEY_SCHEMA_DRIFT, SCD_TYPE_DRIFT and
    TRACK_HISTORY_DRIFT, read 2026-10; what Databricks does is not stated.
    """
    if job.before is None and state.transaction_version is None:
        return
    remembered = remembered_meaning(job.before) if job.before is not None else None
    if remembered is None:
        what = "SCD type 1" if meaning.is_history else "the last change of each key"
        raise _changed(job, f"was stored as {what} before")
    keys, others = remembered
    if keys != set(job.keys):
        raise _changed(job, f"has other keys than before: now {job.keys}, {sorted(keys)} then")
    for at, (names, what) in enumerate(
        (
            (meaning.tracked.names, "tracks the history of"),
            (meaning.filled.names, "ignores NULL updates of"),
        )
    ):
        differing = [n for n, m in others.items() if m[at] is not (n in names)]
        if differing := [name for name in differing if name in meaning.data.names]:
            raise _changed(job, f"{what} {differing} otherwise than before")


def _changed(job: Batch, what: str) -> FlowError:
    return FlowError(
        f"flow {job.flow.name!r} into {job.flow.target!r} {what}",
        origin=job.flow.origin,
        hint="run a full refresh of the table",
    )


def _remembered(spark: SparkSession, meaning: _Meaning, job: Batch) -> DataFrame:
    return gathered(changes_in(job.memory.rows(spark), meaning.data, meaning.kind), job)


def _keyed(remembered: DataFrame | None) -> DataFrame | None:
    return None if remembered is None else remembered.where(~column(IS_TRUNCATE))


def _not_forgotten(old: DataFrame, meaning: _Meaning, job: Batch) -> DataFrame:
    """Return ``old`` without what a delete applied long ago has left.

    In a history the target itself shows most deletes, as the end of a version: those that end
    none are forgotten.
    """
    of_key = Window.partitionBy(*(column(key) for key in job.keys))
    place = F.struct(SEQUENCE, IS_DELETE)
    is_dead = column(IS_DELETE) & is_forgotten(job.memory)
    if meaning.is_history:
        before = F.lag(column(IS_DELETE)).over(of_key.orderBy(SEQUENCE, IS_DELETE))
        marked = old.withColumn(_IS_DEAD, is_dead & F.coalesce(before, F.lit(True)))
    else:
        marked = old.withColumn(_IS_DEAD, F.max_by(is_dead, place).over(of_key))
    return marked.where(~column(_IS_DEAD)).drop(_IS_DEAD)


def _rows_by_hand(
    spark: SparkSession,
    near: DataFrame | None,
    old: DataFrame | None,
    key_range: KeyRange | None,
    meaning: _Meaning,
    job: Batch,
) -> DataFrame | None:
    """Return the target's rows that somebody put in by hand, as the earliest changes.

    In a history those have no start. Where the changes have a key (in a history: without a
    sequence), the row is theirs.
    """
    rows = gathered(spark.read.format("delta").load(job.target), job)
    if meaning.is_history:
        rows = rows.where(column(START_AT).isNull())
        old = None if old is None else old.where(column(SEQUENCE).isNull())
    unknown = rows.select(
        *(column(name) for name in meaning.data.names),
        F.lit(None).cast(meaning.kind).alias(SEQUENCE),
        F.lit(False).alias(IS_DELETE),
        F.lit(False).alias(IS_TRUNCATE),
    )
    found = _of_batch(unknown, near, key_range, job)
    if found is None or old is None:
        return found
    return found.alias("t").join(old.alias("s"), same_keys("t", "s", job), "left_anti")


def _of_batch(
    rows: DataFrame | None, near: DataFrame | None, key_range: KeyRange | None, job: Batch
) -> DataFrame | None:
    """Return those of ``rows`` whose key a row of ``near`` has; all where nothing is near."""
    if rows is None or near is None:
        return rows
    covered = rows if key_range is None else rows.where(key_range.covers())
    return covered.alias("t").join(near.alias("s"), same_keys("t", "s", job), "left_semi")


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
            append_to_target(changes.select(*(column(name) for name in names)), job)
        return
    private = merging_session(spark, job)
    condition = same_keys("t", "s", job)
    is_missing = column(OP, "s") != "drop"
    if START_AT in names:
        condition = condition & column(START_AT, "t").eqNullSafe(column(START_AT, "s"))
        # a version that should be there and is not was deleted by hand, and stays so
        is_missing = column(OP, "s") == "insert"
    if key_range is not None:
        condition = condition & key_range.covers("t")
    op = column(OP, "s")
    values: dict[str, str | Column] = {quote(name): column(name, "s") for name in names}
    merge = DeltaTable.forPath(private, job.target).alias("t").merge(changes.alias("s"), condition)
    if counts["dropped"]:
        merge = merge.whenMatchedDelete(op == "drop")
    merge = merge.whenMatchedUpdate(op != "drop", values)
    merge.whenNotMatchedInsert(is_missing, values).execute()
