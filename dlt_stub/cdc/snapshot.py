"""Applies one snapshot of a source to a target: what has changed is found by comparing the two.

The target itself says what held before: its rows (SCD type 1), or its versions without an end (type
2). So there is no auxiliary table, one commit is the whole snapshot, and rows edited by hand count
as what they are.

Source: docs "create_auto_cdc_from_snapshot_flow" (a row is inserted where its key is new, updated
where a value has changed, deleted where its key is gone) and "The AUTO CDC APIs" (how the
historical and the periodic example come out), 2026-11-24.
"""

import functools
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructType,
    TimestampType,
)

from dlt_stub.cdc.batch import SMALL_BYTES, commit_session, is_small_plan, pinned, unpin
from dlt_stub.cdc.flow import (
    column,
    data_columns,
    find_name,
    target_schema,
    tracked_columns,
)
from dlt_stub.cdc.ordering import fitted, key_names, order_of
from dlt_stub.declare.records import END_AT, START_AT, AutoCdcFlow, SnapshotFlow
from dlt_stub.engine.catalog import quote
from dlt_stub.engine.delta_log import TableState, read_table_state
from dlt_stub.errors import DefinitionError, FlowError

Version = int | float | str | date | datetime | Decimal
_OP = "__dlt_op"  # insert, update, close or delete
_IS_HELD = "__dlt_is_held"
_IS_HERE = "__dlt_is_here"
_HELD_START = "__dlt_held_start"
_LEAST_INT, _GREATEST_INT = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """One snapshot and the table it goes to."""

    flow: SnapshotFlow
    version: Version
    target: str
    state: TableState  # of the target
    keys: list[str]
    app_id: str
    number: int
    is_small: bool

    @property
    def is_history(self) -> bool:
        return self.flow.scd_type == 2

    @property
    def data(self) -> StructType:
        return data_columns(self.state.schema)


def snapshot_schema(
    source: StructType, flow: SnapshotFlow, version: Version, *, spark: SparkSession
) -> StructType:
    """Return the columns that the target of ``flow`` shows, in the source's order.

    SCD type 2 adds ``__START_AT`` and ``__END_AT`` in the type of the snapshots' versions.

    Raises:
        DefinitionError: keys or lists do not fit the source.
    """
    return target_schema(source, _as_changes(flow, version_type(version, flow)), spark=spark)


def version_type(version: object, flow: SnapshotFlow) -> DataType:
    """Return the type of ``__START_AT`` for versions like ``version``.

    That a Python int is an INT where it fits, as in ``lit``, is assumed.

    Raises:
        DefinitionError: versions of this kind have no order, or none that Spark shares.
    """
    if isinstance(version, bool):
        pass
    elif isinstance(version, int):
        return IntegerType() if _LEAST_INT <= version <= _GREATEST_INT else LongType()
    elif isinstance(version, datetime):
        return TimestampType()
    elif isinstance(version, Decimal):
        return DecimalType(38, 18)
    else:
        kinds: dict[type, DataType] = {str: StringType(), float: DoubleType(), date: DateType()}
        if (kind := kinds.get(type(version))) is not None:
            return kind
    raise DefinitionError(
        f"flow {flow.name!r} into {flow.target!r} got a snapshot of version {version!r}; allowed: "
        "a number, a text, a date or a timestamp",
        origin=flow.origin,
    )


def apply_snapshot(
    snapshot: DataFrame,
    *,
    flow: SnapshotFlow,
    target: str,
    app_id: str,
    number: int,
    version: Version,
) -> bool:
    """Make the Delta table in folder ``target`` show ``snapshot``, and return whether it changed.

    The commit bears ``app_id`` and ``number``: a snapshot whose number is committed already is
    left alone. ``snapshot`` is evaluated once.

    Shape:
        snapshot: the source's columns; one row per key.

    Raises:
        FlowError: the target is missing or lacks columns, or a key stands in two rows. (Which of
            them Databricks would take is not stated.)
    """
    spark = snapshot.sparkSession
    state = read_table_state(spark, target, app_id)
    if state is None:
        raise FlowError(
            f"table {flow.target!r} of flow {flow.name!r} does not exist", origin=flow.origin
        )
    if state.transaction_version is not None and state.transaction_version >= number:
        return False
    is_small = state.size_bytes <= SMALL_BYTES and is_small_plan(snapshot)
    job = _Snapshot(
        flow=flow,
        version=version,
        target=target,
        state=state,
        keys=key_names(_as_changes(flow, StringType()), state.schema),
        app_id=app_id,
        number=number,
        is_small=is_small,
    )
    rows = _fitted(snapshot.coalesce(1) if is_small else snapshot, job).persist()
    try:
        _refuse_doubled_keys(rows, job)
        changes = pinned(_compared(spark, rows, job))
        try:
            return _write(spark, changes, job)
        finally:
            unpin(changes)
    finally:
        rows.unpersist()


def _as_changes(flow: SnapshotFlow, kind: DataType) -> AutoCdcFlow:
    """Return the change flow that checks keys and lists alike, its sequence of type ``kind``."""
    return AutoCdcFlow(
        name=flow.name,
        target=flow.target,
        source="",
        keys=flow.keys,
        sequence_by=f"CAST(NULL AS {kind.simpleString()})",
        origin=flow.origin,
        scd_type=flow.scd_type,
        track_history_column_list=flow.track_history_column_list,
        track_history_except_column_list=flow.track_history_except_column_list,
    )


