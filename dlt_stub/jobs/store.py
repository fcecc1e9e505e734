"""The runs of a job on disk: one JSON file a run, whole at every moment.

``<job folder>/``
    ``runs/<run id>.json``   the run as it last stood, for 60 days after its end
    ``runs/<run id>.lock``   held while the run's process lives
    ``queue/<ms>-<id>.lock`` held by a run that waits; the names are in the order of the queue
    ``slots/<n>.lock``       held by each of the ``max_concurrent_runs`` that may run at once
    ``slots/<n>.java``       held by that run's Java, which may outlive a killed process a moment
    ``trigger.json``         what the file-arrival trigger has seen (see ``trigger``)
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from databricks.sdk.service.jobs import RunIf, TriggerType
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.atomic import read_json, write_json
from dlt_stub.clock import Clock
from dlt_stub.errors import StateError, UsageError
from dlt_stub.failpoints import reach
from dlt_stub.jobs.records import Attempt, JobRun, State, TaskRun, TriggerInfo
from dlt_stub.locks import exclusive, is_held
from dlt_stub.paths import WorkspacePaths
from dlt_stub.redaction import redact_values

FORMAT = 1
RUNS_KEPT = timedelta(days=60)
_DIED = "The process of this run ended before the run did."


@dataclass(frozen=True, slots=True)
class RunStore:
    """The runs of one job, in the job's folder of the local workspace."""

    folder: Path

    @classmethod
    def of(cls, paths: WorkspacePaths, job_key: str) -> "RunStore":
        """Return the store of a job, which need not have run yet."""
        return cls(paths.job(job_key))

    def slot(self, number: int) -> Path:
        """Return the lock file of one of the runs that may run at once."""
        return self.folder / "slots" / f"{number}.lock"

    def save(self, run: JobRun) -> None:
        """Put ``run``, its secrets hidden, in place of what was stored of it."""
        write_json(self._file(run.run_id), {"format": FORMAT} | redact_values(_plain(run)))
        reach("jobs.run_saved")

    def load(self, run_id: int) -> JobRun:
        """Return one run.

        Raises:
            UsageError: the job has no such run.
            StateError: its file cannot be trusted.
        """
        path = self._file(run_id)
        if not path.exists():
            raise UsageError(f"job {self.folder.name!r} has no run {run_id}")
        return _load(path)

    def runs(self) -> tuple[JobRun, ...]:
        """Return every run of the job, the newest first.

        Raises:
            StateError: a run's file cannot be trusted.
        """
        found = [_load(path) for path in (self.folder / "runs").glob("[0-9]*.json")]
        return tuple(sorted(found, key=lambda run: (run.start_time_ms, run.run_id), reverse=True))

    @contextmanager
    def alive(self, run_id: int, *, clock: Clock) -> Iterator[None]:
        """Let other processes see that this run's process lives while the block runs."""
        lock = self.folder / "runs" / f"{run_id}.lock"
        with exclusive(lock, what=f"run {run_id} of job {self.folder.name}", clock=clock):
            try:
                yield
            finally:  # safe to remove: the id is this run's alone, nobody waits for the lock
                if self._is_settled(run_id):
                    lock.unlink(missing_ok=True)

    @contextmanager
    def in_line(self, run: JobRun, *, clock: Clock) -> Iterator[Callable[[], bool]]:
        """Stand in the job's queue while the block runs; what it is given says whether one is next.

        Those that asked before come before, as long as their process lives.
        """
        ticket = self.folder / "queue" / f"{run.start_time_ms:015d}-{run.run_id}.lock"
        draft = ticket.with_suffix(".draft")
        with exclusive(draft, what=f"queued run {run.run_id}", clock=clock):
            draft.rename(ticket)  # held from the moment others can see it

            def is_next() -> bool:
                earlier = (each for each in ticket.parent.glob("*.lock") if each.name < ticket.name)
                return not any(is_held(each) for each in earlier)

            try:
                yield is_next
            finally:
                ticket.unlink(missing_ok=True)

    def settle_abandoned(self, *, clock: Clock) -> tuple[JobRun, ...]:
        """Mark the runs whose process died as INTERNAL_ERROR, and return them.

        Such a run has left its lock file: no other run's record is read.
        """
        settled = []
        for lock in sorted((self.folder / "runs").glob("[0-9]*.lock")):
            run_id = int(lock.stem)
            if is_held(lock) or not self._file(run_id).exists():
                continue
            run = self.load(run_id)
            if not run.state.is_over:
                dead = _dead(run, int(clock.now().timestamp() * 1000))
                self.save(dead)
                settled.append(dead)
            for left in (lock, *(self.folder / "queue").glob(f"*-{run_id}.*")):
                left.unlink(missing_ok=True)
        return tuple(settled)

    def expire(self, *, clock: Clock) -> int:
        """Remove the records of runs that ended more than 60 days ago; return how many.

        A record is written last when its run ends, so its file's time says when that was. The days
        are those of Databricks' run history, as remembered (assumed, 2026-11-24).
        """
        before = (clock.now() - RUNS_KEPT).timestamp()
        old = [
            path
            for path in (self.folder / "runs").glob("[0-9]*.json")
            if path.stat().st_mtime < before and not path.with_suffix(".lock").exists()
        ]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _is_settled(self, run_id: int) -> bool:
        path = self._file(run_id)
        return not path.exists() or _load(path).state.is_over

    def _file(self, run_id: int) -> Path:
        return self.folder / "runs" / f"{run_id}.json"


