from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from dlt_stub.cdc import CdcMetrics, apply_changes_batch, target_schema
from dlt_stub.clock import ManualClock
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.errors import Origin


class Orders:
    """One target with its auxiliary table, fed batch by batch."""

    def __init__(self, spark: SparkSession, folder: Path, schema: str, flow: AutoCdcFlow) -> None:
        self.spark = spark
        self.flow = flow
        self.schema = schema
        self.target = str(folder / flow.target)
        self.auxiliary = str(folder / f"__dlt_{flow.target}")
        self.next_version = 0
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.forgets_after_seconds: float | None = None
        self.beside: tuple[AutoCdcFlow, ...] = ()
        source = spark.createDataFrame([], schema).schema
        empty = spark.createDataFrame([], target_schema(source, flow, spark=spark))
        writer = empty.write.format("delta").option("delta.enableDeletionVectors", "true")
        writer.save(self.target)

    def frame(self, rows: Iterable[Sequence[Any]]) -> DataFrame:
        """Return the rows as a batch of the source."""
        return self.spark.createDataFrame([tuple(row) for row in rows], self.schema).coalesce(1)

    def apply(self, *rows: Sequence[Any], version: int | None = None) -> CdcMetrics | None:
        """Apply the rows as the next batch, or once more as batch ``version``."""
        return self.apply_frame(self.frame(rows), version=version)

    def apply_frame(self, batch: DataFrame, *, version: int | None = None) -> CdcMetrics | None:
        """Apply a batch DataFrame as the next batch, or once more as batch ``version``."""
        number = self.next_version if version is None else version
        self.next_version = number + 1
        return apply_changes_batch(
            batch,
            flow=self.flow,
            target=self.target,
            auxiliary=self.auxiliary,
            app_id=f"flow-{self.flow.name}",
            version=number,
            applied_at=self.clock.now(),
            forgets_after_seconds=self.forgets_after_seconds,
            beside=self.beside,
        )

    def table(self) -> DataFrame:
        """Return the target."""
        return self.spark.read.format("delta").load(self.target)

    def rows(self) -> set[tuple[Any, ...]]:
        """Return the target's rows, which must not hold one twice."""
        rows = [tuple(row) for row in self.table().collect()]
        assert len(rows) == len(set(rows))
        return set(rows)

    def commits(self) -> tuple[int, int]:
        """Return how many commits the target and the auxiliary table have."""
        return _commits(self.target), _commits(self.auxiliary)


MakeOrders = Callable[..., Orders]


@pytest.fixture
def orders(spark: SparkSession, tmp_path: Path) -> MakeOrders:
    """Make a target of the given source schema and flow arguments."""

    def make(schema: str, **arguments: Any) -> Orders:  # whatever a flow may declare
        given = {
            "name": "orders",
            "target": "orders",
            "source": "changes",
            "keys": ("key",),
            "sequence_by": "seq",
            "origin": Origin(path="orders.py", line=7),
            **arguments,
        }
        return Orders(spark, tmp_path, schema, AutoCdcFlow(**given))

    return make


def _commits(table: str) -> int:
    return len(list((Path(table) / "_delta_log").glob("*.json")))
