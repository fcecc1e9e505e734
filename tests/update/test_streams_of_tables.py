from pathlib import Path

import pytest

from dlt_stub import FlowError, GraphError, NotEmulatedError, Pipeline
from dlt_stub.events import FlowStatus, UpdateState
from tests.update.conftest import PipelineOf
from tests.update.tables import flow_statuses, rows, versions

STREAM = """
@dlt.table
def copy():
    return spark.readStream.format("delta").load(spark.conf.get("shop.source"))
"""
SKIPPING = STREAM.replace("readStream", 'readStream.option("skipChangeCommits", "true")')


def source_of(pipeline: Pipeline) -> str:
    return pipeline.configuration["shop.source"]


def put(pipeline: Pipeline, *ids: int, mode: str = "append") -> None:
    frame = pipeline.spark.createDataFrame([(each,) for each in ids], "id int").coalesce(1)
    frame.write.format("delta").mode(mode).save(source_of(pipeline))


def test_changed_source_names_the_ways_out(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    configuration = {"shop.source": str(tmp_path / "source")}
    pipeline = pipeline_of(STREAM, configuration=configuration)
    put(pipeline, 1, 2)
    pipeline.update().raise_for_failure()
    put(pipeline, 3, mode="overwrite")
    result = pipeline.update()
    assert result.state is UpdateState.FAILED
    assert isinstance(result.error, FlowError)
    said = str(result.error)
    assert "flow 'copy' failed: [DELTA_SOURCE_TABLE_IGNORE_CHANGES] Detected a data update" in said
    assert "skipChangeCommits" in said
    assert "--full-refresh-selection copy" in said
    assert flow_statuses(result, "copy") == ["QUEUED", "STARTING", "RUNNING", "FAILED"]
    assert rows(pipeline, "copy") == [(1,), (2,)]

    skipping = pipeline_of(SKIPPING, configuration=configuration)
    skipping.update().raise_for_failure()
    put(pipeline, 4)
    skipping.update().raise_for_failure()
    assert rows(pipeline, "copy") == [(1,), (2,), (4,)]

    pipeline_of(STREAM, configuration=configuration).update(
        full_refresh_selection=["main.shop.copy"]
    ).raise_for_failure()
    assert rows(pipeline, "copy") == [(3,), (4,)]
    put(pipeline, 5)
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "copy") == [(3,), (4,), (5,)]


def test_many_micro_batches_are_told_one_by_one(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = STREAM.replace("readStream", 'readStream.option("maxFilesPerTrigger", "1")')
    source = source.replace("@dlt.table", '@dlt.table\n@dlt.expect("even", "id % 2 = 0")')
    pipeline = pipeline_of(source, configuration={"shop.source": str(tmp_path / "source")})
    put(pipeline, 1, 2)
    put(pipeline, 3)
    put(pipeline, 4, 6)
    result = pipeline.update()
    result.raise_for_failure()
    told = [
        event.body["metrics"]["num_output_rows"]
        for event in result.events
        if event.event_type == "flow_progress" and "metrics" in event.body
    ]
    assert told == [2, 1, 2]
    assert result.flows["copy"].metrics == {"num_output_rows": 5}
    (each,) = result.flows["copy"].expectations
    assert (each.passed_records, each.failed_records) == (3, 2)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('spark.readStream.option("startingVersion", "0").table("LIVE.noted")', "view 'noted'"),
        ('spark.readStream.option("readChangeFeed", "true").table("base")', "'readChangeFeed'"),
        ('spark.read.option("versionAsOf", "0").table("base")', "'versionAsOf' of a batch"),
        ('spark.readStream.option("startingVersion", "0").table("log")', "of the event log"),
    ],
)
def test_option_without_effect_is_refused(pipeline_of: PipelineOf, query: str, said: str) -> None:
    source = f"""
    @dlt.table
    def base():
        return spark.readStream.format("rate").load()

    @dlt.view
    def noted():
        return dlt.read_stream("base")

    @dlt.table
    def t():
        return {query}
    """
    result = pipeline_of(source, event_log=("main", "shop", "log")).update(validate_only=True)
    assert isinstance(result.error, NotEmulatedError)
    assert said in str(result.error)


def test_aggregation_of_a_stream_is_complete(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = (
        STREAM
        + """
@dlt.table
def totals():
    odd = (F.col("id") % 2).alias("odd")
    return dlt.read_stream("copy").groupBy(odd).agg(F.sum("id").alias("s"))

@dlt.table
def totals_of_totals():
    return dlt.read("totals").agg(F.sum("s").alias("all"))
"""
    )
    pipeline = pipeline_of(source, configuration={"shop.source": str(tmp_path / "source")})
    put(pipeline, 1, 2)
    pipeline.update().raise_for_failure()
    put(pipeline, 4)
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "totals") == [(0, 6), (1, 1)]
    assert rows(pipeline, "totals_of_totals") == [(7,)]
    before = versions(pipeline)
    pipeline.update().raise_for_failure()
    assert versions(pipeline)["totals"] == before["totals"]


def test_table_never_made_is_named(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = (
        STREAM
        + """
@dlt.table
def after():
    return dlt.read_stream("copy")
"""
    )
    pipeline = pipeline_of(source, configuration={"shop.source": str(tmp_path / "source")})
    put(pipeline, 1)
    result = pipeline.update(refresh=["after"])
    assert isinstance(result.error, GraphError)
    assert "reads 'copy', which no update has made yet" in str(result.error)
    assert "--refresh copy" in str(result.error)
    assert set(result.flows) == {"after"}
    assert flow_statuses(result, "copy") == [FlowStatus.EXCLUDED]


def test_two_flows_append_to_one_table(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = """
    dlt.create_streaming_table("both", schema="id INT, name STRING")

    for name in ("left", "right"):
        @dlt.append_flow(target="main.shop.both", name=f"from_{name}")
        def flow(name=name):
            source = spark.conf.get(f"shop.{name}")
            return spark.readStream.format("delta").load(source).withColumn("name", F.lit(name))
    """
    sources = {f"shop.{name}": str(tmp_path / name) for name in ("left", "right")}
    pipeline = pipeline_of(source, configuration=sources)
    for at, folder in enumerate(sources.values()):
        frame = pipeline.spark.createDataFrame([(at,)], "id int")
        frame.write.format("delta").save(folder)
    result = pipeline.update()
    result.raise_for_failure()
    assert set(result.flows) == {"from_left", "from_right"}
    assert rows(pipeline, "both") == [(0, "left"), (1, "right")]
    log = (tmp_path / "workspace/tables/main/shop/both/_delta_log").glob("*.json")
    ids = {
        line.split('"appId":"')[1].split('"')[0]
        for file in log
        for line in file.read_text().splitlines()
        if '"appId"' in line
    }
    assert {each.split("/", 1)[1] for each in ids} == {"both/from_left", "both/from_right"}
