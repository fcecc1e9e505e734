"""From changes to history: which versions of a key there were, and from when to when.

A key's greatest changes at each sequence, in order, make its history. A version starts with an
upsert that follows nothing, a delete, or an upsert which differs in a tracked column; it ends
where the next version starts or at a delete. Upserts that differ in other columns only belong to
the version before them, whose values they replace. Where NULL updates are ignored, a NULL stands
for the key's last value since it was deleted. An SCD type 1 target is the history's last version,
nothing being tracked.

Source: docs.databricks.com AUTO CDC page (the golden tables, with and without TRACK HISTORY), and
Apache Spark's issue SPARK-58452 (neighbours equal on every tracked column are one version), both
read 2026-11-24. That Databricks joins equal neighbours when every column is tracked is assumed.
"""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub.cdc.auxiliary import IS_BY_HAND
from dlt_stub.cdc.flow import column
from dlt_stub.cdc.ordering import IS_BARE, IS_DELETE, IS_OUTSIDE, IS_TRUNCATE, SEQUENCE, order_of
from dlt_stub.declare.records import END_AT, START_AT

OP = "__dlt_op"  # what happens to a version: insert, update, drop or keep
GAINED = "__dlt_is_gained"  # the batch brought the greatest change of this key and sequence
IS_OPEN_BEFORE = "__dlt_is_open_before"
IS_OPEN_AFTER = "__dlt_is_open_after"
IS_ONLY_CLOSED = "__dlt_is_only_closed"
_SOURCE = "__dlt_source"  # where a change is found:
_REMEMBERED, _FOUND, _NEW = "auxiliary", "target", "batch"
_OLD_FLOOR = "__dlt_old_floor"
_NOW_FLOOR = "__dlt_now_floor"
_LIFE = "__dlt_life"  # a key's time between two deletes
_IS_AFTER = "__dlt_is_after"
_IS_DELETED = "__dlt_is_deleted"  # a delete ends this version
_RUN = "__dlt_run"
_POINT = "__dlt_point"
_OLD = "__dlt_old"
_NOW = "__dlt_now"
_GROUP = "__dlt_group_"


def greatest_changes(changes: DataFrame, data: StructType, keys: list[str]) -> DataFrame:
    """Return the greatest change of each key and sequence, and the truncates.

    A delete keeps its keys only, a truncate its sequence only.

    Shape:
        the columns ``data``, ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_is_truncate``,
        ``__dlt_is_outside`` and ``__dlt_is_bare``; one row per key and sequence, NULL being a
        value of both.
    """
    is_delete, is_truncate = column(IS_DELETE), column(IS_TRUNCATE)
    bare = changes.withColumns(
        {
            name: F.when(~is_truncate if name in keys else ~(is_truncate | is_delete), column(name))
            for name in data.names
        }
    )
    row = F.struct(IS_DELETE, *(column(name) for name in data.names))
    greatest = F.max_by(row, order_of(data, [is_delete])).alias(_POINT)
    flags = [F.bool_or(column(name)).alias(name) for name in (IS_OUTSIDE, IS_BARE)]
    grouped = bare.groupBy(*_groups(keys), SEQUENCE, IS_TRUNCATE).agg(greatest, *flags)
    point = column(_POINT)
    return grouped.select(
        *(point[name].alias(name) for name in data.names),
        SEQUENCE,
        point[IS_DELETE].alias(IS_DELETE),
        IS_TRUNCATE,
        IS_OUTSIDE,
        IS_BARE,
    )


def floors_of(new: DataFrame, remembered: DataFrame | None) -> DataFrame:
    """Return the greatest truncate without and with the changes ``new``.

    A truncate undoes what is of a lesser sequence, whenever that comes.

    Source: docs.databricks.com AUTO CDC page (example of TRUNCATE: rows before it go, later ones
    stay), read 2026-11-24; that a row of the truncate's own sequence stays is assumed.

    Shape:
        ``__dlt_old_floor`` and ``__dlt_now_floor`` STRUCT<__dlt_sequence>, NULL where there is no
        truncate; one row.
    """
    rows = new.where(column(IS_TRUNCATE)).select(SEQUENCE, F.lit(_NEW).alias(_SOURCE))
    if remembered is not None:
        known = remembered.where(column(IS_TRUNCATE))
        rows = rows.union(known.select(SEQUENCE, F.lit(_REMEMBERED).alias(_SOURCE)))
    place = F.struct(SEQUENCE)
    return rows.agg(
        F.max(F.when(column(_SOURCE) != _NEW, place)).alias(_OLD_FLOOR),
        F.max(place).alias(_NOW_FLOOR),
    )


def found_rows(
    new: DataFrame, old: DataFrame | None, by_hand: DataFrame | None, data: StructType
) -> DataFrame:
    """Return the changes of the batch, those remembered and the rows put in by hand, in one.

    Shape:
        the columns ``data``, ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_is_by_hand`` and
        ``__dlt_source``; one row per change.
    """
    columns = [*(column(name) for name in data.names), column(SEQUENCE), column(IS_DELETE)]

    def found_in(rows: DataFrame, source: str, is_hand: Column) -> DataFrame:
        changes = rows.where(~column(IS_TRUNCATE))
        return changes.select(*columns, is_hand.alias(IS_BY_HAND), F.lit(source).alias(_SOURCE))

    rows = found_in(new, _NEW, F.lit(False))
    if old is not None:
        rows = rows.union(found_in(old, _REMEMBERED, column(IS_BY_HAND)))
    if by_hand is not None:
        rows = rows.union(found_in(by_hand, _FOUND, F.lit(True)))
    return rows


