from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.jobs import TaskContext, TaskOutcome
from tests.jobs.bench import Bench, Make

FAIL = TaskOutcome(result=Result.FAILED, message="again")
LATE = TaskOutcome(result=Result.TIMEDOUT)


def test_nothing_is_retried_by_default(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL]
    assert not bench.run(task("a")).state.has_succeeded
    assert bench.order == ["a"]


def test_a_task_is_retried_until_it_succeeds(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL, OSError("gone")]
    run = bench.run(task("a", max_retries=5))
    done = run.task("a")
    assert run.state.has_succeeded
    assert (done.attempt_number, done.error_trace) == (2, "")
    assert [a.state.message for a in done.earlier_attempts] == ["again", "OSError: gone"]
    assert len({done.run_id, *(a.run_id for a in done.earlier_attempts)}) == 3


def test_retries_end_at_their_number(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL] * 9
    run = bench.run(task("a", max_retries=2))
    assert len(bench.order) == 3
    assert run.state.result is Result.FAILED


def test_minus_one_retries_without_end(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL] * 40
    assert bench.run(task("a", max_retries=-1)).task("a").attempt_number == 40


def test_the_interval_counts_from_the_start(bench: Bench, task: Make) -> None:
    starts = []

    def slow(_: object, context: TaskContext) -> TaskOutcome:
        starts.append(bench.clock.now())
        bench.clock.wait(20)
        return FAIL if context.attempt_number == 0 else TaskOutcome()

    bench.steps["a"] = [slow, slow]
    bench.run(task("a", max_retries=1, min_retry_interval_millis=60_000))
    assert (starts[1] - starts[0]).total_seconds() == 60


def test_a_long_attempt_is_retried_at_once(bench: Bench, task: Make) -> None:
    def slow(_: object, context: TaskContext) -> TaskOutcome:
        bench.clock.wait(90)
        return FAIL if context.attempt_number == 0 else TaskOutcome()

    bench.steps["a"] = [slow, slow]
    run = bench.run(task("a", max_retries=1, min_retry_interval_millis=60_000))
    done = run.task("a")
    assert done.start_time_ms == done.earlier_attempts[0].end_time_ms


def test_a_waiting_retry_is_told(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [FAIL]
    bench.run(task("a", max_retries=1))
    told = [e.state.to_sdk_status().state for e in bench.events if e.task_key == "a"]
    words = [state.value for state in told if state]
    assert words == ["RUNNING", "WAITING", "RUNNING", "TERMINATED"]


def test_a_timeout_is_retried_only_when_asked(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [LATE]
    assert bench.run(task("a", max_retries=1)).task("a").state.result is Result.TIMEDOUT
    bench.steps["a"] = [LATE]
    assert bench.run(task("a", max_retries=1, retry_on_timeout=True)).state.has_succeeded


def test_a_canceled_task_is_not_retried(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [TaskOutcome(result=Result.CANCELED)]
    bench.run(task("a", max_retries=3))
    assert bench.order == ["a"]
