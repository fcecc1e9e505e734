"""The bundle on a small disk that fills up, and with an archive that cannot be written."""

from collections import Counter
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import RunResultState as Result
from pyspark.sql import SparkSession

from dlt_stub import DiskError
from dlt_stub.jobs import JobRun
from tests.pipelines.shop import Shop, query
from tests.reliability.faulty_disks import full, read_only, small_disk

SEED = 5
STAGE = "* EXCLUDE (source_file, source_file_modified_at, _rescued_data)"

pytestmark = pytest.mark.slow


def bags(shop: Shop) -> dict[str, object]:
    """Return what a shop has, without what differs from run to run."""
    return {
        "stage": shop.rows("orders_stage", STAGE),
        "quarantine": shop.rows("orders_quarantine", STAGE),
        "target": shop.rows("orders_target"),
        "counts": query(
            "SELECT rule, sum(passed), sum(failed) FROM t GROUP BY rule ORDER BY rule",
            t=shop.read("order_quality"),
        ),
        "archive": Counter((f.name, text) for f, text in shop.archive_listing().items()),
        "source": shop.source_listing(),
    }


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    shop = Shop(tmp_path_factory.mktemp("undisturbed"), spark)
    for day in (1, 2):
        shop.land_day(day, SEED)
        shop.run_green()
    return bags(shop)


def messages(run: JobRun) -> str:
    return "\n".join(task.state.message for task in run.tasks)


def test_disk_faults_lose_and_double_nothing(
    spark: SparkSession, tmp_path: Path, undisturbed: dict[str, object]
) -> None:
    with small_disk(tmp_path / "disk", "60m") as disk:
        shop = Shop(disk / "workspace", spark)
        shop.archived.mkdir(parents=True, exist_ok=True)

        shop.land_day(1, SEED)
        landed = shop.source_listing()
        with read_only(shop.archived):
            run = shop.run()
            assert [task.state.result for task in run.tasks] == [Result.SUCCESS, Result.FAILED]
            assert f"the archive {shop.archived} cannot be written" in messages(run)
            assert shop.source_listing() == landed
            assert shop.archive_listing() == {}
        shop.run_green()
        assert shop.source_listing() == []

        shop.land_day(2, SEED)
        landed = shop.source_listing()
        for left_bytes in (300_000, 60_000):
            with full(disk, left_bytes=left_bytes):
                try:
                    words = messages(shop.run())
                except DiskError as refused:  # not even the run's record could be written
                    words = str(refused)
                assert "disk is full" in words or "No space left on device" in words
                assert "dlt-stub doctor says how much there is" in words
                assert shop.source_listing() == landed
        shop.run_green()
        left = bags(shop)
        for name, expected in undisturbed.items():
            assert left[name] == expected, name
        assert left["archive"] == Counter((d.name, d.content) for d in shop.deliveries)
