"""The hidden table beside a target: what the target does not hold.

For a flow that looks at the greatest change of a key alone (type 1) that is tombstones, and last
sequences where no column has them. For one that replays changes it is every change that held when
it came: a late one may split an interval that hides several.

It is a log: rows are appended, each with the batch that wrote it, and the greatest row of a key
(and sequence, where changes are replayed) is what holds. So a redo of a batch can see the state
before that batch, which is what makes a crash between this table and the target harmless; and a
batch costs an append, not a second MERGE.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from dlt_stub.cdc.flow import RESERVED, column
from dlt_stub.cdc.ordering import IS_DELETE, IS_TRUNCATE, SEQUENCE, fitted
from dlt_stub.engine.delta_log import TableState

KEY = "__dlt_key_"
ENTRY = "__dlt_entry"
_APP_ID = "__dlt_app_id"  # NULL once the row stands for several batches
_VERSION = "__dlt_version"
_IS_SETTLED = "__dlt_is_settled"  # the target has all of this row's batch: nothing
AT = "__dlt_at"  # when the change was applied
IS_BY_HAND = "__dlt_is_by_hand"  # a row somebody put into the target: before every change
_IS_KEY = "dlt_stub.isKey"
_IS_TRACKED = "dlt_stub.isTracked"
_IS_FILLED = "dlt_stub.isFilled"
MAX_FILES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The table of one target as one batch sees it."""

    path: str
    app_id: str
    version: int
    committed: Mapping[str, int]  # the last batch of each application that the target has
    applied_at: datetime
    forgets_before: datetime | None = None  # deletes applied earlier are forgotten
    is_redo: bool = False  # the table has this batch already

    def rows(self, spark: SparkSession) -> DataFrame:
        """Return what batches have written that the target knows of, but for this batch itself.

        Another flow's batch that was killed before it reached the target will come again: until
        then it has not happened.

        Shape:
            the table's columns, with ``__dlt_at`` TIMESTAMP; one row per change.
        """
        rows = spark.read.format("delta").load(self.path)
        is_settled = column(_IS_SETTLED) if _IS_SETTLED in rows.columns else F.lit(True)
        is_known = F.coalesce(is_settled, F.lit(True)) | column(_APP_ID).isNull()
        for app_id, version in self.committed.items():
            is_known = is_known | ((column(_APP_ID) == app_id) & (column(_VERSION) <= version))
        is_own = _is_of(self.app_id) & (column(_VERSION) == self.version)
        known = rows.where(F.coalesce(is_known, F.lit(False)) & ~is_own)
        return known if AT in rows.columns else known.withColumn(AT, F.lit(None).cast("timestamp"))


def entries_of(rows: DataFrame, memory: Memory) -> DataFrame:
    """Return what ``memory`` knows of each key; ``rows`` are its own.

    Shape:
        ``__dlt_key_0``.. and ``__dlt_entry`` STRUCT<f0 sequence, f1 BOOLEAN is_delete>; one row
        per key, NULL keys being one key; batch.
    """
    keys = [name for name in rows.columns if name.startswith(KEY)]
    entry = F.struct(column(SEQUENCE).alias("f0"), column(IS_DELETE).alias("f1"))
    grouped = rows.groupBy(*keys).agg(F.max(entry).alias(ENTRY), F.max_by(AT, entry).alias(AT))
    is_kept = ~column(ENTRY)["f1"] | ~is_forgotten(memory)
    return grouped.where(is_kept).drop(AT)


def is_forgotten(memory: Memory) -> Column:
    """Return the condition that a delete was applied too long ago to be remembered."""
    if memory.forgets_before is None:
        return F.lit(False)
    return F.coalesce(column(AT) < F.lit(memory.forgets_before), F.lit(False))


def append_entries(
    entries: DataFrame, memory: Memory, *, keys: list[str], is_settled: bool
) -> None:
    """Write the sequences and deletes of ``entries`` as those of the batch.

    ``is_settled`` says that the batch leaves the target as it is. A redo replaces what the batch
    wrote before, whatever that was.

    Shape:
        ``entries`` has the columns ``keys``, ``__dlt_sequence`` and ``__dlt_is_delete``.
    """
    names = [column(name).alias(f"{KEY}{i}") for i, name in enumerate(keys)]
    rows = entries.select(*names, SEQUENCE, IS_DELETE, *_marks(memory, is_settled=is_settled))
    _write(rows, memory)


