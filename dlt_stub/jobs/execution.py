"""Takes the tasks of one run, in order, each to its end."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub import stopping
from dlt_stub.clock import Clock
from dlt_stub.errors import DltStubError, NotEmulatedError
from dlt_stub.jobs.conditions import decide_run_if, evaluate_condition, upstream_meaning
from dlt_stub.jobs.executor import TaskContext, TaskExecutor
from dlt_stub.jobs.order import JobPlan, dependency_keys, task_kind
from dlt_stub.jobs.parameters import with_job_parameters
from dlt_stub.jobs.recorder import Recorder, epoch_ms
from dlt_stub.jobs.records import Attempt, State, TaskOutcome, TaskRun
from dlt_stub.jobs.references import JobFacts, References, TaskFacts
from dlt_stub.jobs.task_values import TaskValues


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Takes the tasks of one run through to their ends."""

    plan: JobPlan
    facts: JobFacts
    run_task: TaskExecutor
    clock: Clock
    new_id: Callable[[], int]
    to: Recorder

    def run(self) -> None:
        """Bring every task of the run to its end.

        Raises:
            Stopped: that was wished before the last of them began.
        """
        values = TaskValues()
        for task in self.plan.tasks:
            stopping.check()
            skipped = Result.DISABLED if task.disabled else self._decide(task)
            run = self.to.run.task(task.task_key)
            if skipped is None:
                self._try(task, run, values)
            else:
                state = State(life_cycle=Life.TERMINATED, result=skipped, message=_WHY_NOT[skipped])
                self.to.change_task(replace(run, state=state))

    def _decide(self, task: jobs.Task) -> Result | None:
        upstream = []
        for dependency in task.depends_on or []:
            before = self.to.run.task(dependency.task_key)
            upstream.append(
                upstream_meaning(
                    before.state.result or Result.FAILED,
                    wanted=dependency.outcome,
                    outcome=before.outcome,
                )
            )
        return decide_run_if(task.run_if or jobs.RunIf.ALL_SUCCESS, upstream)

    def _try(self, task: jobs.Task, run: TaskRun, values: TaskValues) -> None:
        """Run a task until it succeeds or may not be tried again."""
        while True:
            started_at = self.clock.now()
            run = replace(
                run,
                state=State(life_cycle=Life.RUNNING),
                start_time_ms=epoch_ms(started_at),
                end_time_ms=None,
            )
            self.to.change_task(run)
            done = self._attempt(task, run, values)
            run = replace(
                run,
                end_time_ms=epoch_ms(self.clock.now()),
                error_trace=done.outcome.error_trace,
                details=dict(done.outcome.details),
                values=values.of(task.task_key),
                outcome=done.condition,
            )
            state = State(
                life_cycle=Life.TERMINATED,
                result=done.outcome.result,
                message=done.outcome.message,
            )
            if not _tries_again(task, run, done):
                self.to.change_task(replace(run, state=state))
                return
            waiting = replace(state, life_cycle=Life.WAITING_FOR_RETRY, result=None)
            self.to.change_task(replace(run, state=waiting))
            # The interval counts from the start of the failed attempt, not from its end.
            elapsed = (self.clock.now() - started_at).total_seconds()
            pause = (task.min_retry_interval_millis or 0) / 1000 - elapsed
            if pause > 0:
                self.clock.wait(pause)
            stopping.check()
            run = _next_attempt(run, state, self.new_id())

    def _attempt(self, task: jobs.Task, run: TaskRun, values: TaskValues) -> "_Done":
        """Run a task once: whatever a user's code raises is how the task ended."""
        try:
            filled = references_for(self.facts, self.to.run.tasks, run, task, values).fill_task(
                task
            )
        except DltStubError as error:
            return _Done(outcome=_failure(error), is_final=True)
        if filled.condition_task is not None:
            return _condition(filled.condition_task)
        filled = with_job_parameters(filled, self.facts.parameters)
        context = TaskContext(
            job_key=self.to.run.job_key,
            job_id=self.facts.job_id,
            job_name=self.facts.job_name,
            run_id=self.facts.run_id,
            task_key=task.task_key,
            task_run_id=run.run_id,
            attempt_number=run.attempt_number,
            parameters=self.facts.parameters,
            trigger=self.facts.trigger,
            values=values,
        )
        try:
            return _Done(outcome=self.run_task(filled, context))
        except NotEmulatedError as error:
            return _Done(outcome=_failure(error), is_final=True)
        except Exception as error:  # a user's code may raise anything; the run keeps the trace
            return _Done(outcome=_failure(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """How an attempt ended; ``is_final`` when another would end the same."""

    outcome: TaskOutcome
    condition: str | None = None
    is_final: bool = False


_WHY_NOT = {
    Result.DISABLED: "The task is disabled, or waits for one that is.",
    Result.EXCLUDED: "The run condition was not met.",
    Result.UPSTREAM_FAILED: "An upstream task failed.",
    Result.UPSTREAM_CANCELED: "An upstream task was canceled.",
}


def _condition(condition: jobs.ConditionTask) -> _Done:
    try:
        holds = evaluate_condition(condition)
    except DltStubError as error:
        return _Done(outcome=_failure(error), is_final=True)
    return _Done(outcome=TaskOutcome(), condition="true" if holds else "false", is_final=True)


def _failure(error: Exception) -> TaskOutcome:
    message = str(error) if isinstance(error, DltStubError) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return TaskOutcome(result=Result.FAILED, message=message, error_trace=trace)


def _tries_again(task: jobs.Task, run: TaskRun, done: _Done) -> bool:
    result = done.outcome.result
    may = result is Result.FAILED or (result is Result.TIMEDOUT and bool(task.retry_on_timeout))
    limit = task.max_retries or 0
    return may and not done.is_final and (limit == -1 or run.attempt_number < limit)


def _next_attempt(run: TaskRun, state: State, run_id: int) -> TaskRun:
    assert run.start_time_ms is not None
    assert run.end_time_ms is not None
    failed = Attempt(
        run_id=run.run_id,
        attempt_number=run.attempt_number,
        state=state,
        start_time_ms=run.start_time_ms,
        end_time_ms=run.end_time_ms,
    )
    return replace(
        run,
        run_id=run_id,
        attempt_number=run.attempt_number + 1,
        error_trace="",
        earlier_attempts=(*run.earlier_attempts, failed),
    )


def waiting(task: jobs.Task, run_id: int) -> TaskRun:
    """Return the run of a task that has not begun."""
    depends_on = dependency_keys(task)
    return TaskRun(
        task_key=task.task_key,
        kind=task_kind(task),
        run_id=run_id,
        state=State(life_cycle=Life.BLOCKED if depends_on else Life.PENDING),
        depends_on=depends_on,
        run_if=task.run_if or jobs.RunIf.ALL_SUCCESS,
    )


def references_for(
    facts: JobFacts,
    runs: tuple[TaskRun, ...],
    run: TaskRun | None,
    task: jobs.Task | None,
    values: TaskValues | None,
) -> References:
    """Return the references as one task sees them, or as job parameters do when it is None."""
    notebook = task.notebook_task.notebook_path if task and task.notebook_task else None
    own = _facts_of(run) if run else None
    return References(
        job=facts,
        task=replace(own, notebook_path=notebook) if own else None,
        tasks={other.task_key: _facts_of(other) for other in runs},
        values=values,
    )


def _facts_of(run: TaskRun) -> TaskFacts:
    return TaskFacts(
        task_key=run.task_key,
        run_id=run.run_id,
        execution_count=run.attempt_number + 1,
        result=run.state.result if run.state.is_over else None,
    )
