"""How a run ended, from how its tasks ended: its leaf tasks decide."""

from collections.abc import Collection, Sequence

from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.jobs.records import State, TaskRun

_GOOD = frozenset({Result.SUCCESS, Result.SUCCESS_WITH_FAILURES, Result.EXCLUDED, Result.DISABLED})
_CANCELED = frozenset({Result.CANCELED, Result.UPSTREAM_CANCELED})


def run_state(tasks: Sequence[TaskRun], leaves: Collection[str]) -> State:
    """Return how a run ended whose tasks are all over.

    SUCCESS when every task succeeded or was left out; SUCCESS_WITH_FAILURES when some failed but
    no leaf did; else CANCELED or FAILED.

    Source: the descriptions of ``RunResultState`` (databricks-sdk 0.156.0). That a run with a
    failed leaf shows ``INTERNAL_ERROR`` beside ``FAILED``, and its message, is what workspaces
    report (``databricks bundle run`` prints it), checked 2026-11-24. Assumed: a disabled task is no
    failure; a run with nothing but disabled tasks is DISABLED; a leaf that timed out makes FAILED.
    """
    results = {task.task_key: task.state.result for task in tasks}
    if all(result is Result.DISABLED for result in results.values()):
        return State(
            life_cycle=Life.TERMINATED,
            result=Result.DISABLED,
            message="Every task of the job is disabled.",
        )
    bad_leaves = [key for key in leaves if results[key] not in _GOOD]
    if not bad_leaves:
        if all(result in _GOOD for result in results.values()):
            return State(life_cycle=Life.TERMINATED, result=Result.SUCCESS)
        return State(
            life_cycle=Life.TERMINATED,
            result=Result.SUCCESS_WITH_FAILURES,
            message=_message(tasks),
        )
    if all(results[key] in _CANCELED for key in bad_leaves):
        return State(life_cycle=Life.TERMINATED, result=Result.CANCELED, message="Run cancelled.")
    return State(life_cycle=Life.INTERNAL_ERROR, result=Result.FAILED, message=_message(tasks))


def _message(tasks: Sequence[TaskRun]) -> str:
    sentences = [
        f"Task {task.task_key} failed with message: {task.state.message.rstrip('.')}."
        for task in tasks
        if task.state.result in (Result.FAILED, Result.TIMEDOUT)
    ]
    if any(task.state.result is Result.UPSTREAM_FAILED for task in tasks):
        sentences.append("This caused all downstream tasks to get skipped.")
    return " ".join(sentences)
