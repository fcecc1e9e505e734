import json
from pathlib import Path

import pytest

from dlt_stub import GraphError, Pipeline
from tests.update.conftest import PipelineOf
from tests.update.tables import rows, versions

FEED = """
@dlt.table
def bronze():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
        .option("cloudFiles.inferColumnTypes", "true").load(spark.conf.get("shop.landing"))
        .drop("_rescued_data"))

dlt.create_streaming_table("latest")
dlt.apply_changes(target="latest", source="bronze", keys=["id"], sequence_by="id")
dlt.create_streaming_table("history")
dlt.apply_changes(
    target="history", source="bronze", keys=["id"], sequence_by="id", stored_as_scd_type=2)
"""


def test_new_field_inside_a_column_is_added(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()

    def land(name: str, *records: object) -> None:
        text = "\n".join(json.dumps(record) for record in records)
        (landing / name).write_text(text, encoding="utf-8")

    land("1.json", {"id": 1, "at": {"x": 1}, "tags": [{"k": "a"}]})
    pipeline = pipeline_of(FEED, configuration={"shop.landing": str(landing)})
    pipeline.update().raise_for_failure()
    land("2.json", {"id": 2, "at": {"x": 2, "y": 3}, "tags": [{"k": "b", "v": 5}], "new": True})
    pipeline.update().raise_for_failure()
    expected = [((1, None), 1, [("a", None)], None), ((2, 3), 2, [("b", 5)], True)]
    for table in ("bronze", "latest", "history"):
        found = pipeline.table(table).select("at", "id", "tags", "new").orderBy("id").collect()
        assert [tuple(row) for row in found] == expected, table
    land("3.json", {"id": 1, "at": {"x": 9}})
    before = versions(pipeline)
    pipeline.update().raise_for_failure()
    assert versions(pipeline)["bronze"] == before["bronze"] + 1
    assert pipeline.table("latest").where("id = 1").count() == 1


QUERY = 'spark.readStream.format("delta").load(spark.conf.get("shop.source"))'
STORED = "stored as struct<a:int>, its query now gives"


@pytest.fixture
def pipeline(pipeline_of: PipelineOf, tmp_path: Path) -> Pipeline:
    source = str(tmp_path / "source")
    made = pipeline_of(text(), configuration={"shop.source": source})
    frame = made.spark.sql("SELECT 1 AS id, named_struct('a', 1) AS s")
    frame.coalesce(1).write.format("delta").save(source)
    made.update().raise_for_failure()
    frame.coalesce(1).write.format("delta").mode("append").save(source)
    return made


def text(then: str = "") -> str:
    return f"@dlt.table\ndef t():\n    return {QUERY}{then}\n"


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        ('.withColumn("more", F.lit("x"))', [(1, (1,), None), (1, (1,), "x")]),
        ('.drop("s")', [(1, (1,)), (1, None)]),
        ('.withColumnRenamed("id", "key")', [(1, (1,), None), (None, (1,), 1)]),
        ('.withColumn("s", F.struct(F.lit(2).alias("b"), "s.a"))', [(1, (1, None)), (1, (1, 2))]),
    ],
    ids=["added", "left out", "renamed", "nested"],
)
def test_columns_come_and_none_goes(
    pipeline: Pipeline, pipeline_of: PipelineOf, then: str, expected: list[tuple[object, ...]]
) -> None:
    changed = pipeline_of(text(then), configuration=pipeline.configuration)
    changed.update().raise_for_failure()
    found = [tuple(row) for row in changed.table("t").collect()]
    assert len(found) == 2
    assert all(row in found for row in expected), found


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (
            '.withColumn("id", F.col("id").cast("long"))',
            "stored as int, its query now gives bigint",
        ),
        (
            '.withColumn("s", F.struct(F.col("s.a").cast("long").alias("a")))',
            f"{STORED} struct<a:bigint>",
        ),
        ('.withColumn("s", F.array("s"))', f"{STORED} array<struct<a:int>>"),
    ],
)
def test_no_type_is_widened(
    pipeline: Pipeline, pipeline_of: PipelineOf, then: str, said: str
) -> None:
    changed = pipeline_of(text(then), configuration=pipeline.configuration)
    result = changed.update()
    assert isinstance(result.error, GraphError)
    assert said in str(result.error)
    assert "--full-refresh-selection t" in str(result.error)
    assert rows(changed, "t") == [(1, (1,))]
