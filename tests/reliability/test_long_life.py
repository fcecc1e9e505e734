"""What a workspace looks like after many updates, and after maintenance that was killed."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.clock import ManualClock
from dlt_stub.cloud_files import CloudFilesState, FileEntry
from dlt_stub.engine.delta_log import read_table_upkeep
from dlt_stub.events import EventLog, read_events, settle
from dlt_stub.failpoints import VARIABLE

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE = """
import dlt

@dlt.table
def bronze():
    files = spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
    return files.option("cloudFiles.schemaHints", "id INT").load(spark.conf.get("landing"))

@dlt.table
def quality():
    return spark.readStream.table("log").where("event_type = 'flow_progress'").select("id")
"""


def killed(what: str, folder: Path, failpoint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.reliability.maintaining", what, str(folder)],
        cwd=ROOT,
        env={**os.environ, VARIABLE: failpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(("failpoint", "left"), [("events.merged", 10), ("events.removed", 9)])
def test_killed_merging_loses_no_event(tmp_path: Path, failpoint: str, left: int) -> None:
    log = EventLog(tmp_path, clock=ManualClock(START), origin={}, listener=None)
    events = []
    for number in range(10):
        events.append(log.emit("user_action", str(number)))
        log.flush()
    killed("events", tmp_path, failpoint)
    assert len(list(tmp_path.glob("*-????????.json"))) == left
    assert list(read_events(tmp_path)) == events
    settle(tmp_path)  # what the next update begins with
    assert len(list(tmp_path.glob("[0-9]*.json"))) == 2
    assert list(read_events(tmp_path)) == events


@pytest.mark.parametrize(("failpoint", "left"), [("ledger.compacted", 7), ("ledger.removed", 6)])
def test_killed_compaction_loses_no_file(tmp_path: Path, failpoint: str, left: int) -> None:
    for number in range(6):
        state = CloudFilesState(tmp_path, ManualClock(START))
        state.assign([(("id",), [FileEntry(path=f"/{number}", size=1, modified_ms=number)])])
        state.commit(state.pending[0], {})
    before = CloudFilesState(tmp_path).files()
    killed("ledger", tmp_path, failpoint)
    assert len(list((tmp_path / "ledger").glob("*.jsonl"))) == left
    assert CloudFilesState(tmp_path).files() == before


@pytest.mark.slow
def test_many_updates_leave_a_flat_workspace(tmp_path: Path, spark: SparkSession) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "main.py").write_text(SOURCE)
    pipeline = Pipeline(
        source=[tmp_path / "main.py"],
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        configuration={"landing": str(tmp_path / "in")},
        event_log=("main", "shop", "log"),
        spark=spark,
    )
    threads: list[int] = []
    files: list[int] = []
    told: list[str] = []
    for number in range(28):
        (tmp_path / "in" / f"{number}.csv").write_text(f"id\n{number}\n")
        update = pipeline.update()
        update.raise_for_failure()
        told += [e.message for e in update.events if e.event_type == "maintenance_progress"]
        threads.append(threading.active_count())
        files.append(len(list(pipeline.place.event_log.glob("[0-9]*.json"))))
    assert told.count("OPTIMIZE of 'bronze': 25 files became 1.") == 1
    assert all(message.startswith("OPTIMIZE of ") for message in told)
    assert threads[-1] <= threads[1] + 2  # a stream's callback thread went with it
    assert max(files) <= 96 + files[0]
    assert files[-1] < max(files)
    for table in ("bronze", "quality"):
        upkeep = read_table_upkeep(spark, str(pipeline.place.table(table)))
        assert upkeep is not None
        assert upkeep.num_files <= 25
    assert {row.id for row in pipeline.table("bronze").collect()} == set(range(28))
    progress = {e.id for e in pipeline.event_records() if e.event_type == "flow_progress"}
    seen = [row.id for row in pipeline.table("quality").collect()]
    assert len(seen) == len(set(seen))
    assert set(seen) < progress
    (checkpoint,) = pipeline.paths.root.rglob("checkpoint/sources/0")
    latest = max(checkpoint.glob("*.compact"), key=lambda file: int(file.stem))
    assert len(latest.read_text().splitlines()) < 120  # some 220 segments were read