def _fitted(snapshot: DataFrame, job: _Snapshot) -> DataFrame:
    given = {f.name.lower(): f for f in snapshot.schema.fields}
    names = job.data.names
    lacking = [f.name for f in snapshot.schema.fields if find_name(f.name, names) is None]
    if lacking:
        raise FlowError(
            f"table {job.flow.target!r} lacks columns {lacking} that snapshot {job.version} of "
            f"flow {job.flow.name!r} brings",
            origin=job.flow.origin,
            hint="another update adds the columns and goes on with this snapshot",
        )
    return snapshot.select(*(fitted(given.get(f.name.lower()), f) for f in job.data.fields))


def _refuse_doubled_keys(rows: DataFrame, job: _Snapshot) -> None:
    groups = [column(key).alias(f"__dlt_group_{i}") for i, key in enumerate(job.keys)]
    shown = F.to_json(F.struct(*map(column, job.keys)), {"ignoreNullFields": "false"})
    counts = rows.groupBy(*groups).agg(F.count("*").alias("rows"), F.first(shown).alias("key"))
    doubled = counts.where(column("rows") > 1).orderBy("key").first()
    if doubled is not None:
        raise FlowError(
            f"snapshot {job.version} of flow {job.flow.name!r} into {job.flow.target!r} has "
            f"{doubled['rows']} rows of key {doubled['key']}; allowed: one row a key",
            origin=job.flow.origin,
            hint="add the columns that tell the rows apart to keys, or drop the duplicates",
        )


def _compared(spark: SparkSession, rows: DataFrame, job: _Snapshot) -> DataFrame:
    """Return what has to happen to the target, but for what stays as it is.

    Shape:
        the columns ``data``, ``__dlt_op`` STRING (insert, update, close or delete) and
        ``__dlt_held_start`` (of the version concerned, type 2); one row per key, two where a
        version is closed and another follows.
    """
    held = spark.read.format("delta").load(job.target)
    start = F.lit(None).cast("int")
    if job.is_history:
        held, start = held.where(column(END_AT).isNull()), column(START_AT)
    held = held.select(*map(column, job.data.names), start.alias(_HELD_START))
    held = held.withColumn(_IS_HELD, F.lit(True))
    if job.is_small:
        held = held.coalesce(1).hint("merge")
    here = rows.withColumn(_IS_HERE, F.lit(True))
    both = here.alias("s").join(held.alias("t"), _same(job.keys, "s", "t"), "full_outer")
    is_new, is_gone = column(_IS_HELD).isNull(), column(_IS_HERE).isNull()

    def differs(columns: StructType) -> Column:
        return ~order_of(columns, [F.lit(0)], "s").eqNullSafe(order_of(columns, [F.lit(0)], "t"))

    leaves = "close" if job.is_history else "delete"
    ops = F.when(is_new, F.array(F.lit("insert"))).when(is_gone, F.array(F.lit(leaves)))
    if job.is_history:
        tracked = tracked_columns(job.data, _as_changes(job.flow, StringType()))
        ops = ops.when(differs(tracked), F.array(F.lit("close"), F.lit("insert")))
    ops = ops.when(differs(job.data), F.array(F.lit("update")))
    values = [
        F.when(is_gone, column(name, "t")).otherwise(column(name, "s")).alias(name)
        for name in job.data.names
    ]
    return both.where(ops.isNotNull()).select(*values, _HELD_START, F.explode(ops).alias(_OP))


def _write(spark: SparkSession, changes: DataFrame, job: _Snapshot) -> bool:
    ops = {row[_OP] for row in changes.select(_OP).distinct().collect()}
    if not ops:
        return False
    shown: dict[str, Column] = {name: column(name, "s") for name in job.data.names}
    at = F.lit(job.version)
    if job.is_history:
        kind = job.state.schema[START_AT].dataType
        at = at.cast(kind)
        shown |= {START_AT: at, END_AT: F.lit(None).cast(kind)}
    changes = changes.alias("s")
    if ops == {"insert"}:
        rows = changes.select(*(value.alias(name) for name, value in shown.items()))
        writer = rows.write.format("delta").mode("append").option("txnAppId", job.app_id)
        writer.option("txnVersion", job.number).save(job.target)
        return True
    private = commit_session(spark, app_id=job.app_id, version=job.number, is_small=job.is_small)
    op = column(_OP, "s")
    condition = _same(job.keys, "t", "s") & (op != "insert")
    if job.is_history:
        is_held = column(START_AT, "t").eqNullSafe(column(_HELD_START, "s"))
        condition = condition & is_held & column(END_AT, "t").isNull()
    values: dict[str, str | Column] = {quote(n): column(n, "s") for n in job.data.names}
    inserted: dict[str, str | Column] = {quote(n): value for n, value in shown.items()}
    merge = DeltaTable.forPath(private, job.target).alias("t").merge(changes, condition)
    if "delete" in ops:
        merge = merge.whenMatchedDelete(op == "delete")
    if "close" in ops:
        merge = merge.whenMatchedUpdate(op == "close", {END_AT: at})
    if "update" in ops:
        merge = merge.whenMatchedUpdate(op == "update", values)
    if "insert" in ops:
        merge = merge.whenNotMatchedInsert(op == "insert", inserted)
    merge.execute()
    return True


def _same(keys: list[str], left: str, right: str) -> Column:
    pairs = (column(key, left).eqNullSafe(column(key, right)) for key in keys)
    return functools.reduce(lambda one, other: one & other, pairs)
