"""A pipeline with tables and logs to keep small, and one round of its maintenance.

``python -m tests.maintenance.upkept FOLDER POINT`` does that round and dies at the failpoint.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.clock import SystemClock
from dlt_stub.events import Event, EventLog
from dlt_stub.failpoints import VARIABLE
from dlt_stub.maintenance import Maintenance

SHOP = """
import dlt

@dlt.table(table_properties={PROPERTIES})
def bronze():
    files = spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
    return files.option("cloudFiles.schemaHints", "id INT").load(spark.conf.get("landing"))

@dlt.table
def silver():
    return spark.readStream.table("bronze")

@dlt.table
def quality():
    return spark.readStream.table("log").where("event_type = 'flow_progress'").select("id")
"""


def pipeline_in(folder: Path, spark: SparkSession | None, name: str, source: str) -> Pipeline:
    (folder / "in").mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(source)
    return Pipeline(
        source=[folder / f"{name}.py"],
        storage=folder / "workspace",
        catalog="main",
        schema="shop",
        configuration={"landing": str(folder / "in")},
        name=name,
        event_log=("main", "shop", "log") if name == "shop" else None,
        spark=spark,
    )


def land_and_update(pipeline: Pipeline, folder: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        (folder / "in" / f"{number}.csv").write_text(f"id\n{number}\n")
        pipeline.update().raise_for_failure()


def maintained(pipeline: Pipeline) -> list[Event]:
    told: list[Event] = []
    log = EventLog(pipeline.place.event_log, clock=SystemClock(), origin={}, listener=told.append)
    Maintenance(
        place=pipeline.place,
        spark=pipeline.spark,
        log=log,
        clock=SystemClock(),
        few_files=3,
        few_event_files=12,
        few_ledger_files=3,
        kept_commits=4,
    ).run(pipeline.resolve())
    return told


if __name__ == "__main__":
    root = Path(sys.argv[1])
    os.environ[VARIABLE] = sys.argv[2]
    maintained(pipeline_in(root, None, "shop", (root / "shop.py").read_text(encoding="utf-8")))
