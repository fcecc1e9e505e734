import pytest
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.jobs import TaskOutcome
from tests.jobs.bench import Bench, Make

FAIL = TaskOutcome(result=Result.FAILED, message="no luck")

# The documented table: run_if, the upstream results, what the task ends as.
CASES = [
    ("ALL_SUCCESS", "SS", "SUCCESS"),
    ("ALL_SUCCESS", "SF", "UPSTREAM_FAILED"),
    ("ALL_SUCCESS", "FF", "UPSTREAM_FAILED"),
    ("ALL_SUCCESS", "SE", "SUCCESS"),
    ("ALL_SUCCESS", "SD", "DISABLED"),
    ("AT_LEAST_ONE_SUCCESS", "SF", "SUCCESS"),
    ("AT_LEAST_ONE_SUCCESS", "FF", "UPSTREAM_FAILED"),
    ("AT_LEAST_ONE_SUCCESS", "SD", "SUCCESS"),
    ("AT_LEAST_ONE_SUCCESS", "FD", "UPSTREAM_FAILED"),
    ("AT_LEAST_ONE_SUCCESS", "DD", "DISABLED"),
    ("NONE_FAILED", "SS", "SUCCESS"),
    ("NONE_FAILED", "SE", "SUCCESS"),
    ("NONE_FAILED", "SF", "UPSTREAM_FAILED"),
    ("NONE_FAILED", "DE", "SUCCESS"),
    ("NONE_FAILED", "DD", "DISABLED"),
    ("ALL_DONE", "SF", "SUCCESS"),
    ("ALL_DONE", "FF", "SUCCESS"),
    ("ALL_DONE", "DD", "SUCCESS"),
    ("AT_LEAST_ONE_FAILED", "SF", "SUCCESS"),
    ("AT_LEAST_ONE_FAILED", "SS", "EXCLUDED"),
    ("AT_LEAST_ONE_FAILED", "FD", "SUCCESS"),
    ("AT_LEAST_ONE_FAILED", "SD", "EXCLUDED"),
    ("AT_LEAST_ONE_FAILED", "DD", "DISABLED"),
    ("ALL_FAILED", "FF", "SUCCESS"),
    ("ALL_FAILED", "SF", "EXCLUDED"),
    ("ALL_FAILED", "FE", "EXCLUDED"),
    ("ALL_FAILED", "FD", "DISABLED"),
    *((run_if, "EE", "EXCLUDED") for run_if in ("ALL_SUCCESS", "NONE_FAILED", "ALL_DONE")),
    *((run_if, "EE", "EXCLUDED") for run_if in ("AT_LEAST_ONE_FAILED", "ALL_FAILED")),
]


@pytest.mark.parametrize(("run_if", "upstream", "expected"), CASES)
def test_run_if_follows_the_documented_table(
    bench: Bench, task: Make, run_if: str, upstream: str, expected: str
) -> None:
    tasks = [task("gate", condition_task={"op": "EQUAL_TO", "left": "1", "right": "1"})]
    for number, letter in enumerate(upstream):
        key = f"up{number}"
        if letter == "E":
            tasks.append(task(key, "gate=false"))
        else:
            tasks.append(task(key, disabled=True) if letter == "D" else task(key))
        if letter == "F":
            bench.steps[key] = [FAIL]
    run = bench.run(*tasks, task("last", "up0", "up1", run_if=run_if))
    assert bench.results(run)["last"] == expected
    assert ("last" in bench.order) == (expected == "SUCCESS")


def test_upstream_failure_reaches_the_last_task(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL]
    run = bench.run(task("a"), task("b", "a"), task("c", "b"), task("d", "c", run_if="ALL_DONE"))
    assert bench.results(run) == {
        "a": "FAILED",
        "b": "UPSTREAM_FAILED",
        "c": "UPSTREAM_FAILED",
        "d": "SUCCESS",
    }


def test_upstream_failed_counts_as_a_failure(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL]
    run = bench.run(task("a"), task("b", "a"), task("mend", "b", run_if="ALL_FAILED"))
    assert bench.results(run)["mend"] == "SUCCESS"


def test_a_canceled_task_cancels_what_follows(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [TaskOutcome(result=Result.CANCELED)]
    run = bench.run(task("a"), task("b", "a"))
    assert bench.results(run) == {"a": "CANCELED", "b": "UPSTREAM_CANCELED"}
    assert run.state.result is Result.CANCELED
