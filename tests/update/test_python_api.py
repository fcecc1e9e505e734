import pytest

from dlt_stub import DefinitionError, GraphError, UsageError
from dlt_stub.events import FlowStatus
from tests.update.conftest import Outside, PipelineOf
from tests.update.tables import bodies, rows

EVERYTHING = """
from pyspark import pipelines as dp

@dp.table(private=True)
def numbers():
    return spark.readStream.option("skipChangeCommits", "true").table("main.outside.numbers")

@dp.temporary_view()
def even():
    return spark.read.table("numbers").where("id % 2 = 0")

@dp.materialized_view(comment="a batch query", refresh_policy="auto", cluster_by_auto=True)
@dp.expect_or_drop("small", "id < 4")
def small_even():
    return dp.read("even")

dp.create_streaming_table("all_of_them", expect_all={"positive": "id > 0"})

@dp.append_flow(target="all_of_them")
def first():
    return dp.read_stream("numbers").withColumn("origin", F.lit("first"))

@dp.append_flow(target="all_of_them", name="second")
def _():
    return dlt.readStream("LIVE.numbers").select((F.col("id") * 10).alias("id"))

@dp.append_flow(target="all_of_them", once=True)
def backfill():
    return spark.range(100, 102).withColumn("origin", F.lit("backfill"))
"""
SETTINGS = """
@dlt.table(spark_conf={"spark.sql.session.timeZone": "Asia/Tokyo", "spark.made.up": 1})
def tokyo():
    return spark.sql("SELECT date_format(timestamp_seconds(0), 'HH') AS hour")

dlt.create_streaming_table("stream", spark_conf={"spark.sql.ansi.enabled": "true"})

@dlt.append_flow(target="stream", spark_conf={"spark.sql.ansi.enabled": False})
def lenient():
    return dlt.read_stream("words").selectExpr("CAST(word AS INT) IS NULL AS missing")

@dlt.table
def words():
    return spark.readStream.table("main.outside.words")

@dlt.table
def utc():
    return spark.sql("SELECT date_format(timestamp_seconds(0), 'HH') AS hour")
"""


def test_pyspark_pipelines_is_dlt(pipeline_of: PipelineOf, outside: Outside) -> None:
    outside("numbers", [(1,), (2,), (4,)], "id BIGINT")
    pipeline = pipeline_of(EVERYTHING)
    first = pipeline.update()
    first.raise_for_failure()
    arrived: list[tuple[int, str | None]]
    backfilled: list[tuple[int, str | None]]
    arrived = [(1, "first"), (2, "first"), (4, "first"), (10, None), (20, None), (40, None)]
    backfilled = [(100, "backfill"), (101, "backfill")]
    assert sorted(rows(pipeline, "all_of_them"), key=str) == sorted(
        [*arrived, *backfilled], key=str
    )
    assert rows(pipeline, "small_even") == [(2,)]
    assert first.flows["backfill"].metrics == {"num_output_rows": 2}
    assert first.flows["small_even"].dropped_records == 1
    once = {body["output_dataset"]: body["once"] for body in bodies(first, "flow_definition")}
    assert once["all_of_them"] is True  # the last flow into it

    outside("numbers", [(6,)], "id BIGINT")
    second = pipeline.update()
    second.raise_for_failure()
    assert second.flows["backfill"].status is FlowStatus.COMPLETED
    assert second.flows["backfill"].metrics == {}
    later = sorted([*arrived, (6, "first"), (60, None)], key=str)
    assert sorted(rows(pipeline, "all_of_them"), key=str) == sorted([*later, *backfilled], key=str)

    pipeline.update(full_refresh_selection=["all_of_them"]).raise_for_failure()
    assert sorted(rows(pipeline, "all_of_them"), key=str) == sorted([*later, *backfilled], key=str)

    # Private: its own pipeline reads it, and a test; no other pipeline finds it.
    assert rows(pipeline, "numbers") == [(1,), (2,), (4,), (6,)]
    other = pipeline_of("@dlt.table\ndef copy():\n    return dlt.read('numbers')", name="other")
    with pytest.raises(GraphError, match="nor a table of the local workspace"):
        other.update().raise_for_failure()
    with pytest.raises(UsageError, match="no table 'numbers'"):
        other.table("numbers")


def test_spark_conf_holds_for_one_flow(pipeline_of: PipelineOf, outside: Outside) -> None:
    outside("words", [("1",), ("one",)], "word STRING")
    pipeline = pipeline_of(SETTINGS)
    result = pipeline.update()
    result.raise_for_failure()
    assert rows(pipeline, "tokyo") == [("09",)]
    assert rows(pipeline, "utc") == [("00",)]
    assert rows(pipeline, "stream") == [(False,), (True,)]
    notes = [event.message for event in result.events if event.event_type == "dlt_stub_note"]
    assert notes == [
        "spark_conf 'spark.made.up' of flow 'tokyo' changes nothing here: Spark has none"
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "@dlt.materialized_view\ndef mv():\n    return spark.readStream.format('rate').load()",
            "materialized view 'mv' has a streaming query; allowed: a batch query",
        ),
        (
            """dlt.create_streaming_table('t')
@dlt.append_flow(target='t', once=True)
def f():
    return spark.readStream.format('rate').load()""",
            "flow 'f' runs once, and its query is a streaming query",
        ),
        (
            """@dlt.table(spark_conf={'spark.executor.memory': '1g'})
def t():
    return spark.range(1)""",
            "spark_conf 'spark.executor.memory' of flow 't' cannot be set for one flow",
        ),
    ],
)
def test_wrong_kind_of_query_is_refused(pipeline_of: PipelineOf, source: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        pipeline_of(source).update(validate_only=True).raise_for_failure()
