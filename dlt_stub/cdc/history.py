"""From changes to history: which versions of a key there were, and from when to when.

A key's greatest changes at each sequence, in order, make its history. A version starts with an
upsert that follows nothing, a delete, or an upsert which differs in a tracked column; it ends
where the next version starts or at a delete. Upserts that differ in other columns only belong to
the version before them, whose values they replace.

Source: docs.databricks.com AUTO CDC page (the golden tables, with and without TRACK HISTORY), and
Apache Spark's issue SPARK-58452 (neighbours equal on every tracked column are one version), both
read 2026-11-24. That Databricks joins equal neighbours when every column is tracked is assumed.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from dlt_stub.cdc.flow import END_AT, START_AT, column
from dlt_stub.cdc.ordering import IS_DELETE, IS_OUTSIDE, SEQUENCE, order_of

OP = "__dlt_op"  # what happens to a version: insert, update, drop or keep
GAINED = "__dlt_is_gained"  # the batch brought the greatest change of this key and sequence
IS_OPEN_BEFORE = "__dlt_is_open_before"
IS_OPEN_AFTER = "__dlt_is_open_after"
IS_ONLY_CLOSED = "__dlt_is_only_closed"
_IS_HAND = "__dlt_is_hand"
_IS_NEW = "__dlt_is_new"
_IS_AFTER = "__dlt_is_after"
_IS_DELETED = "__dlt_is_deleted"  # a delete ends this version
_RUN = "__dlt_run"
_POINT = "__dlt_point"
_OLD = "__dlt_old"
_NOW = "__dlt_now"
_GROUP = "__dlt_group_"


def greatest_changes(changes: DataFrame, data: StructType, keys: list[str]) -> DataFrame:
    """Return the greatest change of each key and sequence; deletes keep their keys only.

    Shape:
        the columns ``data``, ``__dlt_sequence``, ``__dlt_is_delete`` and ``__dlt_is_outside``; one
        row per key and sequence, NULL being a value of both.
    """
    bare = changes.withColumns(
        {name: F.when(~column(IS_DELETE), column(name)) for name in data.names if name not in keys}
    )
    row = F.struct(IS_DELETE, *(column(name) for name in data.names))
    greatest = F.max_by(row, order_of(data, [column(IS_DELETE)])).alias(_POINT)
    outside = F.bool_or(column(IS_OUTSIDE)).alias(IS_OUTSIDE)
    grouped = bare.groupBy(*_groups(keys), column(SEQUENCE)).agg(greatest, outside)
    point = column(_POINT)
    return grouped.select(
        *(point[name].alias(name) for name in data.names),
        SEQUENCE,
        point[IS_DELETE].alias(IS_DELETE),
        IS_OUTSIDE,
    )


def points_of(
    new: DataFrame,
    old: DataFrame | None,
    by_hand: DataFrame | None,
    data: StructType,
    keys: list[str],
) -> DataFrame:
    """Return what holds at each key and sequence, without and with the changes ``new``.

    Rows put into the target by hand are earlier than any change, even one of the same sequence.

    Shape:
        ``__dlt_sequence``, ``__dlt_old`` and ``__dlt_now`` (STRUCT of ``__dlt_is_delete`` and the
        columns ``data``; NULL where nothing held), ``__dlt_is_gained``; one row per key and
        sequence.
    """
    columns = [*(column(name) for name in data.names), column(SEQUENCE), column(IS_DELETE)]
    rows = new.select(*columns, _flag(_IS_HAND, False), _flag(_IS_NEW, True))
    for others, is_hand in ((old, False), (by_hand, True)):
        if others is not None:
            more = others.select(*columns, _flag(_IS_HAND, is_hand), _flag(_IS_NEW, False))
            rows = rows.union(more)
    row = F.struct(IS_DELETE, *(column(name) for name in data.names))
    order = order_of(data, [~column(_IS_HAND), column(IS_DELETE)])
    old_order = F.when(~column(_IS_NEW), order)
    return rows.groupBy(*_groups(keys), column(SEQUENCE)).agg(
        F.max_by(row, old_order).alias(_OLD),
        F.max_by(row, order).alias(_NOW),
        F.coalesce(F.max(order) > F.max(old_order), F.lit(True)).alias(GAINED),
    )


def gained_changes(points: DataFrame, data: StructType) -> DataFrame:
    """Return the changes of the batch that hold from now on.

    Shape:
        the columns ``data``, ``__dlt_sequence`` and ``__dlt_is_delete``; one row per key and
        sequence.
    """
    now = column(_NOW)
    values = (now[name].alias(name) for name in data.names)
    won = points.where(column(GAINED))
    return won.select(*values, SEQUENCE, now[IS_DELETE].alias(IS_DELETE))


def compare_histories(
    points: DataFrame, data: StructType, tracked: StructType, keys: list[str]
) -> DataFrame:
    """Return every version of each key with what has to happen to it.

    Shape:
        the columns ``data``, ``__START_AT``, ``__END_AT`` (those of before for a dropped version),
        ``__dlt_op`` STRING (insert, update, drop or keep), ``__dlt_is_open_before``,
        ``__dlt_is_open_after`` and ``__dlt_is_only_closed`` BOOLEAN (a delete ends it, and nothing
        else has changed); one row per key and ``__START_AT``.
    """
    versions = _versions(points, data, tracked, keys)
    is_after = column(_IS_AFTER)
    row = F.struct(*(column(name) for name in data.names), END_AT, _IS_DELETED)
    values = order_of(data, [])

    def only(what: Column, condition: Column) -> Column:
        return F.first(F.when(condition, what), ignorenulls=True)

    sides = versions.groupBy(*_groups(keys), column(START_AT)).agg(
        only(row, ~is_after).alias(_OLD),
        only(row, is_after).alias(_NOW),
        only(values, ~is_after).eqNullSafe(only(values, is_after)).alias(_POINT),
    )
    old, now, is_same = column(_OLD), column(_NOW), column(_POINT)
    is_kept = is_same & old[END_AT].eqNullSafe(now[END_AT])
    op = (
        F.when(old.isNull(), "insert")
        .when(now.isNull(), "drop")
        .when(is_kept, "keep")
        .otherwise("update")
    )
    is_open_before = old.isNotNull() & old[END_AT].isNull()
    is_open_after = now.isNotNull() & now[END_AT].isNull()
    shown = F.coalesce(now, old)
    return sides.select(
        *(shown[name].alias(name) for name in data.names),
        START_AT,
        shown[END_AT].alias(END_AT),
        op.alias(OP),
        is_open_before.alias(IS_OPEN_BEFORE),
        is_open_after.alias(IS_OPEN_AFTER),
        F.coalesce(is_open_before & is_same & now[_IS_DELETED], F.lit(False)).alias(IS_ONLY_CLOSED),
    )


def _versions(
    points: DataFrame, data: StructType, tracked: StructType, keys: list[str]
) -> DataFrame:
    """Return the history of each key, before and after the batch.

    Shape:
        the columns ``data``, ``__START_AT``, ``__END_AT``, ``__dlt_is_after`` and
        ``__dlt_is_deleted`` BOOLEAN; one row per key, ``__dlt_is_after`` and ``__START_AT``.
    """
    sides = F.array(
        F.struct(F.lit(False).alias(_IS_AFTER), column(_OLD).alias(_POINT)),
        F.struct(F.lit(True).alias(_IS_AFTER), column(_NOW).alias(_POINT)),
    )
    point = column(_POINT)
    held = points.select(SEQUENCE, F.inline(sides)).where(point.isNotNull())
    names = [IS_DELETE, *data.names]
    flat = held.select(SEQUENCE, _IS_AFTER, *(point[name].alias(name) for name in names))
    of_key = [*(column(key) for key in keys), column(_IS_AFTER)]
    in_order = Window.partitionBy(*of_key).orderBy(column(SEQUENCE))
    is_delete = column(IS_DELETE)
    tracking = order_of(tracked, [F.lit(0)])  # a struct needs a field where nothing is tracked
    is_first = (
        is_delete
        | F.coalesce(F.lag(is_delete).over(in_order), F.lit(True))
        | ~tracking.eqNullSafe(F.lag(tracking).over(in_order))
    )
    run = F.sum(is_first.cast("int")).over(in_order)
    row = F.struct(*(column(name) for name in names))
    place = F.struct(SEQUENCE)  # never NULL itself: max_by would pass over a NULL sequence
    runs = (
        flat.withColumn(_RUN, run)
        .groupBy(*_groups(keys), column(_IS_AFTER), column(_RUN))
        .agg(F.min(place)[SEQUENCE].alias(START_AT), F.max_by(row, place).alias(_POINT))
        .select(_IS_AFTER, START_AT, *(point[name].alias(name) for name in names))
    )
    by_start = Window.partitionBy(*of_key).orderBy(column(START_AT))
    ended = runs.withColumns(
        {
            END_AT: F.lead(column(START_AT)).over(by_start),
            _IS_DELETED: F.coalesce(F.lead(is_delete).over(by_start), F.lit(False)),
        }
    )
    return ended.where(~is_delete).drop(IS_DELETE)


def _groups(keys: list[str]) -> list[Column]:
    return [column(key).alias(f"{_GROUP}{i}") for i, key in enumerate(keys)]


def _flag(name: str, value: bool) -> Column:
    return F.lit(value).alias(name)
