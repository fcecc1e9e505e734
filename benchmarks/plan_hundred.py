"""How long a pipeline of a hundred datasets takes to plan: 20 feeds of five, and a chain of 100.

Usage: ``python benchmarks/plan_hundred.py``. Prints seconds, best of three in a warm session. The
chain is declared last first, so that every dataset names one that is not known yet.
"""

import tempfile
import time
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.engine.session import start_session

FEEDS = """
import dlt
from pyspark.sql import functions as F

def feed(i):
    @dlt.table(name=f"bronze_{i}")
    @dlt.expect("has_id", "id IS NOT NULL")
    def bronze():
        return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
            .option("cloudFiles.schemaHints", "id INT, at TIMESTAMP, amount DOUBLE, k STRING")
            .option("header", "true").load(spark.conf.get("landing") + f"/{i}"))

    @dlt.view(name=f"clean_{i}")
    @dlt.expect_or_drop("positive", "amount > 0")
    def clean():
        return dlt.read_stream(f"bronze_{i}").select("id", "at", "amount", "k")

    @dlt.table(name=f"silver_{i}")
    @dlt.expect_all({"known": "id > 0", "named": "k <> ''"})
    def silver():
        return dlt.read_stream(f"clean_{i}").withColumn("day", F.to_date("at"))

    dlt.create_streaming_table(f"target_{i}")
    dlt.apply_changes(target=f"target_{i}", source=f"silver_{i}", keys=["id"], sequence_by="at")

    @dlt.table(name=f"gold_{i}")
    def gold():
        return dlt.read(f"target_{i}").groupBy("day").agg(F.sum("amount").alias("s"))

for i in range(20):
    feed(i)
"""
CHAIN = """
import dlt

def link(i):
    @dlt.table(name=f"t{i}")
    def table():
        return dlt.read(f"t{i - 1}") if i else spark.range(1)

for i in reversed(range(100)):
    link(i)
"""


def pipeline(source: str, folder: Path, spark: SparkSession) -> Pipeline:
    """Return the pipeline of ``source`` in a new workspace below ``folder``."""
    for i in range(20):
        landing = folder / "landing" / str(i)
        landing.mkdir(parents=True)
        (landing / "a.csv").write_text("id,at,amount,k\n1,2024-01-01T00:00:00,2.5,a\n")
    (folder / "main.py").write_text(source)
    return Pipeline(
        source=[folder / "main.py"],
        storage=folder / "workspace",
        catalog="main",
        schema="bench",
        configuration={"landing": str(folder / "landing")},
        spark=spark,
    )


def plan_seconds(source: str, spark: SparkSession, *, rounds: int = 3) -> float:
    """Return how long planning ``source`` takes, the best of ``rounds`` (seconds)."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        made = pipeline(source, Path(folder), spark)
        for _ in range(rounds):
            started = time.monotonic()
            graph = made.resolve()
            taken.append(time.monotonic() - started)
            assert len(graph.datasets) == 100
    return min(taken)


def main() -> None:
    """Print the figures."""
    spark = start_session()
    try:
        print(f"20 feeds of five  {plan_seconds(FEEDS, spark):.1f} s")
        print(f"a chain of 100    {plan_seconds(CHAIN, spark):.1f} s")
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
