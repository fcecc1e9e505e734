"""One micro-batch on its way to a target: what SCD types 1 and 2 have in common."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, cast

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    IntegralType,
    StringType,
    StructType,
)

from dlt_stub.cdc.auxiliary import Memory
from dlt_stub.cdc.flow import column
from dlt_stub.cdc.ordering import IS_BARE, IS_OUTSIDE, SEQUENCE
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.engine.delta_log import TableState
from dlt_stub.errors import FlowError

_TXN_APP_ID = "spark.databricks.delta.write.txnAppId"
_TXN_VERSION = "spark.databricks.delta.write.txnVersion"
SMALL_BYTES = 4 * 2**20
FEW_ROWS = 20_000
STRICT = "dlt_stub.cdc.strict"  # pipeline configuration: "true" refuses NULL keys and sequences
_MATERIALIZE_SOURCE = "spark.databricks.delta.merge.materializeSource"


@dataclass(frozen=True, slots=True, kw_only=True)
class CdcMetrics:
    """What one batch did to its target, in rows; a delete that found no row is not counted.

    SCD type 2 (assumed, the documents name the metrics only): upserted rows are those inserted or
    changed, but for rows that a delete has only closed; deleted rows are the keys that had a
    current row before and have none after.
    """

    num_upserted_rows: int
    num_deleted_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """The least and greatest value of the first key column in a batch."""

    name: str
    least: int | str | date | Decimal
    greatest: int | str | date | Decimal

    kind: DataType

    def covers(self, relation: str | None = None) -> Column:
        """Return the condition that lets Delta skip files which hold no key of the batch."""
        least, greatest = (F.lit(v).cast(self.kind) for v in (self.least, self.greatest))
        return column(self.name, relation).between(least, greatest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch and the tables it goes to."""

    flow: AutoCdcFlow
    schema: StructType  # the target's
    keys: list[str]
    target: str
    memory: Memory
    before: TableState | None  # of the auxiliary table
    has_truncates: bool  # some flow into the target has
    has_small_tables: bool
    is_strict: bool
    is_small: bool  # so small that one task is quicker than several
    on_counted: Callable[[CdcMetrics], None]  # told before the target is written


def check_sequence(kind: DataType, job: Batch) -> None:
    """Return if sequences of type ``kind`` compare with those remembered.

    Source: Apache Spark's condition AUTOCDC_INVALID_STATE.SEQUENCING_TYPE_DRIFT, read 2026-10.

    Raises:
        FlowError: they are of another type.
    """
    if job.before is None or SEQUENCE not in job.before.schema.names:
        return
    known = job.before.schema[SEQUENCE].dataType
    if known.simpleString() != kind.simpleString():
        raise FlowError(
            f"flow {job.flow.name!r} into {job.flow.target!r} has sequences of type "
            f"{kind.simpleString()}, those before are of type {known.simpleString()}",
            origin=job.flow.origin,
            hint="cast them in sequence_by, or run a full refresh of the table",
        )


def gathered(rows: DataFrame, job: Batch) -> DataFrame:
    """Return the same rows, in one partition where the batch and its tables are small.

    Rows in one place need no shuffle, and every shuffle is a Spark job of its own.
    """
    return rows.coalesce(1).hint("merge") if job.is_small else rows


def counted(job: Batch, num_rows: int) -> Batch:
    """Return the batch as one of ``num_rows`` rows."""
    return replace(job, is_small=job.has_small_tables and (job.is_small or num_rows <= FEW_ROWS))


def is_small_plan(rows: DataFrame) -> bool:
    """Return whether Spark estimates ``rows`` to be small before it runs them."""
    # Py4J edge: pyspark has no way to ask for a plan's statistics
    size = cast(Any, rows)._jdf.queryExecution().optimizedPlan().stats().sizeInBytes()
    return int(size) <= SMALL_BYTES


