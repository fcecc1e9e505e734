"""A small update of our pipeline against the two notebooks of the seed, warm, in one process.

    python -m benchmarks.small_update [--rows 1000] [--rounds 5]

Both sides read the same files into Delta tables of their own on one Spark session, in turns.
The notebooks are the seed's, written straight down: read the CSV file, overwrite the staging table,
keep the latest row of each order, MERGE it into the target. They check no expectation, quarantine
nothing, keep no event log and no tombstones, and read each file by position.
Printed: median seconds of each side and their ratio.
"""

import argparse
import csv
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from delta.tables import DeltaTable
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from dlt_stub import Workspace

ROOT = Path(__file__).parents[1]
COLUMNS = ("order_id", "customer_id", "status", "quantity", "amount", "updated_at", "operation")
TYPES = "order_id STRING, customer_id STRING, status STRING, quantity INT, amount DECIMAL(12,2), "
SCHEMA = TYPES + "updated_at TIMESTAMP, operation STRING"


def write_file(path: Path, *, rows: int, number: int) -> None:
    """Write one file of changes, half of them to orders of the files before."""
    chance = random.Random(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in range(rows):
            order = chance.randrange(rows * number + 1) if row % 2 else rows * number + row
            moment = f"2026-01-{1 + number % 28:02d} {row // 3600:02d}:{row // 60 % 60:02d}:00"
            writer.writerow((f"O{order}", f"C{row}", "PAID", 1, "9.90", moment, "UPDATE"))


def notebooks(spark: SparkSession, folder: Path, file: Path) -> None:
    """Do what the seed's two notebooks do."""
    stage, target = str(folder / "stage"), str(folder / "target")
    rows = spark.read.option("header", "true").schema(SCHEMA).csv(str(file))
    rows.write.format("delta").mode("overwrite").save(stage)
    staged = spark.read.format("delta").load(stage)
    newest = Window.partitionBy("order_id").orderBy(F.col("updated_at").desc())
    latest = staged.withColumn("n", F.row_number().over(newest)).where("n = 1").drop("n")
    if not DeltaTable.isDeltaTable(spark, target):
        latest.write.format("delta").save(target)
        return
    merge = (
        DeltaTable.forPath(spark, target)
        .alias("t")
        .merge(latest.alias("s"), "t.order_id = s.order_id")
    )
    merge.whenMatchedUpdateAll("s.updated_at > t.updated_at").whenNotMatchedInsertAll().execute()


def seconds(action: Callable[[], object]) -> float:
    """Return how long ``action`` takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        workspace = Workspace.open(
            ROOT, storage=folder / "workspace", variables={"schema_hints": SCHEMA}
        )
        pipeline = workspace.pipeline("orders")
        landing = workspace.trigger("order_ingest").location
        ours: list[float] = []
        theirs: list[float] = []
        idle: list[float] = []
        for number in range(arguments.rounds + 2):
            file = landing / f"{number}.csv"
            write_file(file, rows=arguments.rows, number=number)
            ours.append(seconds(lambda: pipeline.update().raise_for_failure()))
            theirs.append(seconds(partial(notebooks, workspace.spark, folder, file)))
            idle.append(seconds(lambda: pipeline.update().raise_for_failure()))
    print(f"first update, cold: pipeline {ours[0]:.1f} s, notebooks {theirs[0]:.1f} s")
    mine, other = statistics.median(ours[2:]), statistics.median(theirs[2:])
    print(f"{arguments.rows} rows, warm: pipeline {mine:.2f} s, notebooks {other:.2f} s")
    print(f"ratio {mine / other:.2f}")
    print(f"nothing new: {statistics.median(idle[2:]):.2f} s")


if __name__ == "__main__":
    main()
