"""What a Delta table's log says, read from Delta's own snapshot without running a query."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub.engine.sql_tree import iterate


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One Delta table as its newest version has it."""

    schema: StructType
    num_files: int
    size_bytes: int
    transactions: Mapping[str, int]  # the last version of each application that wrote into it
    transaction_version: int | None  # of the application asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """How one Delta table is declared, as its newest version has it."""

    version: int
    schema: StructType
    partition_columns: tuple[str, ...]
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableUpkeep:
    """What the maintenance of one Delta table goes by, as its newest version has it."""

    table_id: str  # what a stream's checkpoint calls the table
    version: int
    num_files: int
    size_bytes: int
    properties: Mapping[str, str]
    keeps_removed_seconds: float  # how long files stay that no version names any more


def read_table_upkeep(spark: SparkSession, path: str) -> TableUpkeep | None:
    """Return what the maintenance of the table in folder ``path`` goes by, None if there is none.

    Source: docs "Predictive optimization", 2026-11-24: delta.deletedFileRetentionDuration, which is
    7 days unless it is set, says what VACUUM keeps.
    """
    snapshot = _newest_snapshot(spark, path)
    if snapshot.version() < 0:
        return None
    totals = _totals(snapshot)
    metadata = snapshot.metadata()
    log = cast(Any, spark)._jvm.org.apache.spark.sql.delta.DeltaLog
    return TableUpkeep(
        table_id=str(metadata.id()),
        version=int(snapshot.version()),
        num_files=int(totals.numFiles()),
        size_bytes=int(totals.tableSizeBytes()),
        properties=_properties(metadata),
        keeps_removed_seconds=log.tombstoneRetentionMillis(metadata) / 1000,
    )


def read_table_layout(spark: SparkSession, path: str) -> TableLayout | None:
    """Return how the Delta table in folder ``path`` is declared, or None if there is none."""
    snapshot = _newest_snapshot(spark, path)
    if snapshot.version() < 0:
        return None
    metadata = snapshot.metadata()
    return TableLayout(
        version=int(snapshot.version()),
        schema=StructType.fromJson(json.loads(metadata.schema().json())),
        partition_columns=tuple(iterate(metadata.partitionColumns().iterator())),
        properties=_properties(metadata),
    )


def read_table_state(spark: SparkSession, path: str, app_id: str) -> TableState | None:
    """Return the newest state of the Delta table in folder ``path``, or None if there is none.

    The state's ``transaction_version`` is the last one that ``app_id`` has committed.
    """
    snapshot = _newest_snapshot(spark, path)
    if snapshot.version() < 0:
        return None
    totals = _totals(snapshot)
    transactions = _transactions(snapshot, totals)
    return TableState(
        schema=StructType.fromJson(json.loads(snapshot.schema().json())),
        num_files=int(totals.numFiles()),
        size_bytes=int(totals.tableSizeBytes()),
        transactions=transactions,
        transaction_version=transactions.get(app_id),
    )


def _newest_snapshot(spark: SparkSession, path: str) -> Any:
    # Py4J edge: Delta's Python API cannot name transactions, and its detail() runs a query
    jvm = cast(Any, spark)._jvm
    log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(cast(Any, spark)._jsparkSession, path)
    defaults = [getattr(log, f"update$default${n}")() for n in (1, 2, 3)]
    return log.update(*defaults)


def _totals(snapshot: Any) -> Any:
    checksum = snapshot.checksumOpt()
    # the checksum file knows what the snapshot itself would run a Spark job for
    return checksum.get() if checksum.isDefined() else snapshot.computeChecksum()


def _properties(metadata: Any) -> dict[str, str]:
    pairs = iterate(metadata.configuration().iterator())
    return {str(pair._1()): str(pair._2()) for pair in pairs}


def _transactions(snapshot: Any, checksum: Any) -> dict[str, int]:
    if checksum.setTransactions().isDefined():
        known = iterate(checksum.setTransactions().get().iterator())
        return {str(each.appId()): int(each.version()) for each in known}
    pairs = iterate(snapshot.transactions().iterator())
    return {str(pair._1()): int(pair._2()) for pair in pairs}