def runs(paths: WorkspacePaths, job_key: str) -> tuple[JobRun, ...]:
    """Return every run of a job in this workspace, the newest first.

    Raises:
        StateError: a run's file cannot be trusted.
    """
    return RunStore.of(paths, job_key).runs()


def _dead(run: JobRun, now_ms: int) -> JobRun:
    state = State(
        life_cycle=Life.INTERNAL_ERROR, result=Result.FAILED, message=_DIED, is_platform_fault=True
    )
    tasks = []
    for task in run.tasks:
        if task.state.is_over:
            tasks.append(task)
        elif task.start_time_ms is None:
            unreached = State(life_cycle=Life.TERMINATED, result=Result.UPSTREAM_FAILED)
            tasks.append(replace(task, state=unreached))
        else:
            tasks.append(replace(task, state=state, end_time_ms=now_ms))
    return replace(run, state=state, end_time_ms=now_ms, tasks=tuple(tasks))


def _plain(value: Any) -> Any:
    """Return records, enums and mappings as what JSON can hold."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _load(path: Path) -> JobRun:
    found = read_json(path)
    if found.pop("format", None) != FORMAT:
        raise StateError(
            f"{path} is not a job run of format {FORMAT}",
            hint="it was written by another version; move it away to go on without it",
        )
    try:
        trigger = found["trigger"]
        return JobRun(
            **found
            | {
                "state": _state(found["state"]),
                "trigger": TriggerInfo(**trigger | {"type": TriggerType(trigger["type"])}),
                "tasks": tuple(_task(task) for task in found["tasks"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"{path} is not a job run: {error!r}",
            hint="it was changed from outside; move it away to go on without it",
        ) from error


def _task(found: dict[str, Any]) -> TaskRun:
    return TaskRun(
        **found
        | {
            "state": _state(found["state"]),
            "run_if": RunIf(found["run_if"]),
            "depends_on": tuple(found["depends_on"]),
            "earlier_attempts": tuple(
                Attempt(**attempt | {"state": _state(attempt["state"])})
                for attempt in found["earlier_attempts"]
            ),
        }
    )


def _state(found: dict[str, Any]) -> State:
    result = found["result"]
    return State(
        **found
        | {
            "life_cycle": Life(found["life_cycle"]),
            "result": None if result is None else Result(result),
        }
    )
