"""A run that is killed and run again leaves what an undisturbed run leaves."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tests.pipelines.crash import BRONZE, CDC, LINKED, TAKEN
from tests.pipelines.shop import ROOT, Shop, query, transactions

SEED = 23
AUXILIARY = "__dlt_cdc_orders_target"
FILE_NAME = "split_part(source_file, '/', -1) AS file"
RESCUED = """regexp_replace(_rescued_data, '"_file_path":"[^"]*/', '"_file_path":"')"""
OF_STAGE = (
    "* EXCLUDE (source_file, source_file_modified_at)"
    f" REPLACE ({RESCUED} AS _rescued_data), {FILE_NAME}"
)
COMPARED = {
    "orders_stage": OF_STAGE,
    "orders_quarantine": OF_STAGE,
    "orders_target": "*",
    AUXILIARY: "* EXCLUDE (__dlt_at)",  # when it was applied
    "order_files": "file, rows, quarantined, newest_change_at",
}

pytestmark = pytest.mark.slow


class Left:
    """What a shop has after its runs, without what differs from run to run."""

    def __init__(self, shop: Shop) -> None:
        self.tables = {name: shop.rows(name, columns) for name, columns in COMPARED.items()}
        self.rule_counts = query(
            "SELECT rule, sum(passed), sum(failed) FROM t GROUP BY rule ORDER BY rule",
            t=shop.read("order_quality"),
        )
        self.ledger = ledger(shop)
        self.archive = Counter((f.name, text) for f, text in shop.archive_listing().items())
        self.source = shop.source_listing()


def ledger(shop: Shop) -> list[tuple[Any, ...]]:
    """Return file, size and whether it is committed, as ``cloud_files_state`` says."""
    rows = shop.workspace.sql(
        "SELECT path, size, commit_time IS NOT NULL FROM cloud_files_state(TABLE(orders_stage))"
    ).collect()
    return sorted((Path(path).name, *more) for path, *more in rows)


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Left:
    shop = Shop(tmp_path_factory.mktemp("undisturbed"), spark)
    for day in (1, 2):
        shop.land_day(day, SEED)
        shop.run_green()
    return Left(shop)


def kill_at(point: str, shop: Shop) -> None:
    """Run the job in a process of its own that is killed at ``point``."""
    # Its standard output ends when the JVM, which outlives Python for a moment, has ended too.
    ended = subprocess.run(
        [sys.executable, "-m", "tests.pipelines.crash", str(shop.workspace.storage), point],
        cwd=ROOT,
        env={**os.environ, "DLT_STUB_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stdout.decode()[-3000:]


def is_half_in_bronze(shop: Shop) -> bool:
    return shop.read("orders_stage").num_rows > 0 and not all(row[-1] for row in ledger(shop))


def is_between_the_tables(shop: Shop) -> bool:
    target, auxiliary = (shop.folder(t) for t in ("orders_target", AUXILIARY))
    return _last_batch(auxiliary) > _last_batch(target)


def is_half_archived(shop: Shop) -> bool:
    return any(file.stat().st_nlink == 2 for file in shop.archive_listing())


@pytest.mark.parametrize(
    ("point", "has_crashed_there"),
    [
        (BRONZE, is_half_in_bronze),
        (CDC, is_between_the_tables),
        (LINKED, is_half_archived),
        (TAKEN, is_half_archived),
    ],
)
def test_killed_run_is_made_good(
    point: str,
    has_crashed_there: Callable[[Shop], bool],
    undisturbed: Left,
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path, spark)
    shop.land_day(1, SEED)
    shop.run_green()
    shop.land_day(2, SEED)
    kill_at(point, shop)
    assert has_crashed_there(shop)
    shop.run_green()
    left = Left(shop)
    for name, rows in undisturbed.tables.items():
        assert left.tables[name] == rows, name
    assert left.rule_counts == undisturbed.rule_counts
    assert left.ledger == undisturbed.ledger
    assert left.archive == undisturbed.archive
    assert left.archive == Counter((d.name, d.content) for d in shop.deliveries)
    assert left.source == undisturbed.source == []


def _last_batch(folder: Path) -> int:
    """Return the highest batch number that a table's log has."""
    return max(version for _, version in transactions(folder))
