"""Runs a job: its tasks in order, with ``run_if``, retries, parameters and task values.

Independent tasks run one after another, in the order of the file (Databricks runs them at the same
time); the result is the same for tasks that do not depend on each other.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub import stopping
from dlt_stub.clock import Clock
from dlt_stub.errors import BusyError
from dlt_stub.jobs.execution import Execution, references_for, waiting
from dlt_stub.jobs.executor import TaskExecutor
from dlt_stub.jobs.order import JobPlan, plan_job
from dlt_stub.jobs.parameters import job_parameters
from dlt_stub.jobs.recorder import Recorder, epoch_ms, ignore
from dlt_stub.jobs.records import JobRun, RunEvent, State, TriggerInfo
from dlt_stub.jobs.references import JobFacts
from dlt_stub.jobs.results import run_state
from dlt_stub.jobs.store import RunStore
from dlt_stub.locks import exclusive
from dlt_stub.paths import WorkspacePaths

QUEUE_POLL_SECONDS = 1.0
QUEUE_LIMIT_SECONDS = 48 * 3600
Hold = Callable[[Path, str], AbstractContextManager[None]]
_BY_HAND = TriggerInfo()
_NONE_GIVEN: Mapping[str, str] = MappingProxyType({})


def random_id() -> int:
    """Return a new id: 53 bits, so that it is the same number in JSON readers of any language."""
    return secrets.randbits(52) | 1 << 52


def job_id_of(job_key: str) -> int:
    """Return the id a job has in every local workspace: the same for the same key."""
    return int.from_bytes(sha256(job_key.encode()).digest()[:8]) >> 12 | 1 << 52


def _not_held(lock: Path, what: str) -> AbstractContextManager[None]:
    return nullcontext()


def run_job(
    settings: jobs.JobSettings,
    *,
    job_key: str,
    run_task: TaskExecutor,
    paths: WorkspacePaths,
    clock: Clock,
    parameters: Mapping[str, str] = _NONE_GIVEN,
    trigger: TriggerInfo = _BY_HAND,
    on_event: Callable[[RunEvent], None] = ignore,
    new_id: Callable[[], int] = random_id,
    workspace_id: str = "0",
    workspace_url: str = "",
    hold: Hold = _not_held,
) -> JobRun:
    """Run the job once and return the run as it ended; every step is on disk before it is told.

    A run that finds ``max_concurrent_runs`` others is queued when the job's queue is on (for 48
    hours at most), else skipped. Of several queued runs the one that was asked for first goes next
    (assumed). A queued run waits in its process and is CANCELED with it. Runs whose process died
    are marked first. A task that fails makes no exception: look at the run's state.

    ``hold`` keeps a lock file with whatever may outlive this process and still write: a run whose
    slot a killed run had waits for that too.

    Source: docs "Databricks Jobs queueing and concurrency settings", 2026-11-24; in what order
    queued runs go on is not stated there.

    Raises:
        BundleError: the job is wrong: a cycle, an unknown reference, ...
        NotEmulatedError: a setting of the job is not emulated.
        UsageError: a parameter the job has not.
        KeyboardInterrupt: passed on, once the run is stored as CANCELED.
    """
    plan = plan_job(settings)
    given = job_parameters(settings, parameters)
    store = RunStore.of(paths, job_key)
    run_id = new_id()
    facts = JobFacts(
        job_id=job_id_of(job_key),
        job_name=settings.name or job_key,
        run_id=run_id,
        started_at=clock.now(),
        trigger=trigger,
        parameters=given,
        configured_location=_location(settings),
        workspace_id=workspace_id,
        workspace_url=workspace_url,
    )
    _check_references(plan, facts)
    store.settle_abandoned(clock=clock)
    store.expire(clock=clock)
    run = JobRun(
        job_key=job_key,
        job_id=facts.job_id,
        run_id=run_id,
        run_name=facts.job_name,
        state=State(life_cycle=Life.PENDING),
        start_time_ms=epoch_ms(facts.started_at),
        trigger=trigger,
        parameters=given,
        tasks=tuple(waiting(task, new_id()) for task in plan.tasks),
    )
    recorder = Recorder(run=run, store=store, on_event=on_event)
    with store.alive(run_id, clock=clock), recorder.interrupts(clock):
        with ExitStack() as stack:
            recorder.change_run(run.state)
            if not _take_slot(settings, recorder, stack, clock, hold):
                return recorder.run
            facts = replace(facts, started_at=clock.now())
            queued_ms = epoch_ms(facts.started_at) - run.start_time_ms
            facts = replace(facts, parameters=_filled(given, facts))
            recorder.run = replace(
                recorder.run, queue_duration_ms=queued_ms, parameters=facts.parameters
            )
            recorder.change_run(State(life_cycle=Life.RUNNING))
            execution = Execution(
                plan=plan, facts=facts, run_task=run_task, clock=clock, new_id=new_id, to=recorder
            )
            execution.run()
        recorder.end_run(run_state(recorder.run.tasks, plan.leaves), clock)
    return recorder.run


def _check_references(plan: JobPlan, facts: JobFacts) -> None:
    """Refuse a reference that can never be filled in before anything runs."""
    _filled(facts.parameters, facts)
    runs = tuple(waiting(task, 0) for task in plan.tasks)
    for task, run in zip(plan.tasks, runs, strict=True):
        references_for(facts, runs, run, task, None).fill_task(task)


def _filled(parameters: Mapping[str, str], facts: JobFacts) -> dict[str, str]:
    references = references_for(facts, (), None, None, None)
    return {name: references.fill(value) for name, value in parameters.items()}


def _location(settings: jobs.JobSettings) -> str | None:
    arrival = settings.trigger.file_arrival if settings.trigger else None
    return arrival.url if arrival else None


def _take_slot(
    settings: jobs.JobSettings, recorder: Recorder, stack: ExitStack, clock: Clock, hold: Hold
) -> bool:
    """Hold one of the job's run slots, waiting in the queue if it has one; else end the run."""
    limit = 1 if settings.max_concurrent_runs is None else settings.max_concurrent_runs
    if limit == 0 or settings.queue is None or not settings.queue.enabled:
        why = _refusal(limit, recorder, stack, clock, hold)
        if why is not None:
            _skip(why, recorder, clock)
        return why is None
    asked_at = clock.now()
    with recorder.store.in_line(recorder.run, clock=clock) as is_next:
        while True:
            why = "an earlier run of the job is queued"
            if is_next():
                why = _refusal(limit, recorder, stack, clock, hold)
                if why is None:
                    return True
            if (clock.now() - asked_at).total_seconds() >= QUEUE_LIMIT_SECONDS:
                _skip(why, recorder, clock)
                return False
            if recorder.run.state.life_cycle is not Life.QUEUED:
                recorder.change_run(State(life_cycle=Life.QUEUED, message=why))
            clock.wait(QUEUE_POLL_SECONDS)
            stopping.check()


def _refusal(
    limit: int, recorder: Recorder, stack: ExitStack, clock: Clock, hold: Hold
) -> str | None:
    """Return why the run has no slot, or None once ``stack`` holds one."""
    why = "max_concurrent_runs is 0"
    what = f"run {recorder.run.run_id} of job {recorder.run.job_key}"
    for number in range(limit):
        try:
            slot = recorder.store.slot(number)
            with ExitStack() as attempt:
                attempt.enter_context(exclusive(slot, what=what, clock=clock))
                attempt.enter_context(hold(slot.with_suffix(".java"), what))
                stack.push(attempt.pop_all())
                return None
        except BusyError as error:
            why = error.message
    return why


def _skip(why: str, recorder: Recorder, clock: Clock) -> None:
    state = State(
        life_cycle=Life.SKIPPED,
        result=Result.MAXIMUM_CONCURRENT_RUNS_REACHED,
        message=why,
    )
    recorder.end_run(state, clock)
