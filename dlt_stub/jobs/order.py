"""A job's tasks in the order they run, and what is wrong with a job before it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from databricks.sdk.service import jobs

from dlt_stub.errors import BundleError, NotEmulatedError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """The tasks of a job, each after all it depends on; ties keep the order of the file.

    Independent tasks run one after another here, at the same time on Databricks.
    """

    tasks: tuple[jobs.Task, ...]
    leaves: frozenset[str]


def plan_job(settings: jobs.JobSettings) -> JobPlan:
    """Return the order in which the tasks of a job run.

    Raises:
        BundleError: no tasks, a doubled key, an unknown dependency, a cycle, a bad ``outcome``,
            or a task that does nothing or two things.
        NotEmulatedError: a setting that would change the run and that we do not emulate.
    """
    name = settings.name or "job"
    tasks = settings.tasks or []
    if not tasks:
        raise BundleError(f"job {name!r} has no tasks")
    _refuse(settings, name)
    by_key: dict[str, jobs.Task] = {}
    for task in tasks:
        if task.task_key in by_key:
            raise BundleError(f"job {name!r}: two tasks have the key {task.task_key!r}")
        by_key[task.task_key] = task
    for task in tasks:
        task_kind(task)
        for dependency in task.depends_on or []:
            _check_dependency(task, dependency, by_key)
    upstream = {key for task in tasks for key in dependency_keys(task)}
    return JobPlan(
        tasks=tuple(by_key[key] for key in _sorted_keys(tasks, name)),
        leaves=frozenset(by_key) - upstream,
    )


def dependency_keys(task: jobs.Task) -> tuple[str, ...]:
    """Return the keys of the tasks that ``task`` waits for, each once, in the file's order."""
    return tuple(dict.fromkeys(dependency.task_key for dependency in task.depends_on or []))


def task_kind(task: jobs.Task) -> str:
    """Return the one field that says what a task does: ``pipeline_task``, ``condition_task``, ...

    Raises:
        BundleError: it has none or several.
    """
    kinds = [str(key) for key in task.as_dict() if key.endswith("_task")]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "nothing to do"
        raise BundleError(
            f"task {task.task_key!r} has {found}",
            hint="give it exactly one of pipeline_task, spark_python_task, notebook_task, ...",
        )
    return kinds[0]


def _refuse(settings: jobs.JobSettings, name: str) -> None:
    limits = [("job", settings.timeout_seconds)]
    limits += [(f"task {task.task_key!r}", task.timeout_seconds) for task in settings.tasks or []]
    for where, seconds in limits:
        if seconds:
            raise NotEmulatedError(
                f"job {name!r}: timeout_seconds of {where}: a task runs inside this process, which "
                "cannot end it half-way without harm",
                hint="leave timeout_seconds out of the target that runs locally",
            )
    for field in ("continuous", "git_source"):
        if getattr(settings, field) is not None:
            raise NotEmulatedError(f"job {name!r}: {field} is not emulated")


def _check_dependency(
    task: jobs.Task, dependency: jobs.TaskDependency, by_key: dict[str, jobs.Task]
) -> None:
    upstream = by_key.get(dependency.task_key)
    if upstream is None:
        near = nearest(dependency.task_key, by_key)
        raise BundleError(
            f"task {task.task_key!r} depends on {dependency.task_key!r}, which the job has not",
            hint=f"did you mean {near!r}?" if near else f"its tasks are {', '.join(by_key)}",
        )
    if dependency.outcome is None:
        return
    if upstream.condition_task is None:
        raise BundleError(
            f"task {task.task_key!r} waits for an outcome of {upstream.task_key!r}, which is no "
            "condition_task"
        )
    if dependency.outcome not in ("true", "false"):
        raise BundleError(
            f"task {task.task_key!r}: outcome {dependency.outcome!r} of {upstream.task_key!r} is "
            'neither "true" nor "false"'
        )


def _sorted_keys(tasks: Sequence[jobs.Task], name: str) -> list[str]:
    position = {task.task_key: number for number, task in enumerate(tasks)}
    sorter = TopologicalSorter({task.task_key: dependency_keys(task) for task in tasks})
    try:
        sorter.prepare()
    except CycleError as error:
        # graphlib names the cycle against the arrows: reversed, it reads "a waits for b".
        circle = " -> ".join(reversed(error.args[1]))
        raise BundleError(f"job {name!r}: its tasks wait for each other: {circle}") from error
    order: list[str] = []
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=position.__getitem__)
        following = ready.pop(0)
        order.append(following)
        sorter.done(following)
    return order
