import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub import DefinitionError, FlowError, GraphError, UsageError
from dlt_stub.clock import ManualClock
from dlt_stub.events import EVENT_COLUMNS, FlowStatus, UpdateState
from dlt_stub.update import UpdateCause
from tests.update.conftest import PipelineOf
from tests.update.tables import bodies, counts, flow_statuses, land, rows, versions

THREE = """
@dlt.table(comment="the first")
@dlt.expect_or_drop("small", "id < 3")
def first():
    return spark.range(5)

@dlt.table
def second():
    return dlt.read("first").withColumn("half", 10 / (F.col("id") - 1))

@dlt.table
def third():
    return dlt.read("second")

@dlt.table
def apart():
    return spark.range(2)
"""


def test_failure_skips_what_depends_on_it(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of(THREE)
    result = pipeline.update()
    assert result.state is UpdateState.FAILED
    assert {name: flow.status for name, flow in result.flows.items()} == {
        "first": FlowStatus.COMPLETED,
        "second": FlowStatus.FAILED,
        "third": FlowStatus.SKIPPED,
        "apart": FlowStatus.COMPLETED,
    }
    assert isinstance(result.error, FlowError)
    assert "main.py:11: flow 'second' failed: [DIVIDE_BY_ZERO] Division by zero" in str(
        result.error
    )
    with pytest.raises(FlowError, match="DIVIDE_BY_ZERO"):
        result.raise_for_failure()
    assert flow_statuses(result, "third") == ["QUEUED", "SKIPPED"]
    failed = next(e for e in result.events if e.event_type == "flow_progress" and e.error)
    assert failed.level == "ERROR"
    assert failed.error is not None
    assert failed.error["exceptions"][0]["class_name"] == "dlt_stub.errors.FlowError"
    assert len(failed.error["exceptions"]) > 1
    assert rows(pipeline, "second") == []
    assert rows(pipeline, "apart") == [(0,), (1,)]


def test_states_and_events_are_databricks(pipeline_of: PipelineOf) -> None:
    mended = THREE.replace("(F.col", "(5 + F.col")
    pipeline = pipeline_of(mended, event_log=("main", "shop", "shop_log"))
    result = pipeline.update(cause=UpdateCause.JOB_TASK)
    result.raise_for_failure()
    states = [body["state"] for body in bodies(result, "update_progress")]
    assert states == ["INITIALIZING", "SETTING_UP_TABLES", "RUNNING", "COMPLETED"]
    (created,) = bodies(result, "create_update")
    assert created["cause"] == "JOB_TASK"
    assert created["validate_only"] is False
    datasets = {body["schema"][0]["name"]: body for body in bodies(result, "dataset_definition")}
    assert datasets["id"]["dataset_type"] == "MATERIALIZED_VIEW"
    flows = {body["output_dataset"]: body for body in bodies(result, "flow_definition")}
    assert flows["third"]["input_datasets"] == [{"name": "second"}]
    assert flows["third"]["flow_type"] == "MATERIALIZED_VIEW"

    columns = ["id", "sequence", "origin", "timestamp", "message", "level", "maturity_level"]
    columns += ["error", "details", "event_type"]
    assert pipeline.events().columns == columns
    assert pipeline.events().count() == len(result.events)
    by_name = pipeline.table("shop_log").where("event_type = 'flow_progress'")
    details = [json.loads(row.details)["flow_progress"] for row in by_name.collect()]
    quality = next(each["data_quality"] for each in details if "data_quality" in each)
    assert quality == {
        "dropped_records": 2,
        "expectations": [
            {"name": "small", "dataset": "first", "passed_records": 3, "failed_records": 2}
        ],
    }
    assert [event.id for event in pipeline.event_records()] == [event.id for event in result.events]
    assert EVENT_COLUMNS.count("struct") >= 5


def test_event_log_readers_come_last(pipeline_of: PipelineOf) -> None:
    source = (
        THREE.replace("(F.col", "(5 + F.col")
        + """
@dlt.table
def seen():
    return (spark.readStream.option("skipChangeCommits", "true").table("main.shop.shop_log")
        .where("event_type = 'flow_progress' AND details LIKE '%num_output_rows%'")
        .select("origin.flow_name", "origin.update_id"))

@dlt.table
def summary():
    return dlt.read("seen").groupBy("flow_name").count()
"""
    )
    pipeline = pipeline_of(source, event_log=("main", "shop", "shop_log"))
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "summary") == [("apart", 1), ("first", 1), ("second", 1), ("third", 1)]
    pipeline.update().raise_for_failure()
    # the first update's own two readers spoke too late for themselves
    expected = [
        ("apart", 2),
        ("first", 2),
        ("second", 2),
        ("seen", 1),
        ("summary", 1),
        ("third", 2),
    ]
    assert rows(pipeline, "summary") == expected


def test_timestamps_rise_on_a_still_clock(pipeline_of: PipelineOf) -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    pipeline = pipeline_of("dlt.view(name='v')(lambda: spark.range(1))\n", clock=clock)
    for _ in range(2):
        pipeline.update().raise_for_failure()
    stamps = [event.timestamp for event in pipeline.event_records()]
    assert stamps == sorted(set(stamps))


