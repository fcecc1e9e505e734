import pytest
from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.errors import NotEmulatedError, SourceError
from dlt_stub.jobs import TaskOutcome
from tests.jobs.bench import Bench, Make

FAIL = TaskOutcome(result=Result.FAILED, message="disk full.")


def test_all_tasks_good_makes_success(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"), task("b", "a"))
    assert (run.state.life_cycle, run.state.result) == (Life.TERMINATED, Result.SUCCESS)
    assert run.state.has_succeeded


def test_good_leaves_make_success_with_failures(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL]
    run = bench.run(task("a"), task("mail", "a", run_if="ALL_DONE"))
    assert run.state.result is Result.SUCCESS_WITH_FAILURES
    assert run.state.has_succeeded


def test_a_failed_leaf_fails_the_run(bench: Bench, task: Make) -> None:
    bench.steps["b"] = [FAIL]
    run = bench.run(task("a"), task("b", "a"))
    assert (run.state.life_cycle, run.state.result) == (Life.INTERNAL_ERROR, Result.FAILED)
    assert run.state.message == "Task b failed with message: disk full."
    assert not run.state.has_succeeded


def test_a_skipped_leaf_fails_the_run(bench: Bench, task: Make) -> None:
    bench.steps["refresh"] = [FAIL]
    run = bench.run(task("refresh"), task("archive", "refresh"))
    assert run.state.result is Result.FAILED
    assert run.state.message == (
        "Task refresh failed with message: disk full. "
        "This caused all downstream tasks to get skipped."
    )


def test_one_failed_leaf_of_two_fails_the_run(bench: Bench, task: Make) -> None:
    bench.steps["b"] = [FAIL]
    run = bench.run(task("a"), task("b"))
    assert bench.order == ["a", "b"]
    assert run.state.result is Result.FAILED


def test_disabled_tasks_are_no_failure(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"), task("b", "a", disabled=True), task("c", "b"))
    assert bench.results(run) == {"a": "SUCCESS", "b": "DISABLED", "c": "DISABLED"}
    assert run.state.result is Result.SUCCESS
    assert bench.run(task("a", disabled=True)).state.result is Result.DISABLED


def test_our_errors_keep_their_sentence(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [SourceError("file x.csv is gone", hint="land it again")]
    state = bench.run(task("a")).task("a").state
    assert state.message == "[CLOUD_FILES] file x.csv is gone\n  Hint: land it again"


def test_a_users_exception_keeps_its_trace(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [ZeroDivisionError("by nought")]
    run = bench.run(task("a", max_retries=0))
    assert run.task("a").state.message == "ZeroDivisionError: by nought"
    assert "raise step" in run.task("a").error_trace


def test_a_task_not_emulated_is_not_retried(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [NotEmulatedError("dbt_task")]
    run = bench.run(task("a", dbt_task={"commands": ["dbt run"]}, max_retries=3))
    assert bench.order == ["a"]
    assert run.state.result is Result.FAILED


def test_an_interrupt_is_stored_and_passed_on(bench: Bench, task: Make) -> None:
    def interrupt(*_: object) -> TaskOutcome:
        raise KeyboardInterrupt

    bench.steps["b"] = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        bench.run(task("a"), task("b", "a"), task("c", "b"), task("d"))
    run = bench.events[-1].run
    assert run.state.result is Result.CANCELED
    assert bench.results(run) == {
        "a": "SUCCESS",
        "b": "CANCELED",
        "c": "UPSTREAM_CANCELED",
        "d": "CANCELED",
    }


def test_states_are_told_in_order(bench: Bench, task: Make) -> None:
    bench.run(task("a"))
    told = [(event.task_key, event.state.life_cycle.value) for event in bench.events]
    assert told == [
        (None, "PENDING"),
        (None, "RUNNING"),
        ("a", "RUNNING"),
        ("a", "TERMINATED"),
        (None, "TERMINATED"),
    ]


@pytest.mark.parametrize(
    ("result", "code", "kind"),
    [
        (Result.SUCCESS, "SUCCESS", "SUCCESS"),
        (Result.FAILED, "RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
        (Result.CANCELED, "USER_CANCELED", "CLIENT_ERROR"),
    ],
)
def test_the_newer_status_says_why(
    bench: Bench, task: Make, result: Result, code: str, kind: str
) -> None:
    bench.steps["a"] = [TaskOutcome(result=result, message="m")]
    status = bench.run(task("a")).to_sdk().as_dict()["status"]
    assert status["state"] == "TERMINATED"
    assert status["termination_details"]["code"] == code
    assert status["termination_details"]["type"] == kind


def test_the_sdk_shape_can_be_read_back(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"), task("b", "a"), name="orders")
    sdk = jobs.Run.from_dict(run.to_sdk().as_dict())
    assert sdk.run_name == "orders"
    assert sdk.run_id == run.run_id
    assert sdk.end_time == sdk.start_time == 1772445600000
    assert [task.task_key for task in sdk.tasks or []] == ["a", "b"]
    assert sdk.state == run.state.to_sdk()


def test_an_outcome_is_one_of_four() -> None:
    with pytest.raises(ValueError, match="not EXCLUDED"):
        TaskOutcome(result=Result.EXCLUDED)
