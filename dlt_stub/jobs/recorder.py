"""A run as it stands: every change is on disk before it is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.clock import Clock
from dlt_stub.jobs.records import JobRun, RunEvent, State, TaskRun
from dlt_stub.jobs.store import RunStore


def ignore(event: RunEvent) -> None:
    """Take no notice of an event: the display of a caller that has none."""


class Recorder:
    """The run as it stands; each change is stored, then told."""

    def __init__(
        self, *, run: JobRun, store: RunStore, on_event: Callable[[RunEvent], None]
    ) -> None:
        self.run = run
        self.store = store
        self._on_event = on_event

    def change_run(self, state: State) -> None:
        """Keep and tell where the run stands."""
        self.run = replace(self.run, state=state)
        self.store.save(self.run)
        self._on_event(RunEvent(run=self.run, state=state))

    def end_run(self, state: State, clock: Clock) -> None:
        """Keep and tell how the run ended, and when."""
        self.run = replace(self.run, end_time_ms=epoch_ms(clock.now()))
        self.change_run(state)

    def change_task(self, task: TaskRun) -> None:
        """Keep and tell where one task stands."""
        tasks = tuple(task if t.task_key == task.task_key else t for t in self.run.tasks)
        self.run = replace(self.run, tasks=tasks)
        self.store.save(self.run)
        self._on_event(RunEvent(run=self.run, state=task.state, task_key=task.task_key))

    @contextmanager
    def interrupts(self, clock: Clock) -> Iterator[None]:
        """Store how the run ended when the block is left by an exception, and pass it on."""
        try:
            yield
        except BaseException as error:
            by_user = isinstance(error, KeyboardInterrupt)
            result = Result.CANCELED if by_user else Result.FAILED
            message = "Run cancelled." if by_user else f"{type(error).__name__}: {error}"
            life = Life.TERMINATED if by_user else Life.INTERNAL_ERROR
            state = State(
                life_cycle=life, result=result, message=message, is_platform_fault=not by_user
            )
            now = epoch_ms(clock.now())
            tasks = tuple(_cut_off(task, state, now) for task in self.run.tasks)
            self.run = replace(self.run, tasks=tasks)
            self.end_run(state, clock)
            raise


def _cut_off(task: TaskRun, state: State, now_ms: int) -> TaskRun:
    if task.state.is_over:
        return task
    if task.start_time_ms is not None:
        return replace(task, state=state, end_time_ms=now_ms)
    was_canceled = state.result is Result.CANCELED
    result = Result.UPSTREAM_CANCELED if was_canceled else Result.UPSTREAM_FAILED
    if was_canceled and not task.depends_on:
        result = Result.CANCELED
    return replace(task, state=State(life_cycle=Life.TERMINATED, result=result))


def epoch_ms(at: datetime) -> int:
    """Return an instant in epoch milliseconds, the unit of the Jobs API."""
    return round(at.timestamp() * 1000)
