"""The hidden table beside a target: what the target does not hold.

For SCD type 1 that is tombstones, and last sequences where no column has them; for type 2 it is
every change, for a late one may split an interval that hides several.

It is a log: rows are appended, each with the batch that wrote it, and the greatest row of a key
(type 2: of a key and sequence) is what holds. So a redo of a batch can see the state before that
batch, which is what makes a crash between this table and the target harmless; and a batch costs an
append, not a second MERGE.
"""

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub.cdc.flow import column
from dlt_stub.cdc.ordering import IS_DELETE, SEQUENCE, fitted
from dlt_stub.engine.delta_log import TableState

KEY = "__dlt_key_"
ENTRY = "__dlt_entry"
_APP_ID = "__dlt_app_id"  # NULL once the row stands for several batches
_VERSION = "__dlt_version"
_IS_KEY = "dlt_stub.isKey"
_IS_TRACKED = "dlt_stub.isTracked"
MAX_FILES = 48


def read_entries(spark: SparkSession, path: str, *, app_id: str, version: int) -> DataFrame:
    """Return what the table in ``path`` remembers of each key, but for the batch itself.

    Shape:
        ``__dlt_key_0``.. and ``__dlt_entry`` STRUCT<f0 sequence, f1 BOOLEAN is_delete>; one row
        per key, NULL keys being one key; batch.
    """
    rows = spark.read.format("delta").load(path)
    is_own = _is_of(app_id) & (column(_VERSION) == version)
    keys = [name for name in rows.columns if name.startswith(KEY)]
    entry = F.struct(column(SEQUENCE).alias("f0"), column(IS_DELETE).alias("f1"))
    return rows.where(~is_own).groupBy(*keys).agg(F.max(entry).alias(ENTRY))


def append_entries(
    entries: DataFrame, path: str, *, keys: list[str], app_id: str, version: int, is_redo: bool
) -> None:
    """Write the sequences and deletes of ``entries`` as those of batch ``version``.

    A redo replaces what the batch wrote before, whatever that was.

    Shape:
        ``entries`` has the columns ``keys``, ``__dlt_sequence`` and ``__dlt_is_delete``.
    """
    rows = entries.select(
        *(column(name).alias(f"{KEY}{i}") for i, name in enumerate(keys)),
        SEQUENCE,
        IS_DELETE,
        F.lit(app_id).alias(_APP_ID),
        F.lit(version).cast("bigint").alias(_VERSION),
    )
    _write(rows.write.format("delta"), path, app_id=app_id, version=version, is_redo=is_redo)


def _write(writer: DataFrameWriter, path: str, *, app_id: str, version: int, is_redo: bool) -> None:
    if is_redo:
        name = app_id.replace("\\", "\\\\").replace("'", "\\'")
        own = f"{_APP_ID} = '{name}' AND {_VERSION} = {version}"
        writer.mode("overwrite").option("replaceWhere", own).save(path)
        return
    writer.mode("append").option("txnAppId", app_id).option("txnVersion", version).save(path)


def read_changes(
    spark: SparkSession, path: str, data: StructType, *, kind: DataType, app_id: str, version: int
) -> DataFrame:
    """Return every change the table of an SCD type 2 target remembers, but for the batch itself.

    Shape:
        the columns ``data``, ``__dlt_sequence`` in type ``kind`` and ``__dlt_is_delete``; one row
        per change; batch.
    """
    rows = spark.read.format("delta").load(path)
    is_own = _is_of(app_id) & (column(_VERSION) == version)
    have = {f.name.lower(): f for f in rows.schema.fields}
    values = [fitted(have.get(f.name.lower()), f) for f in data.fields]
    return rows.where(~is_own).select(
        *values, column(SEQUENCE).cast(kind).alias(SEQUENCE), IS_DELETE
    )


def append_changes(
    changes: DataFrame,
    path: str,
    *,
    keys: list[str],
    tracked: list[str],
    app_id: str,
    version: int,
    is_redo: bool,
) -> None:
    """Write ``changes`` as those of batch ``version``, and with them what they mean.

    A redo replaces what the batch wrote before, whatever that was. Each column carries whether it
    is a key and whether it is tracked: another meaning would not fit the history made so far.

    Shape:
        ``changes`` has the target's data columns, ``__dlt_sequence`` and ``__dlt_is_delete``.
    """
    values = [
        column(name).alias(name, metadata={_IS_KEY: name in keys, _IS_TRACKED: name in tracked})
        for name in changes.columns
        if name not in (SEQUENCE, IS_DELETE)
    ]
    rows = changes.select(
        *values,
        SEQUENCE,
        IS_DELETE,
        F.lit(app_id).alias(_APP_ID),
        F.lit(version).cast("bigint").alias(_VERSION),
    )
    writer = rows.write.format("delta").option("mergeSchema", "true")
    _write(writer, path, app_id=app_id, version=version, is_redo=is_redo)


def remembered_meaning(state: TableState) -> tuple[set[str], dict[str, bool]] | None:
    """Return the keys and, of every other column, whether it is tracked; None if of another type.

    This is what the changes in an SCD type 2 target's table were written with.
    """
    marks = {f.name: f.metadata for f in state.schema.fields if _IS_KEY in f.metadata}
    if not marks:
        return None
    keys = {name for name, mark in marks.items() if mark[_IS_KEY]}
    return keys, {name: bool(m[_IS_TRACKED]) for name, m in marks.items() if name not in keys}


def compact_changes(spark: SparkSession, path: str) -> None:
    """Leave the same changes, each with its batch, in as few files as Delta holds good."""
    DeltaTable.forPath(spark, path).optimize().executeCompaction()


def compact_entries(spark: SparkSession, path: str, *, app_id: str, version: int) -> None:
    """Leave one row per key of all that ``app_id`` wrote up to ``version``.

    Only for batches whose target is committed. Other applications' rows stay: theirs may not be.
    """
    rows = spark.read.format("delta").load(path)
    keys = [name for name in rows.columns if name.startswith(KEY)]
    is_done = column(_APP_ID).isNull() | (_is_of(app_id) & (column(_VERSION) <= version))
    newest = F.max(F.struct(SEQUENCE, IS_DELETE)).alias(ENTRY)
    merged = (
        rows.where(is_done)
        .groupBy(*keys)
        .agg(newest)
        .select(*keys, f"{ENTRY}.*")
        .withColumns({_APP_ID: F.lit(None).cast("string"), _VERSION: F.lit(None).cast("bigint")})
    )
    merged.unionByName(rows.where(~is_done)).write.format("delta").mode("overwrite").save(path)


def is_crowded(state: TableState | None) -> bool:
    """Return whether reading the table has become dearer than compacting it."""
    return state is not None and state.num_files > MAX_FILES


def _is_of(app_id: str) -> Column:
    return F.coalesce(column(_APP_ID) == app_id, F.lit(False))
