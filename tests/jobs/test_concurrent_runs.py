from typing import Any

import pytest
from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.clock import ManualClock
from dlt_stub.jobs import JobRun, RunStore, TaskContext, TaskOutcome
from dlt_stub.locks import exclusive
from tests.jobs.bench import START, Bench, Make

QUEUE = {"enabled": True}


class ReleasingClock(ManualClock):
    """A clock that lets go of a lock once somebody has waited long enough on it."""

    def __init__(self, after_seconds: float, release: Any) -> None:
        super().__init__(START)
        self.left = after_seconds
        self.release = release

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.left -= seconds
        if self.left <= 0:
            self.release()


def run_inside_another(bench: Bench, task: Make, **options: Any) -> JobRun:
    """Start a run of the job while another run of it is under way; return the inner one."""
    inner: list[JobRun] = []

    def start(_: jobs.Task, context: TaskContext) -> TaskOutcome:
        inner.append(bench.run(task("quick"), **options))
        return TaskOutcome()

    bench.steps["slow"] = [start]
    assert bench.run(task("slow"), **options).state.has_succeeded
    return inner[0]


def test_a_second_run_is_skipped(bench: Bench, task: Make) -> None:
    run = run_inside_another(bench, task)
    assert run.state.life_cycle is Life.SKIPPED
    assert run.state.result is Result.MAXIMUM_CONCURRENT_RUNS_REACHED
    assert "runs in process" in run.state.message
    assert bench.order == ["slow"]
    assert RunStore.of(bench.paths, "etl").load(run.run_id) == run


def test_the_skipped_run_has_its_code(bench: Bench, task: Make) -> None:
    status = run_inside_another(bench, task, max_concurrent_runs=1).to_sdk().as_dict()["status"]
    assert status["termination_details"]["code"] == "MAX_CONCURRENT_RUNS_EXCEEDED"


def test_two_runs_may_be_allowed(bench: Bench, task: Make) -> None:
    assert run_inside_another(bench, task, max_concurrent_runs=2).state.has_succeeded
    assert bench.order == ["slow", "quick"]


def test_none_allowed_skips_every_run(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"), max_concurrent_runs=0, queue=QUEUE)
    assert run.state.life_cycle is Life.SKIPPED
    assert run.state.message == "max_concurrent_runs is 0"


def test_another_job_is_not_in_the_way(bench: Bench, task: Make) -> None:
    def start(_: jobs.Task, context: TaskContext) -> TaskOutcome:
        assert bench.run(task("other"), job_key="other").state.has_succeeded
        return TaskOutcome()

    bench.steps["a"] = [start]
    assert bench.run(task("a")).state.has_succeeded


def test_a_queued_run_waits_its_turn(bench: Bench, task: Make) -> None:
    other = exclusive(RunStore.of(bench.paths, "etl").slot(0), what="another run")
    other.__enter__()
    clock = ReleasingClock(30, lambda: other.__exit__(None, None, None))
    asked = task("a", spark_python_task={"python_file": "{{job.start_time.timestamp_ms}}"})
    run = bench.run(asked, queue=QUEUE, clock=clock)
    queued = [e for e in bench.events if e.state.life_cycle is Life.QUEUED]
    assert len(queued) == 1
    status = queued[0].state.to_sdk_status().as_dict()
    assert status["queue_details"]["code"] == "MAX_CONCURRENT_RUNS_REACHED"
    assert run.state.has_succeeded
    assert run.queue_duration_ms == 30_000
    began_ms = bench.seen[0][0].as_dict()["spark_python_task"]["python_file"]
    assert int(began_ms) == run.start_time_ms + 30_000


def test_a_run_leaves_the_queue_after_two_days(
    bench: Bench, task: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlt_stub.jobs.runner.QUEUE_POLL_SECONDS", 3600)
    with exclusive(RunStore.of(bench.paths, "etl").slot(0), what="another run"):
        run = bench.run(task("a"), queue=QUEUE)
    assert run.state.life_cycle is Life.SKIPPED
    assert run.end_time_ms == run.start_time_ms + 48 * 3600 * 1000
