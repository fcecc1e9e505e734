"""How a micro-batch reaches its target, once and only once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession

from dlt_stub.cdc import CdcMetrics, apply_changes_batch
from dlt_stub.clock import Clock
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.engine.delta_log import read_table_state
from dlt_stub.failpoints import reach
from dlt_stub.flows.tables import Layout, cluster
from dlt_stub.flows.untold import Untold

_NOTHING = CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one micro-batch did to its target (rows); ``is_redo`` if an earlier try had done it."""

    is_redo: bool = False
    num_upserted_rows: int | None = None  # None where the target is no CDC target
    num_deleted_rows: int | None = None


class Sink(Protocol):
    """Writes micro-batches into one target; ``version`` numbers them within the flow."""

    def write(self, batch: DataFrame, version: int) -> Written:
        """Commit ``batch`` unless a batch of that number is committed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendSink:
    """Appends each batch; one that may be empty is looked at first, for no rows make no commit."""

    name: str  # of the dataset
    table: Path
    app_id: str
    may_be_empty: bool = True

    def write(self, batch: DataFrame, version: int) -> Written:
        """Append ``batch``, evaluated once, with the transaction id of its number."""
        if is_committed(batch.sparkSession, self.table, self.app_id, version):
            return Written(is_redo=True)  # before looking, which counts what the plan observes
        if not self.may_be_empty:
            return self._append(batch, version)
        # Looking before writing would count twice what the plan observes: keep the rows.
        batch.persist()
        try:
            return Written() if batch.isEmpty() else self._append(batch, version)
        finally:
            batch.unpersist()

    def _append(self, batch: DataFrame, version: int) -> Written:
        writer = batch.write.format("delta").mode("append")
        writer = writer.option("txnAppId", self.app_id).option("txnVersion", str(version))
        writer.save(str(self.table))
        reach("flows.rows_appended", self.name)
        return Written()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSink:
    """Replaces the target's content with each batch: streaming aggregations, materialized views."""

    table: Path
    app_id: str | None  # None: a materialized view, computed anew by every update
    layout: Layout | None = None  # what the table must change to in the same commit
    is_clustered: bool = False

    def write(self, batch: DataFrame, version: int) -> Written:
        """Overwrite the target with ``batch``."""
        writer = batch.write.format("delta").mode("overwrite")
        if self.layout is not None:
            writer = writer.option("overwriteSchema", "true")
            if self.layout.partition_columns:
                writer = writer.partitionBy(*self.layout.partition_columns)
        elif self.is_clustered:
            writer = writer.option("replaceWhere", "true")  # a plain overwrite forgets it (tried)
        if self.app_id is None:
            pass
        elif is_committed(batch.sparkSession, self.table, self.app_id, version):
            return Written(is_redo=True)
        else:
            writer = writer.option("txnAppId", self.app_id).option("txnVersion", str(version))
        writer.save(str(self.table))
        if self.layout is not None and self.layout.cluster_by:
            cluster(batch.sparkSession, self.table, self.layout.cluster_by)
        return Written()


@dataclass(frozen=True, slots=True, kw_only=True)
class CdcSink:
    """Applies each batch of changes to the target and its auxiliary table."""

    flow: AutoCdcFlow
    table: Path
    auxiliary: Path
    app_id: str
    clock: Clock
    forgets_after_seconds: float | None = None  # deletes; None: never
    beside: tuple[AutoCdcFlow, ...] = ()  # the other flows into the target
    untold: Untold  # remembers what a batch does before it is done

    def write(self, batch: DataFrame, version: int) -> Written:
        """Apply ``batch``; its session is private to the streaming query."""
        metrics = apply_changes_batch(
            batch,
            flow=self.flow,
            target=str(self.table),
            auxiliary=str(self.auxiliary),
            app_id=self.app_id,
            version=version,
            applied_at=self.clock.now(),
            forgets_after_seconds=self.forgets_after_seconds,
            beside=self.beside,
            on_counted=lambda counts: self.untold.count(version, counts),
        )
        is_redo = metrics is None
        metrics = metrics or self.untold.counted(version) or _NOTHING
        return Written(
            is_redo=is_redo,
            num_upserted_rows=metrics.num_upserted_rows,
            num_deleted_rows=metrics.num_deleted_rows,
        )


def is_committed(spark: SparkSession, table: Path, app_id: str, version: int) -> bool:
    """Return whether ``table`` has the batch ``version`` of ``app_id`` already."""
    state = read_table_state(spark, str(table), app_id)
    last = None if state is None else state.transaction_version
    return last is not None and last >= version
