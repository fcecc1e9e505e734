"""A batch that was cut short and is done again ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlt_stub.cdc import CdcMetrics
from dlt_stub.failpoints import VARIABLE
from tests.cdc.conftest import MakeOrders, Orders
from tests.cdc.model import SCHEMA

FIRST = [(1, "zzz", 1.0, 1, "UPSERT"), (2, "b", 1.0, 1, "UPSERT"), (3, "c", 1.0, 1, "UPSERT")]
SECOND = [(1, "a", 1.0, 2, "UPSERT"), (2, None, None, 2, "DELETE"), (4, "d", 1.0, 1, "UPSERT")]
LATE = [(2, "late", 1.0, 1, "UPSERT"), (1, "zzz", 1.0, 1, "UPSERT")]
AFTER = {(1, "a", 1.0), (3, "c", 1.0), (4, "d", 1.0)}
STORED: dict[str, Any] = {"except_column_list": ("op",)}
HIDDEN: dict[str, Any] = {"except_column_list": ("op", "seq")}


def test_applied_batch_is_skipped_when_redone(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **STORED)
    feed.apply(*FIRST)
    feed.apply(*SECOND)
    before = feed.commits()
    assert feed.apply(*SECOND, version=1) is None
    assert feed.commits() == before
    assert _visible(feed) == AFTER


@pytest.mark.parametrize("columns", [STORED, HIDDEN], ids=["sequence stored", "sequence hidden"])
def test_crash_between_tables_is_mended(
    orders: MakeOrders, tmp_path: Path, columns: dict[str, Any]
) -> None:
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **columns)
    feed.apply(*FIRST)
    shutil.copytree(feed.target, tmp_path / "target_before")
    feed.apply(*SECOND)
    # as a crash leaves it: the auxiliary table has the batch, the target has not
    feed.target = str(tmp_path / "target_before")
    assert feed.apply(*SECOND, version=1) == CdcMetrics(num_upserted_rows=2, num_deleted_rows=1)
    assert _visible(feed) == AFTER
    assert feed.apply(*LATE) == CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
    assert _visible(feed) == AFTER


def test_redo_with_other_rows_forgets_tombstones(orders: MakeOrders, tmp_path: Path) -> None:
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **STORED)
    feed.apply(*FIRST)
    shutil.copytree(feed.target, tmp_path / "target_before")
    feed.apply((2, None, None, 9, "DELETE"))
    feed.target = str(tmp_path / "target_before")
    feed.apply((3, "edited", 1.0, 2, "UPSERT"), version=1)
    assert feed.apply((2, "later", 1.0, 8, "UPSERT")) == CdcMetrics(
        num_upserted_rows=1, num_deleted_rows=0
    )
    assert _visible(feed) == {(1, "zzz", 1.0), (2, "later", 1.0), (3, "edited", 1.0)}


def test_crowded_auxiliary_table_is_compacted(
    orders: MakeOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlt_stub.cdc.auxiliary.MAX_FILES", 1)
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **HIDDEN)
    feed.apply(*FIRST)
    feed.apply(*SECOND)
    feed.apply((1, "aa", 1.0, 3, "UPSERT"))
    rows = feed.spark.read.format("delta").load(feed.auxiliary)
    assert rows.count() == 4
    assert feed.apply(*LATE) == CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
    assert feed.apply((1, "aaa", 1.0, 4, "UPSERT")) is not None
    assert _visible(feed) == {(1, "aaa", 1.0), (3, "c", 1.0), (4, "d", 1.0)}


@pytest.mark.parametrize("is_edited", [False, True], ids=["same rows", "other rows"])
def test_crash_between_history_tables_is_mended(
    orders: MakeOrders, tmp_path: Path, is_edited: bool
) -> None:
    feed = orders(SCHEMA, scd_type=2, apply_as_deletes="op = 'DELETE'", **HIDDEN)
    feed.apply(*FIRST)
    shutil.copytree(feed.target, tmp_path / "target_before")
    feed.apply(*(*SECOND, (3, "gone", 1.0, 9, "UPSERT")) if is_edited else SECOND)
    feed.target = str(tmp_path / "target_before")
    assert feed.apply(*SECOND, version=1) == CdcMetrics(num_upserted_rows=3, num_deleted_rows=1)
    after = {
        (1, "zzz", 1.0, 1, 2),
        (1, "a", 1.0, 2, None),
        (2, "b", 1.0, 1, 2),
        (3, "c", 1.0, 1, None),
        (4, "d", 1.0, 1, None),
    }
    assert feed.rows() == after
    assert feed.apply(*SECOND, version=1) is None
    assert feed.apply(*FIRST) == CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
    assert feed.rows() == after


def test_crowded_history_is_compacted(orders: MakeOrders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlt_stub.cdc.auxiliary.MAX_FILES", 1)
    feed = orders(SCHEMA, scd_type=2, apply_as_deletes="op = 'DELETE'", **HIDDEN)
    for seq in range(3):
        feed.apply((1, str(seq), 1.0, seq, "UPSERT"))
    files = feed.spark.read.format("delta").load(feed.auxiliary).inputFiles()
    assert len(files) == 1
    feed.apply((1, None, None, 1, "DELETE"))
    assert feed.rows() == {(1, "0", 1.0, 0, 1), (1, "2", 1.0, 2, None)}


@pytest.mark.slow
def test_killed_process_is_mended_by_redo(orders: MakeOrders, tmp_path: Path) -> None:
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **HIDDEN)
    feed.apply(*FIRST)
    before = feed.commits()
    script = Path(__file__).with_name("one_batch.py")
    code = [sys.executable, str(script), feed.target, feed.auxiliary]
    environment = {**os.environ, VARIABLE: "cdc.between_tables", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(code, env=environment, capture_output=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert feed.commits() == (before[0], before[1] + 1)
    assert feed.apply(*SECOND) == CdcMetrics(num_upserted_rows=2, num_deleted_rows=1)
    assert feed.apply(*LATE) == CdcMetrics(num_upserted_rows=0, num_deleted_rows=0)
    assert _visible(feed) == AFTER


def _visible(feed: Orders) -> set[tuple[Any, ...]]:
    return {row[:3] for row in feed.rows()}