def test_validating_creates_no_table(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "1.csv", "id", "1")
    source = """
    @dlt.table
    def bronze():
        return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
            .option("header", "true").load(spark.conf.get("shop.landing")))

    @dlt.table
    def silver():
        return dlt.read_stream("bronze")
    """
    pipeline = pipeline_of(source, configuration={"shop.landing": str(landing)})
    graph = pipeline.resolve()
    assert graph.datasets["silver"].schema.names == ["id", "_rescued_data"]
    assert not (tmp_path / "workspace").exists()
    result = pipeline.update(validate_only=True)
    assert result.state is UpdateState.COMPLETED
    assert result.flows == {}
    left = {
        path.relative_to(tmp_path / "workspace").parts[0]
        for path in (tmp_path / "workspace").rglob("*")
    }
    assert left == {"pipelines"}
    assert not list((tmp_path / "workspace").rglob("source"))
    assert [body["state"] for body in bodies(result, "update_progress")] == [
        "INITIALIZING",
        "COMPLETED",
    ]
    pipeline.update().raise_for_failure()
    before = versions(pipeline)
    assert pipeline.update(validate_only=True).succeeded
    assert versions(pipeline) == before


def test_new_column_restarts_the_update(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "1.csv", "id,seq", "1,1")
    source = """
    @dlt.table
    @dlt.expect("has_id", "id IS NOT NULL")
    def bronze():
        return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
            .option("header", "true").load(spark.conf.get("shop.landing")))

    @dlt.view
    @dlt.expect_or_drop("real", "id <> 'x'")
    def good():
        return dlt.read_stream("bronze").drop("_rescued_data")

    dlt.create_streaming_table("target")
    dlt.apply_changes(target="target", source="good", keys=["id"], sequence_by="seq")

    @dlt.table
    def apart():
        return spark.range(1)
    """
    pipeline = pipeline_of(source, configuration={"shop.landing": str(landing)})
    first = pipeline.update()
    first.raise_for_failure()
    assert first.flows["target"].metrics == {"num_upserted_rows": 1, "num_deleted_rows": 0}
    land(landing, "2.csv", "id,seq,note", "1,2,hello", "2,1,new", "x,1,bad")
    result = pipeline.update()
    assert result.cause is UpdateCause.SCHEMA_CHANGE
    result.raise_for_failure()
    assert rows(pipeline, "target") == [("1", "2", "hello"), ("2", "1", "new")]
    assert pipeline.table("bronze").columns == ["id", "seq", "_rescued_data", "note"]
    assert counts(result, "bronze") == {"has_id": (3, 0)}
    assert counts(result, "target") == {"real": (2, 1)}
    assert result.flows["target"].metrics == {"num_upserted_rows": 2, "num_deleted_rows": 0}
    assert result.flows["target"].dropped_records == 1
    states = [
        (event.origin["update_id"], event.body["state"])
        for event in pipeline.event_records()
        if event.event_type == "update_progress"
    ]
    ended = [state for _, state in states if state in ("COMPLETED", "CANCELED", "FAILED")]
    assert ended == ["COMPLETED", "CANCELED", "COMPLETED"]
    assert len({update for update, _ in states}) == 3
    stopped = [e for e in pipeline.event_records() if e.body.get("status") == "STOPPED"]
    assert "A new update using the new schema will be started automatically" in stopped[0].message
    before = versions(pipeline)
    pipeline.update().raise_for_failure()
    assert {k: v for k, v in versions(pipeline).items() if k != "apart"} == {
        k: v for k, v in before.items() if k != "apart"
    }


def test_selection_refreshes_nothing_else(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of(THREE.replace("(F.col", "(5 + F.col"))
    pipeline.update().raise_for_failure()
    before = versions(pipeline)
    result = pipeline.update(refresh=["LIVE.apart"])
    assert set(result.flows) == {"apart"}
    changed = {name for name, version in versions(pipeline).items() if version != before[name]}
    assert changed == {"apart"}
    assert flow_statuses(result, "first") == ["EXCLUDED"]
    wrong = pipeline.update(refresh=["apartt"])
    assert isinstance(wrong.error, UsageError)
    assert "did you mean 'apart'?" in str(wrong.error)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ('return spark.sql("SELECT * FROM bsae")', GraphError, "did you mean 'base'?"),
        ('return dlt.read("bsae")', GraphError, "did you mean 'base'?"),
        ('return dlt.read_stream("mv")', None, ""),
        ('return spark.range(1).select("nope")', DefinitionError, "UNRESOLVED_COLUMN"),
        ("return 1 / 0", DefinitionError, "raised ZeroDivisionError: division by zero"),
        ("return 'text'", GraphError, "returned str; allowed: a DataFrame"),
        ("raise SystemExit(3)", DefinitionError, "raised SystemExit: 3"),
        ('return dlt.read_stream("base").orderBy("id")', DefinitionError, "Sorting is not supp"),
    ],
)
def test_wrong_query_names_its_line(
    pipeline_of: PipelineOf, body: str, kind: type[Exception] | None, said: str
) -> None:
    source = f"""
    @dlt.table
    def base():
        return spark.readStream.format("rate").load().select(F.col("value").alias("id"))

    @dlt.table
    def mv():
        return spark.range(1)

    @dlt.table
    def wrong():
        {body}
    """
    result = pipeline_of(source).update(validate_only=True)
    if kind is None:
        result.raise_for_failure()
        return
    assert type(result.error) is kind
    assert said in str(result.error)
    is_about_all_of_it = "returned" in said or "Sorting" in said
    line = 12 if is_about_all_of_it else 14
    assert f"main.py:{line}: " in str(result.error)


def test_row_that_breaks_a_function_is_named(pipeline_of: PipelineOf) -> None:
    source = """
    @F.udf("int")
    def inverse(number):
        return 1 // number

    @dlt.table
    def t():
        return spark.range(2).select(inverse("id").alias("n"))
    """
    result = pipeline_of(source).update()
    assert isinstance(result.error, FlowError)
    assert "main.py:6: flow 't' failed: ZeroDivisionError" in str(result.error)
