from pathlib import Path

import pytest

from dlt_stub import UsageError
from dlt_stub.events import UpdateState
from dlt_stub.update import UpdateCause
from tests.update.conftest import PipelineOf
from tests.update.tables import bodies, flow_statuses, land, rows, versions

SOURCE = """
@dlt.table
def bronze():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT").option("header", "true")
        .load(spark.conf.get("shop.landing")).drop("_rescued_data"))

dlt.create_streaming_table("silver")

@dlt.append_flow(target="silver", name="from_bronze")
def from_bronze():
    return spark.readStream.option("skipChangeCommits", "true").table("bronze")

@dlt.append_flow(target="silver", name="from_outside")
def from_outside():
    return spark.readStream.format("delta").load(spark.conf.get("shop.source"))

dlt.create_streaming_table("latest")
dlt.apply_changes(target="latest", source="bronze", keys=["id"], sequence_by="id")

@dlt.table
def total():
    return dlt.read("silver").agg(F.sum("id").alias("s"))
"""


def test_reset_checkpoint_reads_again_and_keeps_rows(
    pipeline_of: PipelineOf, tmp_path: Path
) -> None:
    landing, source = tmp_path / "landing", str(tmp_path / "source")
    settings = {"shop.landing": str(landing), "shop.source": source}
    land(landing, "1.csv", "id", "1", "2")
    pipeline = pipeline_of(SOURCE, configuration=settings)
    pipeline.spark.createDataFrame([(9,)], "id int").write.format("delta").save(source)
    pipeline.update().raise_for_failure()
    result = pipeline.update(reset_checkpoint_selection=["from_outside", "main.shop.latest"])
    result.raise_for_failure()
    assert rows(pipeline, "silver") == [(1,), (2,), (9,), (9,)]
    assert rows(pipeline, "latest") == [(1,), (2,)]
    assert result.flows["latest"].metrics["num_upserted_rows"] is not None
    assert rows(pipeline, "total") == [(21,)]  # what is not named is refreshed as ever
    states = [body["state"] for body in bodies(result, "update_progress")]
    assert states[1] == "RESETTING"
    (created,) = bodies(result, "create_update")
    assert created["reset_checkpoint_selection"] == ["from_outside", "main.shop.latest"]

    land(landing, "2.csv", "id", "3")
    again = pipeline.update(refresh=["bronze"], reset_checkpoint_selection=["bronze"])
    again.raise_for_failure()
    assert set(again.flows) == {"bronze"}
    assert rows(pipeline, "bronze") == [(1,), (1,), (2,), (2,), (3,)]
    before = versions(pipeline)
    pipeline.update(refresh=["bronze"]).raise_for_failure()
    assert versions(pipeline) == before
    pipeline.update(full_refresh=True).raise_for_failure()
    assert rows(pipeline, "silver") == [(1,), (2,), (3,), (9,)]
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "silver") == [(1,), (2,), (3,), (9,)]
    assert rows(pipeline, "latest") == [(1,), (2,), (3,)]


def test_selected_flow_runs_without_its_siblings(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing, source = tmp_path / "landing", str(tmp_path / "source")
    settings = {"shop.landing": str(landing), "shop.source": source}
    land(landing, "1.csv", "id", "1")
    pipeline = pipeline_of(SOURCE, configuration=settings)
    pipeline.spark.createDataFrame([(9,)], "id int").write.format("delta").save(source)
    result = pipeline.update(refresh_flow_selection=["shop.from_outside"], refresh=["bronze"])
    result.raise_for_failure()
    assert set(result.flows) == {"bronze", "from_outside"}
    assert flow_statuses(result, "from_bronze") == ["EXCLUDED"]
    assert rows(pipeline, "silver") == [(9,)]
    assert set(versions(pipeline)) == {"bronze", "silver"}


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("from_bronz", "did you mean 'from_bronze'?"),
        ("silver", "'silver' is a table; the flows into it: from_bronze, from_outside"),
        ("total", "flow 'total' is no streaming flow: it has no checkpoint"),
    ],
)
def test_flow_without_checkpoint_is_named(
    pipeline_of: PipelineOf, tmp_path: Path, flow: str, said: str
) -> None:
    landing, source = tmp_path / "landing", str(tmp_path / "source")
    land(landing, "1.csv", "id", "1")
    settings = {"shop.landing": str(landing), "shop.source": source}
    pipeline = pipeline_of(SOURCE, configuration=settings)
    pipeline.spark.createDataFrame([(9,)], "id int").write.format("delta").save(source)
    result = pipeline.update(reset_checkpoint_selection=[flow], full_refresh_selection=["total"])
    assert isinstance(result.error, UsageError)
    assert said in str(result.error)
    assert versions(pipeline) == {}


def test_new_column_does_not_undo_full_refresh(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "1.csv", "id", "1")
    source = SOURCE.partition("dlt.create_streaming_table")[0]
    pipeline = pipeline_of(source, configuration={"shop.landing": str(landing)})
    pipeline.update().raise_for_failure()
    land(landing, "2.csv", "id,note", "2,new")
    result = pipeline.update(full_refresh=True)
    result.raise_for_failure()
    assert rows(pipeline, "bronze") == [(1, None), (2, "new")]
    causes = [e.body["cause"] for e in pipeline.event_records() if e.event_type == "create_update"]
    assert causes[0] == UpdateCause.API_CALL
    assert len(causes) == 2  # the schema is inferred anew, so no file is a surprise
    land(landing, "3.csv", "id,other", "3,x")
    pipeline.update(full_refresh=True).raise_for_failure()
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "bronze") == [(1, None, None), (2, "new", None), (3, None, "x")]
    assert result.state is UpdateState.COMPLETED
