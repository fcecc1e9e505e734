import json
from typing import Any

import pytest
from databricks.sdk.service.jobs import TriggerType

from dlt_stub.errors import BundleError, NotEmulatedError, UsageError
from dlt_stub.jobs import TaskContext, TaskOutcome, TriggerInfo, job_id_of
from tests.jobs.bench import Bench, Make

DAY = [{"name": "day", "default": "today"}, {"name": "region", "default": "eu"}]


def python(*parameters: str) -> dict[str, Any]:
    return {"python_file": "x.py", "parameters": list(parameters)}


def filled(bench: Bench, key: str = "a") -> list[str]:
    (task,) = [task for task, _ in bench.seen if task.task_key == key]
    return list(task.as_dict()["spark_python_task"]["parameters"])


def test_defaults_hold_where_nothing_is_given(bench: Bench, task: Make) -> None:
    run = bench.run(task("a"), parameters=DAY, given={"day": "2026-03-02"})
    assert dict(run.parameters) == {"day": "2026-03-02", "region": "eu"}


def test_an_unknown_parameter_offers_the_nearest(bench: Bench, task: Make) -> None:
    with pytest.raises(UsageError, match=r"no parameter 'regoin'[\s\S]*did you mean 'region'"):
        bench.run(task("a"), parameters=DAY, given={"regoin": "us"})


def test_a_parameter_of_a_job_without_any(bench: Bench, task: Make) -> None:
    with pytest.raises(UsageError, match=r"job 'orders' has no parameter[\s\S]*none"):
        bench.run(task("a"), name="orders", given={"x": "1"})


def test_job_parameters_win_over_task_parameters(bench: Bench, task: Make) -> None:
    notebook = {"notebook_path": "/n", "base_parameters": {"day": "mine", "own": "1"}}
    bench.run(task("a", notebook_task=notebook), parameters=DAY)
    given = bench.seen[0][0].as_dict()["notebook_task"]["base_parameters"]
    assert given == {"day": "today", "own": "1", "region": "eu"}


def test_python_files_get_only_what_they_name(bench: Bench, task: Make) -> None:
    bench.run(task("a", spark_python_task=python("--d={{job.parameters.day}}")), parameters=DAY)
    assert filled(bench) == ["--d=today"]


def test_a_default_may_hold_references(bench: Bench, task: Make) -> None:
    dated = [{"name": "day", "default": "{{job.start_time.iso_date}}"}]
    run = bench.run(task("a", spark_python_task=python("{{job.parameters.day}}")), parameters=dated)
    assert filled(bench) == ["2026-03-02"]
    assert dict(run.parameters) == {"day": "2026-03-02"}


def test_references_of_the_job_are_filled(bench: Bench, task: Make) -> None:
    names = [
        "job.id",
        "job.name",
        "job.run_id",
        "job.repair_count",
        "workspace.id",
        "workspace.url",
    ]
    asked = python(*(f"{{{{{name}}}}}" for name in names))
    run = bench.run(
        task("a", spark_python_task=asked), name="orders", workspace_id="7", workspace_url="u"
    )
    assert filled(bench) == [str(job_id_of("etl")), "orders", str(run.run_id), "0", "7", "u"]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("iso_date", "2026-03-02"),
        ("iso_datetime", "2026-03-02T10:00:00.000"),
        ("iso_weekday", "1"),
        ("is_weekday", "true"),
        ("year", "2026"),
        ("month", "3"),
        ("day", "2"),
        ("hour", "10"),
        ("minute", "0"),
        ("second", "0"),
        ("timestamp_ms", "1772445600000"),
    ],
)
def test_the_start_time_has_many_parts(bench: Bench, task: Make, part: str, expected: str) -> None:
    bench.run(task("a", spark_python_task=python(f"{{{{job.start_time.{part}}}}}")))
    assert filled(bench) == [expected]


def test_the_trigger_can_be_named(bench: Bench, task: Make) -> None:
    asked = python("{{job.trigger.type}}", "{{job.trigger.file_arrival.location}}")
    bench.run(
        task("a", spark_python_task=asked),
        fired=TriggerInfo(type=TriggerType.FILE_ARRIVAL, file_arrival_location="/Volumes/a/b/c/"),
    )
    assert filled(bench) == ["file_arrival", "/Volumes/a/b/c/"]


def test_a_run_by_hand_knows_the_watched_location(bench: Bench, task: Make) -> None:
    asked = python("{{job.trigger.type}}", "{{job.trigger.file_arrival.location}}")
    bench.run(
        task("a", spark_python_task=asked), trigger={"file_arrival": {"url": "/Volumes/x/y/z/"}}
    )
    assert filled(bench) == ["onetime", "/Volumes/x/y/z/"]


