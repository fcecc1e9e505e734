"""What our bundle does not use is killed too: histories, snapshots, one-time flows, resets."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from tests.pipelines.shop import query, read_delta, transactions
from tests.reliability.crash_chain import die
from tests.reliability.crash_small import landing, small_pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

HasCrashed = Callable[[Pipeline], bool]
TABLES = ("landed", "history", "backfilled", "shots")


def _drafts(pipeline: Pipeline) -> list[Path]:
    return list(pipeline.paths.root.rglob(".*.draft"))


def _flow(pipeline: Pipeline, table: str, flow: str = "") -> Path:
    return pipeline.place.flow(table, flow or table)


def _last_batch(folder: Path) -> int:
    return max((version for _, version in transactions(folder)), default=-1)


def _snapshots(pipeline: Pipeline) -> tuple[int, int]:
    """Return the number of the snapshot that is begun, and of the last one in the table."""
    (file,) = _flow(pipeline, "shots").glob("snapshots*/applied.json")
    begun = json.loads(file.read_bytes())["begun"]["number"]
    return begun, _last_batch(pipeline.place.table("shots"))


def is_done_once_and_untold(pipeline: Pipeline) -> bool:
    flow = _flow(pipeline, "backfilled", "backfill")
    return (flow / "once" / "done").exists() and (flow / "untold" / "0.json").exists()


def is_snapshot_begun_only(pipeline: Pipeline) -> bool:
    begun, applied = _snapshots(pipeline)
    return begun > applied


def is_snapshot_applied_and_open(pipeline: Pipeline) -> bool:
    begun, applied = _snapshots(pipeline)
    return begun == applied


def is_between_history_tables(pipeline: Pipeline) -> bool:
    place = pipeline.place
    return _last_batch(place.auxiliary("history")) > _last_batch(place.table("history"))


def is_moved_and_not_noted(pipeline: Pipeline) -> bool:
    return "archive" not in _kinds(pipeline) and len(_done(pipeline)) == 1


def is_marked_for_reset(pipeline: Pipeline) -> bool:
    place = pipeline.place
    return place.reset_marker("history").exists() and place.target("history").exists()


def is_half_reset(pipeline: Pipeline) -> bool:
    place = pipeline.place
    is_half = not place.target("history").exists() and place.table("history").exists()
    return is_half and place.reset_marker("history").exists()


def has_two_progresses(pipeline: Pipeline) -> bool:
    flow = _flow(pipeline, "history")
    return (flow / "generation").exists() and (flow / "checkpoint").exists()


def is_given_up(pipeline: Pipeline) -> bool:
    *_, released, assigned = (json.loads(line) for line in _ledger(pipeline))
    refused = [Path(path).name for path in released["reasons"]]
    return assigned["kind"] == "assign" and refused == [GONE]


def _kinds(pipeline: Pipeline) -> list[str]:
    return [json.loads(line)["kind"] for line in _ledger(pipeline)]


def _ledger(pipeline: Pipeline) -> list[str]:
    segments = sorted(_flow(pipeline, "landed").glob("source*/ledger/*.jsonl"))
    return [line for s in segments for line in s.read_text(encoding="utf-8").splitlines()]


def _done(pipeline: Pipeline) -> list[Path]:
    return list((landing(pipeline.paths.root).parent / "done").rglob("*.csv"))


STEPS: tuple[tuple[str, tuple[str, ...], HasCrashed], ...] = (
    ("atomic.drafted:3", (), lambda pipeline: len(_drafts(pipeline)) == 1),
    ("flows.once_done", (), is_done_once_and_untold),
    ("snapshots.begun", (), is_snapshot_begun_only),
    ("snapshots.after_commit", (), is_snapshot_applied_and_open),
    ("cloud_files.cleaned", (), is_moved_and_not_noted),
    ("cdc.between_tables", (), is_between_history_tables),
    ("flows.progress_reset", ("--reset", "history"), has_two_progresses),
    ("flows.reset_marked", ("--full-refresh", "history"), is_marked_for_reset),
    ("flows.reset_half", (), is_half_reset),
    ("cloud_files.assigned", (), lambda pipeline: _kinds(pipeline)[-1] == "assign"),
    ("cloud_files.released", (), is_given_up),
)
GONE = "gone.csv"


def land(pipeline: Pipeline, number: int) -> None:
    """Deliver a file: a new name for one id, and a row without a name."""
    rows = f"id,name,seq\n{number % 3},name {number},{number}\n9,,{number}\n"
    (landing(pipeline.paths.root) / f"{number}.csv").write_text(rows, encoding="utf-8")


def left_in(pipeline: Pipeline) -> dict[str, object]:
    """Return rows and counts, without what differs from run to run."""
    rows: dict[str, object] = {
        name: query("SELECT * FROM t ORDER BY ALL", t=read_delta(pipeline.place.table(name)))
        for name in TABLES
    }
    told: Counter[str] = Counter()
    for event in pipeline.event_records():
        body = event.body
        told[event.origin.get("flow_name", "")] += body.get("metrics", {}).get("num_output_rows", 0)
        for rule in body.get("data_quality", {}).get("expectations", ()):
            told[f"{rule['name']} passed"] += rule["passed_records"]
            told[f"{rule['name']} failed"] += rule["failed_records"]
    noted = [json.loads(line) for line in _ledger(pipeline)]
    archived = [Path(f["path"]).name for e in noted if e["kind"] == "archive" for f in e["files"]]
    return rows | {"told": told, "archived": sorted(archived), "done": len(_done(pipeline))}


def test_killed_while_progress_is_kept(spark: SparkSession, tmp_path: Path) -> None:
    killed = small_pipeline(tmp_path / "killed")
    other = small_pipeline(tmp_path / "undisturbed", spark)
    elsewhere = []
    for number, (point, arguments, has_crashed_there) in enumerate(STEPS):
        land(killed, number)
        land(other, number)
        if point == "cloud_files.assigned":  # what is gone before its batch is read
            (landing(killed.paths.root) / GONE).write_text("id,name,seq\n7,,7\n", encoding="utf-8")
        worker = ("tests.reliability.crash_small", str(killed.paths.root), point, *arguments)
        die(*worker)
        if not has_crashed_there(killed):
            elsewhere.append(point)
        (landing(killed.paths.root) / GONE).unlink(missing_ok=True)
    assert elsewhere == []
    small_pipeline(tmp_path / "killed", spark).update().raise_for_failure()
    other.update().raise_for_failure()
    left, expected = left_in(killed), left_in(other)
    for name, rows in expected.items():
        assert left[name] == rows, name
    assert left["done"] == len(STEPS)
    assert not list(killed.paths.root.glob("**/untold*/*.json"))
