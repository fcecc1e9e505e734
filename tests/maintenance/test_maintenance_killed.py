"""Maintenance that is killed between what it does and what it notes: nothing is lost or redone."""

from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from dlt_stub.engine.delta_log import read_table_upkeep
from tests.maintenance.upkept import SHOP, land_and_update, maintained, pipeline_in
from tests.reliability.crash_chain import die


@pytest.mark.slow
def test_killed_maintenance_loses_no_row(tmp_path: Path, spark: SparkSession) -> None:
    properties = (
        "{'delta.deletedFileRetentionDuration': 'interval 0 hours',"
        " 'delta.checkpointInterval': '2'}"
    )
    shop = pipeline_in(tmp_path, spark, "shop", SHOP.replace("{PROPERTIES}", properties))
    land_and_update(shop, tmp_path, 0, 5)
    state = shop.paths.pipeline(shop.pipeline_id) / "maintenance.json"
    noted = state.read_text()
    bronze = shop.place.table("bronze")

    die("tests.maintenance.upkept", str(tmp_path), "maintenance.optimized")
    assert state.read_text() == noted
    upkeep = read_table_upkeep(spark, str(bronze))
    assert upkeep is not None
    assert upkeep.num_files == 1
    assert len(list(bronze.glob("*.parquet"))) == 6
    told = [event.message for event in maintained(shop)]
    assert "OPTIMIZE of 'silver': 5 files became 1." in told  # which the killed one had to come to
    assert not [message for message in told if "'bronze'" in message]

    land_and_update(shop, tmp_path, 5, 1)  # so that no stream has still to read what goes
    noted = state.read_text().replace("2026-", "2025-")
    state.write_text(noted)
    die("tests.maintenance.upkept", str(tmp_path), "maintenance.vacuumed")
    assert state.read_text() == noted
    assert len(list(bronze.glob("*.parquet"))) == 2
    told = [event.message for event in maintained(shop)]
    assert "VACUUM of 'silver' kept what was removed in the last 168 hours." in told
    land_and_update(shop, tmp_path, 6, 1)

    commits = len(list(shop.paths.root.glob("tables/**/_delta_log/*.json")))
    die("tests.maintenance.upkept", str(tmp_path), "maintenance.log_cut")
    assert len(list(shop.paths.root.glob("tables/**/_delta_log/*.json"))) == commits - 1
    assert not [event for event in maintained(shop) if event.body["state"] == "FAILED"]
    newest = max((bronze / "_delta_log").glob("[0-9]*.json"))
    assert int(newest.stem) > len(list((bronze / "_delta_log").glob("[0-9]*.json"))) > 4
    for folder in (bronze, shop.place.table("silver")):
        DeltaTable(str(folder))  # another reader of Delta has all it needs
    with pytest.raises(AnalysisException, match="DELTA_VERSION_NOT_FOUND"):
        spark.read.format("delta").option("versionAsOf", 0).load(str(bronze))
    land_and_update(shop, tmp_path, 7, 1)
    for table in ("bronze", "silver"):
        assert sorted(row.id for row in shop.table(table).collect()) == list(range(8))