def test_references_of_the_task_are_filled(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [TimeoutError("x")]
    asked = python("{{task.name}}", "{{task.execution_count}}", "{{task.run_id}}")
    run = bench.run(task("a", spark_python_task=asked, max_retries=1))
    first, second = (task.as_dict()["spark_python_task"]["parameters"] for task, _ in bench.seen)
    done = run.task("a")
    assert first == ["a", "1", str(done.earlier_attempts[0].run_id)]
    assert second == ["a", "2", str(done.run_id)]


def test_results_of_earlier_tasks_are_filled(bench: Bench, task: Make) -> None:
    bench.steps["a"] = [OSError("x")]
    asked = python("{{tasks.a.result_state}}", "{{tasks.a.error_code}}", "{{tasks.`a`.run_id}}")
    run = bench.run(task("a"), task("b", "a", run_if="ALL_DONE", spark_python_task=asked), name="j")
    assert filled(bench, "b") == ["failed", "RunExecutionError", str(run.task("a").run_id)]


def test_task_values_reach_later_tasks(bench: Bench, task: Make) -> None:
    def work(_: object, context: TaskContext) -> TaskOutcome:
        context.set_value("files", ["x", "y"])
        context.set_value("day", "monday")
        return TaskOutcome()

    bench.steps["a"] = [work]
    asked = python("{{tasks.a.values.files}}", "{{tasks.a.values.day}}")
    run = bench.run(task("a"), task("b", "a", spark_python_task=asked))
    assert json.loads(filled(bench, "b")[0]) == ["x", "y"]
    assert filled(bench, "b")[1] == "monday"
    assert dict(run.task("a").values) == {"files": ["x", "y"], "day": "monday"}


def test_a_missing_task_value_fails_the_task(bench: Bench, task: Make) -> None:
    asked = python("{{tasks.a.values.fies}}")
    run = bench.run(task("a"), task("b", "a", spark_python_task=asked))
    assert bench.results(run) == {"a": "SUCCESS", "b": "FAILED"}
    assert "has not set the task value 'fies'" in run.task("b").state.message


@pytest.mark.parametrize(
    "text", ["{{my.value}}", "{{job.id}", "{{input}}", "{{job.na-me}}", "{ {job.id} }", "{{}}"]
)
def test_what_is_no_reference_stays_text(bench: Bench, task: Make, text: str) -> None:
    bench.run(task("a", spark_python_task=python(text)))
    assert filled(bench) == [text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{job.naem}}", r"not a dynamic value reference[\s\S]*'name'"),
        ("{{job.start_time.iso_dat}}", r"no time 'iso_dat'[\s\S]*'iso_date'"),
        ("{{job.parameters.dya}}", r"no job parameter 'dya'[\s\S]*'day'"),
        ("{{tasks.b.result_state}}", "no task 'b'"),
        ("{{tasks.a.nothing}}", "not a dynamic value reference"),
        ("{{workspace.name}}", "not a dynamic value reference"),
        ("{{task.nmae}}", r"not a dynamic[\s\S]*'name'"),
    ],
)
def test_a_wrong_name_is_refused_before(bench: Bench, task: Make, text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bench.run(task("a", spark_python_task=python(text)), parameters=DAY)
    assert bench.seen == []


@pytest.mark.parametrize(
    "text", ["{{tasks.a.output.first_row.x}}", "{{job.trigger.table_update.updated_tables}}"]
)
def test_references_we_lack_are_refused(bench: Bench, task: Make, text: str) -> None:
    with pytest.raises(NotEmulatedError):
        bench.run(task("a", spark_python_task=python(text)))


def test_a_parameter_belongs_to_no_task(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError, match="belongs to no task"):
        bench.run(task("a"), parameters=[{"name": "p", "default": "{{task.name}}"}])


def test_pipeline_parameters_are_filled(bench: Bench, task: Make) -> None:
    pipeline = {"pipeline_id": "p", "full_refresh_selection": ["{{job.parameters.region}}"]}
    bench.run(task("a", pipeline_task=pipeline), parameters=DAY)
    assert bench.seen[0][0].as_dict()["pipeline_task"]["full_refresh_selection"] == ["eu"]


def test_an_inner_task_keeps_its_references(bench: Bench, task: Make) -> None:
    inner = {"task_key": "in", "spark_python_task": python("{{input}}", "{{task.name}}")}
    loop = {"inputs": '["{{job.parameters.region}}"]', "task": inner}
    bench.run(task("a", for_each_task=loop), parameters=DAY)
    given = bench.seen[0][0].as_dict()["for_each_task"]
    assert given["inputs"] == '["eu"]'
    assert given["task"]["spark_python_task"]["parameters"] == ["{{input}}", "{{task.name}}"]
