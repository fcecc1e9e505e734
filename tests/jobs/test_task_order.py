import pytest

from dlt_stub.errors import BundleError, NotEmulatedError
from tests.jobs.bench import Bench, Make


def test_a_task_runs_after_its_dependencies(bench: Bench, task: Make) -> None:
    bench.run(task("c", "b"), task("b", "a"), task("a"))
    assert bench.order == ["a", "b", "c"]


def test_independent_tasks_keep_file_order(bench: Bench, task: Make) -> None:
    bench.run(task("end", "z", "m"), task("z"), task("m", "z"), task("b"), task("a"))
    assert bench.order == ["z", "m", "end", "b", "a"]


def test_a_cycle_names_its_tasks(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError, match=r"wait for each other: (a -> b -> a|b -> a -> b)"):
        bench.run(task("a", "b"), task("b", "a"))


def test_an_unknown_dependency_offers_the_nearest(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError, match=r"'archive' depends on 'refesh'[\s\S]*'refresh'"):
        bench.run(task("refresh"), task("archive", "refesh"))


def test_two_tasks_of_one_key_are_refused(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError, match="two tasks have the key 'a'"):
        bench.run(task("a"), task("a"))


def test_a_job_without_tasks_is_refused(bench: Bench) -> None:
    with pytest.raises(BundleError, match="has no tasks"):
        bench.run()


def test_a_task_does_exactly_one_thing(bench: Bench, task: Make) -> None:
    both = task("a", spark_python_task={"python_file": "x"}, pipeline_task={"pipeline_id": "p"})
    with pytest.raises(BundleError, match="pipeline_task and spark_python_task"):
        bench.run(both)
    with pytest.raises(BundleError, match="nothing to do"):
        bench.run({"task_key": "a"})


def test_an_outcome_needs_a_condition_task(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError, match="'a', which is no condition_task"):
        bench.run(task("a"), task("b", "a=true"))


@pytest.mark.parametrize("where", ["job", "task"])
def test_a_timeout_is_refused_aloud(bench: Bench, task: Make, where: str) -> None:
    limit = {"timeout_seconds": 60}
    of_job, of_task = (limit, {}) if where == "job" else ({}, limit)
    with pytest.raises(NotEmulatedError, match=f"timeout_seconds of {where}"):
        bench.run(task("a", **of_task), extra=of_job)
    assert bench.seen == []


def test_no_timeout_of_zero_is_refused(bench: Bench, task: Make) -> None:
    assert bench.run(task("a", timeout_seconds=0)).state.has_succeeded


def test_a_refused_job_leaves_no_run(bench: Bench, task: Make) -> None:
    with pytest.raises(BundleError):
        bench.run(task("a", "nowhere"))
    assert not bench.paths.job("etl").exists()
