"""Flows that run side by side never write each other's transactions."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from tests.cdc.conftest import MakeOrders, Orders
from tests.cdc.model import SCHEMA


def test_parallel_streams_keep_transactions_apart(
    orders: MakeOrders, spark: SparkSession, tmp_path: Path
) -> None:
    source = str(tmp_path / "changes")
    names = ("left", "right")
    feeds = [
        orders(
            SCHEMA,
            name=name,
            target=name,
            apply_as_deletes="op = 'DELETE'",
            except_column_list=("op",),
        )
        for name in names
    ]
    rows = [(1, "a", 1.0, 1, "UPSERT"), (2, "b", 1.0, 1, "UPSERT")]
    for turn in range(2):
        frame = feeds[0].frame([(k, s, a, seq + turn, op) for k, s, a, seq, op in rows])
        frame.write.format("delta").mode("append").save(source)
    deletes = feeds[0].frame([(2, None, None, 9, "DELETE")])
    deletes.write.format("delta").mode("append").save(source)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(_stream, feed, source, tmp_path) for feed in feeds]:
            done.result()
    for feed in feeds:
        assert feed.rows() == {(1, "a", 1.0, 2)}
        own = {f"flow-{feed.flow.name}"}
        assert _transactions(feed.target) == own
        assert _transactions(feed.auxiliary) == own
    frame = feeds[0].frame(rows)
    frame.write.format("delta").save(str(tmp_path / "unrelated"))
    assert _transactions(str(tmp_path / "unrelated")) == set()


def _stream(feed: Orders, source: str, folder: Path) -> None:
    def apply(batch: DataFrame, version: int) -> None:
        feed.apply_frame(batch, version=version)

    changes = feed.spark.readStream.format("delta").option("maxFilesPerTrigger", 1).load(source)
    writer = changes.writeStream.foreachBatch(apply).trigger(availableNow=True)
    writer.option("checkpointLocation", str(folder / f"{feed.flow.name}.checkpoint"))
    writer.start().awaitTermination()


def _transactions(table: str) -> set[str]:
    found = set()
    for log in sorted((Path(table) / "_delta_log").glob("*.json")):
        for line in log.read_text().splitlines():
            action = json.loads(line)
            if "txn" in action:
                found.add(action["txn"]["appId"])
    return found
