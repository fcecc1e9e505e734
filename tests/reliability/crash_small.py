"""A small pipeline with what the bundle's has not, updated once by a process that dies at a point.

python -m tests.reliability.crash_small STORAGE POINT [--full-refresh TABLE] [--reset FLOW]
"""

import argparse
import os
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.failpoints import VARIABLE

SOURCE = """
import dlt
from pyspark.sql import functions as F

@dlt.table
@dlt.expect("named", "name IS NOT NULL")
def landed():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT, name STRING, seq INT").option("header", "true")
        .option("cloudFiles.cleanSource", "MOVE")
        .option("cloudFiles.cleanSource.retentionDuration", "0 seconds")
        .option("cloudFiles.cleanSource.moveDestination", "/Volumes/main/shop/files/done")
        .load("/Volumes/main/shop/files/in").drop("_rescued_data"))

dlt.create_streaming_table("history")
dlt.apply_changes(target="history", source="landed", keys=["id"], sequence_by="seq",
    stored_as_scd_type=2)

dlt.create_streaming_table("backfilled", expect_all={"even": "id % 2 = 0"})

@dlt.append_flow(target="backfilled", name="backfill", once=True)
def backfill():
    return spark.range(5)

def next_shot(latest):
    version = 1 if latest is None else latest + 1
    return None if version > 3 else (spark.range(version, version + 2), version)

dlt.create_streaming_table("shots")
dlt.apply_changes_from_snapshot(target="shots", source=next_shot, keys=["id"],
    stored_as_scd_type=2)
"""


def small_pipeline(storage: Path, spark: SparkSession | None = None) -> Pipeline:
    """Return the pipeline in a workspace folder, which may hold it already."""
    storage.mkdir(parents=True, exist_ok=True)
    landing(storage).mkdir(parents=True, exist_ok=True)
    source = storage / "small.py"
    source.write_text(SOURCE, encoding="utf-8")
    return Pipeline(
        source=[source], storage=storage, catalog="main", schema="shop", name="small", spark=spark
    )


def landing(storage: Path) -> Path:
    """Return the folder that files land in."""
    return storage / "volumes/main/shop/files/in"


def main() -> None:
    """Update the pipeline; the process is killed unless the point is never reached."""
    parser = argparse.ArgumentParser()
    parser.add_argument("storage", type=Path)
    parser.add_argument("point")
    parser.add_argument("--full-refresh", action="append", default=[])
    parser.add_argument("--reset", action="append", default=[])
    given = parser.parse_args()
    os.environ[VARIABLE] = given.point
    small_pipeline(given.storage).update(
        full_refresh_selection=given.full_refresh, reset_checkpoint_selection=given.reset
    ).raise_for_failure()


if __name__ == "__main__":
    main()
