import pytest

from dlt_stub.jobs import TaskContext, TaskOutcome
from tests.jobs.bench import Bench, Make


def condition(op: str, left: str, right: str) -> dict[str, str]:
    return {"op": op, "left": left, "right": right}


@pytest.mark.parametrize(
    ("op", "left", "right", "outcome"),
    [
        ("EQUAL_TO", "12.0", "12", "false"),
        ("EQUAL_TO", "true", "true", "true"),
        ("NOT_EQUAL", "12.0", "12", "true"),
        ("GREATER_THAN_OR_EQUAL", "12.0", "12", "true"),
        ("GREATER_THAN_OR_EQUAL", "10.0", "12", "false"),
        ("GREATER_THAN", "9", "10", "false"),
        ("LESS_THAN", "9", "10", "true"),
        ("LESS_THAN_OR_EQUAL", "-1e3", "-1000", "true"),
    ],
)
def test_a_condition_compares_as_documented(
    bench: Bench, task: Make, op: str, left: str, right: str, outcome: str
) -> None:
    run = bench.run(task("gate", condition_task=condition(op, left, right)))
    assert run.task("gate").outcome == outcome
    assert run.state.has_succeeded


@pytest.mark.parametrize("text", ["", "many", "NaN"])
def test_a_number_that_is_none_fails_the_task(bench: Bench, task: Make, text: str) -> None:
    run = bench.run(task("gate", condition_task=condition("LESS_THAN", text, "1")))
    assert bench.results(run) == {"gate": "FAILED"}
    assert f"compares {text!r} as a number" in run.task("gate").state.message


def test_only_the_branch_taken_runs(bench: Bench, task: Make) -> None:
    run = bench.run(
        task("gate", condition_task=condition("EQUAL_TO", "a", "b")),
        task("yes", "gate=true"),
        task("no", "gate=false"),
        task("after_yes", "yes"),
    )
    assert bench.order == ["no"]
    assert bench.results(run) == {
        "gate": "SUCCESS",
        "yes": "EXCLUDED",
        "no": "SUCCESS",
        "after_yes": "EXCLUDED",
    }
    assert run.state.result is not None
    assert run.state.result.value == "SUCCESS"


def test_branches_join_again_on_none_failed(bench: Bench, task: Make) -> None:
    run = bench.run(
        task("gate", condition_task=condition("EQUAL_TO", "a", "a")),
        task("yes", "gate=true"),
        task("no", "gate=false"),
        task("join", "yes", "no", run_if="NONE_FAILED"),
    )
    assert bench.order == ["yes", "join"]
    assert run.state.has_succeeded


def test_a_condition_reads_task_values(bench: Bench, task: Make) -> None:
    def count(_: object, context: TaskContext) -> TaskOutcome:
        context.set_value("rows", 3)
        context.set_value("is_new", True)
        return TaskOutcome()

    bench.steps["load"] = [count]
    run = bench.run(
        task("load"),
        task(
            "many",
            "load",
            condition_task=condition("GREATER_THAN", "{{tasks.load.values.rows}}", "2"),
        ),
        task(
            "new",
            "load",
            condition_task=condition("EQUAL_TO", "{{tasks.load.values.is_new}}", "true"),
        ),
    )
    assert [run.task(key).outcome for key in ("many", "new")] == ["true", "true"]
