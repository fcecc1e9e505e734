import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.errors import StateError, UsageError
from dlt_stub.jobs import RunStore, TaskContext, TaskOutcome, job_id_of, runs
from tests.jobs.bench import Bench, Make

DIES = """
import os, signal, sys
from databricks.sdk.service import jobs
from dlt_stub.clock import SystemClock
from dlt_stub.jobs import TaskOutcome, run_job
from dlt_stub.paths import WorkspacePaths

def run_task(task, context):
    if task.task_key == "b":
        print(context.run_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return TaskOutcome()

tasks = [
    {"task_key": key, "spark_python_task": {"python_file": "x"}, "depends_on": after}
    for key, after in (("a", []), ("b", [{"task_key": "a"}]), ("c", [{"task_key": "b"}]))
]
run_job(
    jobs.JobSettings.from_dict({"tasks": tasks}), job_key="etl", run_task=run_task,
    paths=WorkspacePaths.at(sys.argv[1]), clock=SystemClock(),
)
"""


def test_a_run_is_read_back_as_it_was(bench: Bench, task: Make) -> None:
    def work(_: object, context: TaskContext) -> TaskOutcome:
        context.set_value("day", ["mon", {"n": 1}])
        bench.clock.wait(2)
        if context.attempt_number == 0:
            raise OSError("gone")
        return TaskOutcome(details={"update_id": "u-1"})

    bench.steps["a"] = [work, work]
    gate = {"op": "EQUAL_TO", "left": "1", "right": "2"}
    run = bench.run(
        task("a", max_retries=1),
        task("gate", "a", condition_task=gate),
        task("b", "gate=true", run_if="ALL_DONE"),
        parameters=[{"name": "p", "default": "ü"}],
    )
    (stored,) = runs(bench.paths, "etl")
    assert stored == run
    assert stored.task("a").details == {"update_id": "u-1"}
    assert stored.end_time_ms == stored.start_time_ms + 4000


def test_every_event_was_stored_before(bench: Bench, task: Make) -> None:
    store = RunStore.of(bench.paths, "etl")

    def look(_: object, context: TaskContext) -> TaskOutcome:
        assert store.load(context.run_id) == bench.events[-1].run
        return TaskOutcome()

    bench.steps["a"] = [look]
    assert bench.run(task("a")).state.has_succeeded


def test_runs_are_listed_newest_first(bench: Bench, task: Make) -> None:
    ids = []
    for _ in range(3):
        ids.append(bench.run(task("a")).run_id)
        bench.clock.wait(1)
    assert [run.run_id for run in runs(bench.paths, "etl")] == ids[::-1]
    assert runs(bench.paths, "another") == ()


def test_run_ids_fit_everywhere(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"))
    for number in (run.run_id, run.job_id, run.task("a").run_id):
        assert 2**52 <= number < 2**53
    assert job_id_of("etl") == run.job_id != job_id_of("other")


def test_a_run_leaves_no_lock_or_draft(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"))
    assert [path.name for path in (bench.paths.job("etl") / "runs").iterdir()] == [
        f"{run.run_id}.json"
    ]


def test_an_unknown_run_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="has no run 7"):
        RunStore.of(bench.paths, "etl").load(7)


@pytest.mark.parametrize("text", ['{"format": 1}', '{"format": 9}', "[]", '{"form', "\xff"])
def test_a_damaged_run_is_named(bench: Bench, text: str) -> None:
    path = bench.paths.job("etl") / "runs" / "7.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StateError, match=str(path)):
        runs(bench.paths, "etl")


def test_a_killed_run_shows_at_the_next_start(bench: Bench, task: Make, tmp_path: Path) -> None:
    root = bench.paths.root
    done = subprocess.run(
        [sys.executable, "-c", DIES, str(root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (found,) = runs(bench.paths, "etl")
    assert found.state.life_cycle is Life.RUNNING
    bench.run(task("a"))
    dead = RunStore.of(bench.paths, "etl").load(int(done.stdout))
    assert (dead.state.life_cycle, dead.state.result) == (Life.INTERNAL_ERROR, Result.FAILED)
    assert bench.results(dead) == {"a": "SUCCESS", "b": "FAILED", "c": "UPSTREAM_FAILED"}
    details = dead.state.to_sdk_status().as_dict()["termination_details"]
    assert (details["code"], details["type"]) == ("INTERNAL_ERROR", "INTERNAL_ERROR")
    assert not list((bench.paths.job("etl") / "runs").glob("*.lock"))


def test_old_runs_are_forgotten(bench: Bench, task: Make) -> None:
    old, kept = bench.run(task("a")).run_id, bench.run(task("a")).run_id
    folder = bench.paths.job("etl") / "runs"
    for run_id, days in ((old, 61), (kept, 59)):
        at = bench.clock.now().timestamp() - days * 86_400
        os.utime(folder / f"{run_id}.json", (at, at))
    new = bench.run(task("a")).run_id
    assert {run.run_id for run in runs(bench.paths, "etl")} == {kept, new}


def test_a_start_reads_no_ended_run(bench: Bench, task: Make) -> None:
    ended = bench.run(task("a")).run_id
    (bench.paths.job("etl") / "runs" / f"{ended}.json").write_text("damaged")
    assert bench.run(task("a")).state.has_succeeded


def test_a_living_run_is_not_settled(bench: Bench, task: Make) -> None:
    store = RunStore.of(bench.paths, "etl")

    def look(_: object, context: TaskContext) -> TaskOutcome:
        assert store.settle_abandoned(clock=bench.clock) == ()
        return TaskOutcome()

    bench.steps["a"] = [look]
    assert bench.run(task("a")).state.has_succeeded


def test_a_fault_of_ours_is_stored_too(bench: Bench, task: Make) -> None:
    def broken_display(_: object) -> None:
        raise BrokenPipeError("no reader")

    with pytest.raises(BrokenPipeError):
        bench.run(task("a"), on_event=broken_display)
    (run,) = runs(bench.paths, "etl")
    assert run.state.life_cycle is Life.INTERNAL_ERROR
    assert run.state.message == "BrokenPipeError: no reader"


def test_a_stored_run_is_plain_json(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"))
    text = (bench.paths.job("etl") / "runs" / f"{run.run_id}.json").read_text()
    found = json.loads(text)
    assert found["format"] == 1
    assert found["state"]["life_cycle"] == "TERMINATED"
    assert os.linesep in text
