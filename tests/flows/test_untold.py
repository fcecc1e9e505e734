"""What a killed update did is told once, even where its files have gone since."""

import json
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Pipeline

SOURCE = """
import dlt

@dlt.table
@dlt.expect("named", "name IS NOT NULL")
def landed():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT, name STRING").option("header", "true")
        .option("cloudFiles.allowOverwrites", "true").load("/Volumes/main/shop/landing"))
"""


def test_replaced_files_are_counted_by_their_rows(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SOURCE, encoding="utf-8")
    landing = tmp_path / "workspace/volumes/main/shop/landing"
    landing.mkdir(parents=True)
    pipeline = Pipeline(
        source=[tmp_path / "main.py"],
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        spark=spark,
    )
    (landing / "kept.csv").write_text("id,name\n1,a\n", encoding="utf-8")
    (landing / "replaced.csv").write_text("id,name\n2,b\n3,\n", encoding="utf-8")
    pipeline.update().raise_for_failure()
    # As a kill leaves it between the table's commit and the ledger's.
    (segment,) = (tmp_path / "workspace").rglob("ledger/*.jsonl")
    lines = segment.read_text(encoding="utf-8").splitlines(keepends=True)
    open_lines = [line for line in lines if json.loads(line)["kind"] != "commit"]
    segment.write_text("".join(open_lines), encoding="utf-8")
    (landing / "replaced.csv").write_text("id,name\n4,d\n5,e\n6,\n7,\n", encoding="utf-8")
    update = pipeline.update()
    update.raise_for_failure()
    assert pipeline.table("landed").count() == 3 + 4
    assert update.flows["landed"].metrics["num_output_rows"] == 3 + 4
    (rule,) = update.flows["landed"].expectations
    assert (rule.passed_records, rule.failed_records) == (2 + 2, 1 + 2)
    assert not list((tmp_path / "workspace").glob("**/untold*/*"))
