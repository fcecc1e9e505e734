"""Maintenance after updates, on real tables and checkpoints: two pipelines, one of which lags."""

from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub.engine.delta_log import read_table_state, read_table_upkeep
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.maintenance import oldest_needed_version
from tests.maintenance.upkept import SHOP, land_and_update, maintained, pipeline_in

REPORTS = """
import dlt

@dlt.table
def report():
    return spark.readStream.table("main.shop.bronze")
"""


def segments(place: PipelinePlace) -> list[Path]:
    return sorted(place.event_log.glob("[0-9]*.json"))


def test_maintenance_keeps_rows_readers_and_events(tmp_path: Path, spark: SparkSession) -> None:
    properties = "{'delta.deletedFileRetentionDuration': 'interval 0 hours'}"
    shop = pipeline_in(tmp_path, spark, "shop", SHOP.replace("{PROPERTIES}", properties))
    reports = pipeline_in(tmp_path, spark, "reports", REPORTS)
    land_and_update(shop, tmp_path, 0, 2)
    reports.update().raise_for_failure()
    land_and_update(shop, tmp_path, 2, 3)

    bronze = str(shop.place.table("bronze"))
    before = read_table_upkeep(spark, bronze)
    assert before is not None
    assert before.num_files == 5
    transactions = read_table_state(spark, bronze, "").transactions  # type: ignore[union-attr]  # it is there
    read_by_reports = oldest_needed_version(shop.paths, before.table_id)
    assert read_by_reports is not None
    assert read_by_reports < before.version
    ledger = shop.place.flow("bronze", "bronze") / "source" / "ledger"
    assert len(list(ledger.iterdir())) == 5
    num_segments = len(segments(shop.place))

    told = [event.message for event in maintained(shop)]
    assert "OPTIMIZE of 'bronze': 5 files became 1." in told
    assert not [message for message in told if "failed" in message]
    after = read_table_upkeep(spark, bronze)
    assert after is not None
    assert after.num_files == 1
    assert read_table_state(spark, bronze, "").transactions == transactions  # type: ignore[union-attr]
    assert len(list(ledger.iterdir())) == 1
    assert len(segments(shop.place)) < num_segments / 2
    compacted = [path for path in segments(shop.place) if path.name.endswith(".merged.json")]
    assert len(compacted) == 1

    # VACUUM would keep nothing of bronze, but reports has still to read three versions.
    state = shop.paths.pipeline(shop.pipeline_id) / "maintenance.json"
    state.write_text(state.read_text().replace("2026-", "2025-"))
    told = [event.message for event in maintained(shop)]
    assert f"VACUUM of 'silver' kept what was removed in the last {7 * 24} hours." in told
    waits = "waits: a stream of this workspace has still to read from version"
    assert f"VACUUM of 'bronze' {waits} {read_by_reports} on." in told
    assert len(list(shop.place.table("bronze").glob("*.parquet"))) == 6

    silver_version = read_table_upkeep(spark, str(shop.place.table("silver"))).version  # type: ignore[union-attr]
    shop.update().raise_for_failure()  # what OPTIMIZE made is no news to silver: nothing is written
    upkeep = read_table_upkeep(spark, str(shop.place.table("silver")))
    assert upkeep is not None
    assert upkeep.version == silver_version
    land_and_update(shop, tmp_path, 5, 2)
    reports.update().raise_for_failure()
    assert {row.id for row in reports.table("report").collect()} == set(range(7))
    assert reports.table("report").count() == 7
    assert shop.table("silver").count() == shop.table("bronze").count() == 7

    state.write_text(state.read_text().replace("2026-", "2025-"))
    told = [event.message for event in maintained(shop)]
    assert "VACUUM of 'bronze' kept what was removed in the last 0 hours." in told
    assert len(list(shop.place.table("bronze").glob("*.parquet"))) < 6
    assert shop.table("bronze").count() == 7

    # The stream of the log has each event once, and so has one that begins now, at what is merged.
    progress = {e.id for e in shop.event_records() if e.event_type == "flow_progress"}
    seen = [row.id for row in shop.table("quality").collect()]
    assert len(seen) == len(set(seen))
    assert set(seen) < progress
    shop.update(full_refresh_selection=["quality"]).raise_for_failure()
    anew = [row.id for row in shop.table("quality").collect()]
    assert len(anew) == len(set(anew))
    assert set(anew) > set(seen)
    assert shop.events().count() == len(shop.event_records())


def test_switched_off_maintenance_does_nothing(tmp_path: Path, spark: SparkSession) -> None:
    properties = "{'pipelines.autoOptimize.managed': 'false'}"
    shop = pipeline_in(tmp_path, spark, "shop", SHOP.replace("{PROPERTIES}", properties))
    land_and_update(shop, tmp_path, 0, 5)
    told = [event.message for event in maintained(shop)]
    assert "OPTIMIZE of 'silver': 5 files became 1." in told
    assert not [message for message in told if "'bronze'" in message]
    (shop.paths.pipeline(shop.pipeline_id) / "maintenance.json").unlink()
    shop.configuration["dlt_stub.maintenance"] = "false"
    shop.update().raise_for_failure()
    assert not (shop.paths.pipeline(shop.pipeline_id) / "maintenance.json").exists()


def test_failing_maintenance_fails_no_update(tmp_path: Path, spark: SparkSession) -> None:
    shop = pipeline_in(tmp_path, spark, "shop", SHOP.replace("{PROPERTIES}", "{}"))
    land_and_update(shop, tmp_path, 0, 2)
    checkpoint = shop.place.flow("quality", "quality") / "checkpoint"
    for file in (checkpoint / "sources" / "0").glob("[0-9]*"):
        file.write_text("v9\n")
    told = maintained(shop)
    failed = [event for event in told if event.body["state"] == "FAILED"]
    assert len(failed) == 1
    assert "its first line is 'v9'" in failed[0].message
    assert failed[0].event_type == "maintenance_progress"
