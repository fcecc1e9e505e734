"""Applies one micro-batch of changes to an SCD type 1 target.

Reading decides first, writing follows: the batch's latest change of each key is compared with what
is stored, and only changes that win are written. So a batch of stale rows commits nothing, one
without updates is an append and not a MERGE, and the counts are known without the commit's own.
"""

import functools

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from dlt_stub import failpoints
from dlt_stub.cdc.auxiliary import (
    ENTRY,
    KEY,
    append_entries,
    compact_entries,
    entries_of,
    is_crowded,
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
from dlt_stub.cdc.flow import column, stored_sequence
from dlt_stub.cdc.ordering import IS_BARE, IS_DELETE, IS_OUTSIDE, SEQUENCE, latest_changes, order_of
from dlt_stub.engine.catalog import quote
from dlt_stub.engine.delta_log import TableState
from dlt_stub.errors import FlowError

_EXISTS = "__dlt_exists"
_FOUND = "__dlt_found"
_TARGET_KEY = "__dlt_target_key_"
_STORED = "__dlt_stored_sequence"
_IS_TIE = "__dlt_is_tie"
_LARGE_BYTES = 10 * 2**20  # Spark's own bound for broadcasting a table
_FEW_ROWS = 200_000


def apply_scd1(batch: DataFrame, job: Batch, state: TableState) -> CdcMetrics:
    """Bring the SCD type 1 target in ``state`` up to date with the changes in ``batch``."""
    rows = gathered(batch, job)
    latest = latest_changes(rows, job.flow, state.schema, is_strict=job.is_strict).persist()
    try:
        return _apply(batch.sparkSession, latest, job, state)
    finally:
        latest.unpersist()


def _apply(spark: SparkSession, latest: DataFrame, job: Batch, state: TableState) -> CdcMetrics:
    num_keys, key_range = look_at(latest, job)
    if num_keys == 0:
        return CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
    job = counted(job, num_keys)
    latest = gathered(latest, job)
    check_sequence(latest.schema[SEQUENCE].dataType, job)
    entries = _entries(spark, job) if job.before is not None else None
    stored = _stored(spark, latest, key_range, job, state) if state.num_files else None
    judged = pinned(_judged(latest, stored, entries, job))
    ties: DataFrame | None = None
    try:
        counts = _count(judged)
        changes = judged.where(~column(_IS_TIE))
        if counts["ties"] and stored is not None:
            ties = pinned(_won_ties(judged, stored, counts["ties"], job))
            counts["updated"] += ties.count()
            changes = changes.unionByName(ties)
        metrics = CdcMetrics(
            num_upserted_rows=counts["inserted"] + counts["updated"],
            num_deleted_rows=counts["deleted"],
        )
        job.on_counted(metrics)
        _write_auxiliary(changes, counts, job)
        failpoints.reach("cdc.between_tables")
        _write_target(spark, changes, counts, key_range, job)
    finally:
        unpin(judged)
        if ties is not None:
            unpin(ties)
    if is_crowded(job.before):
        compact_entries(spark, job.memory)
    return metrics


def _entries(spark: SparkSession, job: Batch) -> DataFrame:
    entries = entries_of(gathered(job.memory.rows(spark), job), job.memory)
    if len(entries.columns) != len(job.keys) + 1:
        raise FlowError(
            f"flow {job.flow.name!r} into {job.flow.target!r} has other keys than before: now "
            f"{job.keys}, {len(entries.columns) - 1} columns then",
            origin=job.flow.origin,
            hint="run a full refresh of the table",
        )
    return entries


def _stored(
    spark: SparkSession,
    latest: DataFrame,
    key_range: KeyRange | None,
    job: Batch,
    state: TableState,
) -> DataFrame:
    """Return the target's rows; of a large one, only those with a key of the batch."""
    stored = gathered(spark.read.format("delta").load(job.target), job)
    if key_range is not None:
        stored = stored.where(key_range.covers())
    if state.size_bytes < _LARGE_BYTES:
        return stored
    # an outer join cannot broadcast the batch, and would shuffle the whole table; this one can
    return stored.alias("t").join(latest.alias("s"), same_keys("t", "s", job), "left_semi")


def _judged(
    latest: DataFrame, stored: DataFrame | None, entries: DataFrame | None, job: Batch
) -> DataFrame:
    """Return the changes that win against what is stored, and those that tie with it.

    Shape:
        the target's columns, ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_exists`` (the target
        has a row of the key) and ``__dlt_is_tie``; one row per key.
    """
    held: list[Column] = []
    joined = latest.drop(IS_OUTSIDE, IS_BARE).alias("s")
    kind = latest.schema[SEQUENCE].dataType
    sequence = stored_sequence(job.flow, job.schema)
    if stored is None:
        joined = joined.withColumn(_EXISTS, F.lit(False))
    else:
        kept = [column(k).alias(f"{_TARGET_KEY}{i}") for i, k in enumerate(job.keys)]
        of_row = F.lit(None).cast(kind) if sequence is None else column(sequence)
        rows = stored.select(*kept, of_row.alias(_STORED), F.lit(True).alias(_FOUND))
        joined = joined.join(rows, _keys_are(_TARGET_KEY, job), "left")
        joined = joined.withColumn(_EXISTS, column(_FOUND).isNotNull())
        if sequence is not None:
            order = F.struct(column(_STORED).alias("f0"), F.lit(False).alias("f1"))
            held.append(F.when(column(_EXISTS), order))
    if entries is not None:
        joined = joined.join(entries, _keys_are(KEY, job), "left")
        entry = column(ENTRY)
        order = F.struct(entry["f0"].cast(kind).alias("f0"), entry["f1"].alias("f1"))
        held.append(F.when(entry.isNotNull(), order))
    # a row whose sequence is known nowhere was put there by hand: every change is later
    last = F.greatest(*held) if len(held) > 1 else (held[0] if held else F.lit(None))
    change = F.struct(column(SEQUENCE).alias("f0"), column(IS_DELETE).alias("f1"))
    is_win = last.isNull() | (change > last) if held else F.lit(True)
    is_equal = F.coalesce(change == last, F.lit(False)) if held else F.lit(False)
    is_tie = is_equal & column(_EXISTS) & ~column(IS_DELETE)
    return (
        joined.withColumn(_IS_TIE, is_tie)
        .where(is_win | column(_IS_TIE))
        .select(*(column(name) for name in job.schema.names), SEQUENCE, IS_DELETE, _EXISTS, _IS_TIE)
    )


def _won_ties(judged: DataFrame, stored: DataFrame, num_ties: int, job: Batch) -> DataFrame:
    """Return the ties whose columns are greater than the stored row's."""
    tied = judged.where(column(_IS_TIE))
    tied = F.broadcast(tied) if num_ties <= _FEW_ROWS else tied
    greater = order_of(job.schema, [], "s") > order_of(job.schema, [], "t")
    pairs = stored.alias("t").join(tied.alias("s"), same_keys("t", "s", job) & greater)
    return pairs.select(*(column(name, "s") for name in judged.columns))


def _count(judged: DataFrame) -> dict[str, int]:
    is_delete, exists, is_tie = column(IS_DELETE), column(_EXISTS), column(_IS_TIE)
    counts = judged.agg(
        F.count_if(is_tie).alias("ties"),
        F.count_if(~is_tie & ~is_delete & ~exists).alias("inserted"),
        F.count_if(~is_tie & ~is_delete & exists).alias("updated"),
        F.count_if(is_delete & exists).alias("deleted"),
        F.count_if(is_delete).alias("tombstones"),
    ).first()
    assert counts is not None
    return {name: int(value) for name, value in counts.asDict().items()}


def _write_auxiliary(changes: DataFrame, counts: dict[str, int], job: Batch) -> None:
    if stored_sequence(job.flow, job.schema) is None:
        num_entries = counts["inserted"] + counts["updated"] + counts["tombstones"]
        entries = changes
    else:
        num_entries = counts["tombstones"]
        entries = changes.where(column(IS_DELETE))
    if num_entries or job.memory.is_redo:
        is_settled = not (counts["inserted"] or counts["updated"] or counts["deleted"])
        append_entries(entries, job.memory, keys=job.keys, is_settled=is_settled)


def _write_target(
    spark: SparkSession,
    changes: DataFrame,
    counts: dict[str, int],
    key_range: KeyRange | None,
    job: Batch,
) -> None:
    if counts["updated"] or counts["deleted"]:
        _merge(spark, changes, counts, key_range, job)
    elif counts["inserted"]:
        rows = changes.where(~column(IS_DELETE)).select(*(column(n) for n in job.schema.names))
        append_to_target(rows, job)


def _merge(
    spark: SparkSession,
    changes: DataFrame,
    counts: dict[str, int],
    key_range: KeyRange | None,
    job: Batch,
) -> None:
    private = merging_session(spark, job)
    condition = same_keys("t", "s", job)
    if key_range is not None:
        condition = condition & key_range.covers("t")
    source = changes.where(column(_EXISTS) | ~column(IS_DELETE)).alias("s")
    is_delete = column(IS_DELETE, "s")
    values: dict[str, str | Column] = {quote(n): column(n, "s") for n in job.schema.names}
    merge = DeltaTable.forPath(private, job.target).alias("t").merge(source, condition)
    if counts["deleted"]:
        merge = merge.whenMatchedDelete(is_delete)
    if counts["updated"]:
        merge = merge.whenMatchedUpdate(~is_delete, values)
    if counts["inserted"]:
        merge = merge.whenNotMatchedInsert(~is_delete, values)
    merge.execute()


def _keys_are(prefix: str, job: Batch) -> Column:
    pairs = (column(k, "s").eqNullSafe(column(f"{prefix}{i}")) for i, k in enumerate(job.keys))
    return functools.reduce(lambda one, other: one & other, pairs)