def look_at(changes: DataFrame, job: Batch) -> tuple[int, KeyRange | None]:
    """Return how many rows ``changes`` has, and the range of their keys.

    Raises:
        FlowError: a row breaks the flow's ``where``, or lacks what strict mode demands.
    """
    first = job.keys[0]
    key = column(first)
    shown = F.to_json(F.struct(*(column(k) for k in job.keys)), {"ignoreNullFields": "false"})
    outside = F.when(column(IS_OUTSIDE), shown)
    is_bare = column(IS_BARE)
    seen = changes.agg(
        F.count("*").alias("keys"),
        F.count_if(key.isNull()).alias("null_keys"),
        F.count_if(column(IS_OUTSIDE)).alias("outside"),
        F.min(outside).alias("example"),
        F.count_if(is_bare).alias("bare"),
        F.min(F.when(is_bare, shown)).alias("bare_example"),
        F.min(key).alias("least"),
        F.max(key).alias("greatest"),
    ).first()
    assert seen is not None
    if seen["outside"]:
        raise FlowError(
            f"flow {job.flow.name!r} into {job.flow.target!r} got rows that do not satisfy its "
            f"where {job.flow.where!r}: {seen['outside']} keys, {seen['example']} among them",
            origin=job.flow.origin,
            hint="where only prunes what is read; filter rows in the source instead",
        )
    if seen["bare"]:
        raise FlowError(
            f"flow {job.flow.name!r} into {job.flow.target!r} got changes without a key or a "
            f"sequence: {seen['bare']} keys, {seen['bare_example']} among them",
            origin=job.flow.origin,
            hint=f"filter them out of the source; without {STRICT} they are applied as Databricks "
            "applies them, NULL being a key and the lowest sequence",
        )
    kind = changes.schema[first].dataType
    is_plain = isinstance(kind, IntegralType | DateType | DecimalType) or kind == StringType()
    if not is_plain or seen["null_keys"] or not seen["keys"]:
        return int(seen["keys"]), None
    return int(seen["keys"]), KeyRange(
        name=first, least=seen["least"], greatest=seen["greatest"], kind=kind
    )


def same_keys(left: str, right: str, job: Batch) -> Column:
    """Return the condition that rows of two relations have the same key, NULL being a value."""
    pairs = (column(key, left).eqNullSafe(column(key, right)) for key in job.keys)
    return functools.reduce(lambda one, other: one & other, pairs)


def merging_session(spark: SparkSession, job: Batch) -> SparkSession:
    """Return a session whose one MERGE bears the batch's transaction."""
    memory = job.memory
    return commit_session(
        spark, app_id=memory.app_id, version=memory.version, is_small=job.is_small
    )


def commit_session(
    spark: SparkSession, *, app_id: str, version: int, is_small: bool
) -> SparkSession:
    """Return a session whose one MERGE bears a transaction.

    MERGE takes its transaction from the session, and keeps it: this session dies with the batch.
    """
    # Py4J edge: the session of a user's query has a class of its own, which newSession would call
    private = SparkSession(spark.sparkContext, cast(Any, spark)._jsparkSession.newSession())
    private.conf.set(_TXN_APP_ID, app_id)
    private.conf.set(_TXN_VERSION, str(version))
    private.conf.set(_MATERIALIZE_SOURCE, "none")  # pinned: a lost block fails, none is recomputed
    # Spark 4.2 keeps constraints of pinned rows that name columns those rows no longer have
    private.conf.set("spark.sql.constraintPropagation.enabled", "false")
    if is_small:
        private.conf.set("spark.sql.adaptive.enabled", "false")  # it runs a job for each shuffle
        private.conf.set("spark.sql.shuffle.partitions", "1")
        private.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
    return private


def append_to_target(rows: DataFrame, job: Batch) -> None:
    """Append ``rows`` to the target as the batch's transaction."""
    writer = rows.write.format("delta").mode("append").option("txnAppId", job.memory.app_id)
    writer.option("txnVersion", job.memory.version).save(job.target)


def pinned(rows: DataFrame) -> DataFrame:
    """Return the same rows, kept by the first action on them; MERGE refuses a cached source."""
    return rows.localCheckpoint(eager=False)


def unpin(rows: DataFrame) -> None:
    """Free what ``pinned`` has kept."""
    # Py4J edge: Spark frees a local checkpoint only when the JVM collects it
    cast(Any, rows)._jdf.queryExecution().logical().rdd().unpersist(False)
