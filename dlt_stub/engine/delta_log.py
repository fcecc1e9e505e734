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
        properties={
            str(pair._1()): str(pair._2()) for pair in iterate(metadata.configuration().iterator())
        },
    )


def read_table_state(spark: SparkSession, path: str, app_id: str) -> TableState | None:
    """Return the newest state of the Delta table in folder ``path``, or None if there is none.

    The state's ``transaction_version`` is the last one that ``app_id`` has committed.
    """
    snapshot = _newest_snapshot(spark, path)
    if snapshot.version() < 0:
        return None
    checksum = snapshot.checksumOpt()
    # the checksum file knows what the snapshot itself would run a Spark job for
    totals = checksum.get() if checksum.isDefined() else snapshot.computeChecksum()
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


def _transactions(snapshot: Any, checksum: Any) -> dict[str, int]:
    if checksum.setTransactions().isDefined():
        known = iterate(checksum.setTransactions().get().iterator())
        return {str(each.appId()): int(each.version()) for each in known}
    pairs = iterate(snapshot.transactions().iterator())
    return {str(pair._1()): int(pair._2()) for pair in pairs}