def points_of(
    rows: DataFrame, floors: DataFrame | None, data: StructType, keys: list[str]
) -> DataFrame:
    """Return what holds at each key and sequence, without and with the changes of the batch.

    Rows put into the target by hand are earlier than any change, even one of the same sequence.

    Shape:
        ``rows`` as ``found_rows`` gives them. Returned: ``__dlt_sequence``, ``__dlt_old`` and
        ``__dlt_now`` (STRUCT of ``__dlt_is_delete``, ``__dlt_is_by_hand`` and the columns
        ``data``; NULL where nothing held) and ``__dlt_is_gained``; one row per key and sequence.
    """
    is_by_hand = column(IS_BY_HAND)
    row = F.struct(IS_DELETE, IS_BY_HAND, *(column(name) for name in data.names))
    order = order_of(data, [~is_by_hand, column(IS_DELETE)])
    is_known, is_old = column(_SOURCE) == _REMEMBERED, column(_SOURCE) != _NEW
    held = rows.groupBy(*_groups(keys), column(SEQUENCE)).agg(
        F.max_by(row, F.when(is_old, order)).alias(_OLD),
        F.max_by(row, order).alias(_NOW),
        F.coalesce(F.max(order) > F.max(F.when(is_known, order)), F.lit(True)).alias(GAINED),
    )
    if floors is None:
        return held.select(SEQUENCE, _OLD, _NOW, GAINED)
    is_kept_now = _is_kept(column(_NOW_FLOOR))
    return held.crossJoin(F.broadcast(floors)).select(
        SEQUENCE,
        F.when(_is_kept(column(_OLD_FLOOR)), column(_OLD)).alias(_OLD),
        F.when(is_kept_now, column(_NOW)).alias(_NOW),
        (column(GAINED) & is_kept_now).alias(GAINED),
    )


def gained_changes(points: DataFrame, floors: DataFrame | None, data: StructType) -> DataFrame:
    """Return the changes of the batch that hold from now on, and the rows by hand it met.

    Shape:
        the columns ``data``, ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_is_truncate`` and
        ``__dlt_is_by_hand``; one row per key and sequence, and one for a greater truncate.
    """
    now = column(_NOW)
    won = points.where(column(GAINED)).select(
        *(now[name].alias(name) for name in data.names),
        SEQUENCE,
        now[IS_DELETE].alias(IS_DELETE),
        F.lit(False).alias(IS_TRUNCATE),
        now[IS_BY_HAND].alias(IS_BY_HAND),
    )
    if floors is None:
        return won
    old_floor, floor = column(_OLD_FLOOR), column(_NOW_FLOOR)
    return won.union(
        floors.where(F.coalesce(floor > old_floor, floor.isNotNull())).select(
            *(F.lit(None).cast(f.dataType).alias(f.name) for f in data.fields),
            floor[SEQUENCE].alias(SEQUENCE),
            F.lit(False).alias(IS_DELETE),
            F.lit(True).alias(IS_TRUNCATE),
            F.lit(False).alias(IS_BY_HAND),
        )
    )


def _is_kept(floor: Column) -> Column:
    return floor.isNull() | (F.struct(SEQUENCE) >= floor)


def compare_histories(
    points: DataFrame,
    data: StructType,
    keys: list[str],
    *,
    tracked: StructType,
    filled: StructType,
    is_history: bool,
) -> DataFrame:
    """Return every version of each key with what has to happen to it.

    Without ``is_history`` the current version only, and ``__START_AT`` says nothing.

    Shape:
        the columns ``data``, ``__START_AT``, ``__END_AT`` (those of before for a dropped version),
        ``__dlt_op`` STRING (insert, update, drop or keep), ``__dlt_is_open_before``,
        ``__dlt_is_open_after`` and ``__dlt_is_only_closed`` BOOLEAN (a delete ends it, and nothing
        else has changed); one row per key and ``__START_AT``.
    """
    versions = _versions(points, data, keys, tracked=tracked, filled=filled)
    if not is_history:
        versions = versions.where(column(END_AT).isNull()).withColumn(START_AT, F.lit(0))
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
    points: DataFrame,
    data: StructType,
    keys: list[str],
    *,
    tracked: StructType,
    filled: StructType,
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
    if filled.fields:
        flat = flat.withColumn(_LIFE, F.sum(is_delete.cast("int")).over(in_order))
        in_life = Window.partitionBy(*of_key, _LIFE).orderBy(column(SEQUENCE))
        so_far = in_life.rowsBetween(Window.unboundedPreceding, Window.currentRow)
        flat = flat.withColumns(
            {
                f.name: _filled(column(f.name), f.dataType, so_far)
                for f in filled
                if f.name not in keys
            }
        )
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


def _filled(value: Column, kind: DataType, so_far: WindowSpec) -> Column:
    """Return the last value that is not NULL, for each field of its own where there are fields."""
    if not isinstance(kind, StructType):
        return F.last(value, ignorenulls=True).over(so_far)
    fields = (_filled(value[f.name], f.dataType, so_far).alias(f.name) for f in kind.fields)
    return F.when(F.max(value.isNotNull()).over(so_far), F.struct(*fields))


def _groups(keys: list[str]) -> list[Column]:
    return [column(key).alias(f"{_GROUP}{i}") for i, key in enumerate(keys)]