def _marks(memory: Memory, *, is_settled: bool) -> list[Column]:
    return [
        F.lit(memory.app_id).alias(_APP_ID),
        F.lit(memory.version).cast("bigint").alias(_VERSION),
        F.lit(is_settled).alias(_IS_SETTLED),
        F.lit(memory.applied_at).alias(AT),
    ]


def _write(rows: DataFrame, memory: Memory) -> None:
    writer = rows.write.format("delta").option("mergeSchema", "true")
    if memory.is_redo:
        name = memory.app_id.replace("\\", "\\\\").replace("'", "\\'")
        own = f"{_APP_ID} = '{name}' AND {_VERSION} = {memory.version}"
        writer.mode("overwrite").option("replaceWhere", own).save(memory.path)
        return
    writer = writer.mode("append").option("txnAppId", memory.app_id)
    writer.option("txnVersion", memory.version).save(memory.path)


def changes_in(rows: DataFrame, data: StructType, kind: DataType) -> DataFrame:
    """Return the changes among the rows of a table that remembers every change.

    Shape:
        the columns ``data``, ``__dlt_sequence`` in type ``kind``, ``__dlt_is_delete``,
        ``__dlt_is_truncate``, ``__dlt_is_by_hand`` BOOLEAN and ``__dlt_at``; one row per change;
        batch.
    """
    have = {f.name.lower(): f for f in rows.schema.fields}
    values = [fitted(have.get(f.name.lower()), f) for f in data.fields]
    sequence = column(SEQUENCE).cast(kind).alias(SEQUENCE)
    return rows.select(*values, sequence, IS_DELETE, IS_TRUNCATE, IS_BY_HAND, AT)


def append_changes(
    changes: DataFrame,
    memory: Memory,
    *,
    keys: list[str],
    tracked: list[str],
    filled: list[str],
    is_settled: bool,
) -> None:
    """Write ``changes`` as those of the batch, and with them what they mean.

    A redo replaces what the batch wrote before, whatever that was. Each column carries whether it
    is a key, tracked, and filled: another meaning would not fit the rows made so far.

    Shape:
        ``changes`` is as ``changes_in`` gives it back, without ``__dlt_at``.
    """
    marks = {_IS_KEY: keys, _IS_TRACKED: tracked, _IS_FILLED: filled}
    values = [
        column(name).alias(name, metadata={mark: name in of for mark, of in marks.items()})
        for name in changes.columns
        if not name.startswith(RESERVED)
    ]
    of_change = [SEQUENCE, IS_DELETE, IS_TRUNCATE, IS_BY_HAND]
    rows = changes.select(*values, *of_change, *_marks(memory, is_settled=is_settled))
    _write(rows, memory)


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


def compact_entries(spark: SparkSession, memory: Memory) -> None:
    """Leave one row per key of all that the batch's flow wrote up to this batch.

    Only for batches whose target is committed. Other flows' rows stay: theirs may not be.
    """
    rows = spark.read.format("delta").load(memory.path)
    keys = [name for name in rows.columns if name.startswith(KEY)]
    is_own = _is_of(memory.app_id) & (column(_VERSION) <= memory.version)
    is_done = column(_APP_ID).isNull() | is_own
    values = F.struct(SEQUENCE, IS_DELETE)
    newest = [F.max(values).alias(ENTRY), F.max_by(AT, values).alias(AT)]
    merged = (
        rows.where(is_done)
        .groupBy(*keys)
        .agg(*newest)
        .select(*keys, f"{ENTRY}.*", AT)
        .withColumns(
            {
                _APP_ID: F.lit(None).cast("string"),
                _VERSION: F.lit(None).cast("bigint"),
                _IS_SETTLED: F.lit(True),
            }
        )
    )
    merged = merged.where(~column(IS_DELETE) | ~is_forgotten(memory))
    others = rows.where(~is_done)
    merged.unionByName(others).write.format("delta").mode("overwrite").save(memory.path)


def is_crowded(state: TableState | None) -> bool:
    """Return whether reading the table has become dearer than compacting it."""
    return state is not None and state.num_files > MAX_FILES


def _is_of(app_id: str) -> Column:
    return F.coalesce(column(_APP_ID) == app_id, F.lit(False))
