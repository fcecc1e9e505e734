"""The hidden table beside a target: tombstones, and last sequences the target does not hold.

It is a log: rows are appended, each with the batch that wrote it, and the greatest row of a key is
what holds. So a redo of a batch can see the state before that batch, which is what makes a crash
between this table and the target harmless; and a batch costs an append, not a second MERGE.
"""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from dlt_stub.cdc.flow import column
from dlt_stub.cdc.ordering import IS_DELETE, SEQUENCE
from dlt_stub.engine.delta_log import TableState

KEY = "__dlt_key_"
ENTRY = "__dlt_entry"
_APP_ID = "__dlt_app_id"  # NULL once the row stands for several batches
_VERSION = "__dlt_version"
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
    writer = rows.write.format("delta")
    if is_redo:
        name = app_id.replace("\\", "\\\\").replace("'", "\\'")
        own = f"{_APP_ID} = '{name}' AND {_VERSION} = {version}"
        writer.mode("overwrite").option("replaceWhere", own).save(path)
        return
    writer.mode("append").option("txnAppId", app_id).option("txnVersion", version).save(path)


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
