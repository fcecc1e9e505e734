"""The hidden table beside a target: what the target does not hold.

For a flow that looks at the greatest change of a key alone (type 1) that is tombstones, and last
sequences where no column has them. For one that replays changes it is every change that held when
it came: a late one may split an interval that hides several.

It is a log: rows are appended, each with the batch that wrote it, and the greatest row of a key
(and sequence, where changes are replayed) is what holds. So a redo of a batch can see the state
before that batch, which is what makes a crash between this table and the target harmless; and a
batch costs an append, not a second MERGE.
"""

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub.cdc.flow import RESERVED, column
from dlt_stub.cdc.ordering import IS_DELETE, IS_TRUNCATE, SEQUENCE, fitted
from dlt_stub.engine.delta_log import TableState

KEY = "__dlt_key_"
ENTRY = "__dlt_entry"
_APP_ID = "__dlt_app_id"  # NULL once the row stands for several batches
_VERSION = "__dlt_version"
IS_BY_HAND = "__dlt_is_by_hand"  # a row somebody put into the target: before every change
_IS_KEY = "dlt_stub.isKey"
_IS_TRACKED = "dlt_stub.isTracked"
_IS_FILLED = "dlt_stub.isFilled"
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
    """Return every change the table in ``path`` remembers, but for the batch itself.

    Shape:
        the columns ``data``, ``__dlt_sequence`` in type ``kind``, ``__dlt_is_delete``,
        ``__dlt_is_truncate`` and ``__dlt_is_by_hand`` BOOLEAN; one row per change; batch.
    """
    rows = spark.read.format("delta").load(path)
    is_own = _is_of(app_id) & (column(_VERSION) == version)
    have = {f.name.lower(): f for f in rows.schema.fields}
    values = [fitted(have.get(f.name.lower()), f) for f in data.fields]
    return rows.where(~is_own).select(
        *values,
        column(SEQUENCE).cast(kind).alias(SEQUENCE),
        IS_DELETE,
        IS_TRUNCATE,
        IS_BY_HAND,
    )


def append_changes(
    changes: DataFrame,
    path: str,
    *,
    keys: list[str],
    tracked: list[str],
    filled: list[str],
    app_id: str,
    version: int,
    is_redo: bool,
) -> None:
    """Write ``changes`` as those of batch ``version``, and with them what they mean.

    A redo replaces what the batch wrote before, whatever that was. Each column carries whether it
    is a key, tracked, and filled: another meaning would not fit the rows made so far.

    Shape:
        ``changes`` is as ``read_changes`` gives it back.
    """
    marks = {_IS_KEY: keys, _IS_TRACKED: tracked, _IS_FILLED: filled}
    values = [
        column(name).alias(name, metadata={mark: name in of for mark, of in marks.items()})
        for name in changes.columns
        if not name.startswith(RESERVED)
    ]
    rows = changes.select(
        *values,
        SEQUENCE,
        IS_DELETE,
        IS_TRUNCATE,
        IS_BY_HAND,
        F.lit(app_id).alias(_APP_ID),
        F.lit(version).cast("bigint").alias(_VERSION),
    )
    writer = rows.write.format("delta").option("mergeSchema", "true")
    _write(writer, path, app_id=app_id, version=version, is_redo=is_redo)


def remembered_meaning(state: TableState) -> tuple[set[str], dict[str, tuple[bool, bool]]] | None:
    """Return the keys and, of every other column, whether it is tracked and whether it is filled.

    This is what the changes in the table were written with; None if it holds no changes.
    """
    marks = {f.name: f.metadata for f in state.schema.fields if _IS_KEY in f.metadata}
    if not marks:
        return None
    keys = {name for name, mark in marks.items() if mark[_IS_KEY]}
    others = {name: mark for name, mark in marks.items() if name not in keys}
    return keys, {n: (bool(m[_IS_TRACKED]), bool(m[_IS_FILLED])) for n, m in others.items()}


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
