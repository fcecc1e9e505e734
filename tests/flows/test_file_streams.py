"""What a query may do above cloudFiles: what file batches would answer otherwise is refused."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import DefinitionError, DltStubError, NotEmulatedError, Pipeline

SOURCE = """
import dlt
from pyspark.sql import Window, functions as F

W = Window.partitionBy("name")

def files(hints="id INT, name STRING"):
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", hints).option("header", "true")
        .load("/Volumes/main/shop/landing").drop("_rescued_data"))

@dlt.table
def names():
    return spark.createDataFrame([(1, "one")], "id int, number string")

@dlt.view
def events():
    return spark.readStream.format("rate").load().withColumnRenamed("value", "id")

@dlt.table
def t():
    return QUERY
"""


def pipeline_of(spark: SparkSession, tmp_path: Path, query: str) -> Pipeline:
    (tmp_path / "main.py").write_text(SOURCE.replace("QUERY", query), encoding="utf-8")
    (tmp_path / "workspace/volumes/main/shop/landing").mkdir(parents=True)
    return Pipeline(
        source=[tmp_path / "main.py"],
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        spark=spark,
    )


@pytest.mark.parametrize(
    ("query", "kind", "said"),
    [
        ("files().groupBy('id').count()", NotEmulatedError, "keeps state (Aggregate) above"),
        ("files().dropDuplicates(['id'])", NotEmulatedError, "keeps state (Deduplicate) above"),
        ("files().limit(3)", NotEmulatedError, "keeps state (GlobalLimit) above"),
        ("files().join(files(), 'id')", NotEmulatedError, "keeps state (Join) above"),
        ("files().union(files('a INT'))", NotEmulatedError, "reads two cloudFiles sources"),
        (
            "files().select('id').union(dlt.read_stream('events').selectExpr('INT(id)'))",
            NotEmulatedError,
            "reads cloudFiles beside a stream of 'rate'",
        ),
        (
            "files().select('id').union(dlt.read_stream('names').select('id'))",
            NotEmulatedError,
            "reads cloudFiles beside a stream of 'names'",
        ),
        ("files().orderBy('id')", DefinitionError, "Sorting is not supported"),
        ("dlt.read('names').join(files(), 'id', 'left')", DefinitionError, "LeftOuter join with"),
        ("files().withColumn('n', F.max('id').over(W))", NotEmulatedError, "keeps state (Window)"),
        ("files().select('nope')", DefinitionError, "UNRESOLVED_COLUMN"),
    ],
)
def test_state_above_files_is_refused(
    spark: SparkSession, tmp_path: Path, query: str, kind: type[DltStubError], said: str
) -> None:
    result = pipeline_of(spark, tmp_path, query).update(validate_only=True)
    assert isinstance(result.error, kind)
    assert said in str(result.error)
    assert "main.py:" in str(result.error)


def test_files_join_a_table_and_tell_their_names(spark: SparkSession, tmp_path: Path) -> None:
    query = """(files()
        .withColumn("file", F.element_at(F.split("_metadata.file_path", "/"), -1))
        .join(dlt.read("names"), "id", "left").select("id", "name", "number", "file"))"""
    pipeline = pipeline_of(spark, tmp_path, query)
    landing = tmp_path / "workspace/volumes/main/shop/landing"
    (landing / "a b.csv").write_text("name,id\nx,1\ny,2\n", encoding="utf-8")
    pipeline.update().raise_for_failure()
    rows = sorted(tuple(row) for row in pipeline.table("t").collect())
    assert rows == [(1, "x", "one", "a%20b.csv"), (2, "y", None, "a%20b.csv")]


def test_nothing_new_costs_nothing(spark: SparkSession, tmp_path: Path) -> None:
    pipeline = pipeline_of(spark, tmp_path, "files()")
    landing = tmp_path / "workspace/volumes/main/shop/landing"
    (landing / "a.csv").write_text("id,name\n1,x\n")
    pipeline.update(refresh=["t"]).raise_for_failure()
    table = tmp_path / "workspace/tables/main/shop/t/_delta_log"
    commits = sorted(table.glob("*.json"))
    tracker = spark.sparkContext.statusTracker()
    jobs = len(tracker.getJobIdsForGroup(None))
    pipeline.update(refresh=["t"]).raise_for_failure()
    assert sorted(table.glob("*.json")) == commits
    assert len(tracker.getJobIdsForGroup(None)) == jobs
    assert pipeline.table("t").count() == 1
