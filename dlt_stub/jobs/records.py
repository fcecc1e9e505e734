"""What a job run is, as frozen records; the words are Databricks' own enums.

``to_sdk`` turns them into the shapes of the Jobs API (``databricks.sdk.service.jobs``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result
from databricks.sdk.service.jobs import TerminationCodeCode as Code
from databricks.sdk.service.jobs import TerminationTypeType as Kind

from dlt_stub.redaction import redact

_OVER = frozenset({Life.TERMINATED, Life.SKIPPED, Life.INTERNAL_ERROR})
_SUCCEEDED = frozenset({Result.SUCCESS, Result.SUCCESS_WITH_FAILURES})
_STATUS = {
    Life.QUEUED: jobs.RunLifecycleStateV2State.QUEUED,
    Life.PENDING: jobs.RunLifecycleStateV2State.PENDING,
    Life.BLOCKED: jobs.RunLifecycleStateV2State.BLOCKED,
    Life.RUNNING: jobs.RunLifecycleStateV2State.RUNNING,
    Life.WAITING_FOR_RETRY: jobs.RunLifecycleStateV2State.WAITING,
    Life.TERMINATING: jobs.RunLifecycleStateV2State.TERMINATING,
}
# Codes follow the enum's own descriptions; which type goes with a skipped run is assumed.
_TERMINATION = {
    Result.SUCCESS: (Code.SUCCESS, Kind.SUCCESS),
    Result.SUCCESS_WITH_FAILURES: (Code.SUCCESS_WITH_FAILURES, Kind.SUCCESS),
    Result.FAILED: (Code.RUN_EXECUTION_ERROR, Kind.CLIENT_ERROR),
    Result.TIMEDOUT: (Code.CANCELED, Kind.CLIENT_ERROR),
    Result.CANCELED: (Code.USER_CANCELED, Kind.CLIENT_ERROR),
    Result.EXCLUDED: (Code.SKIPPED, Kind.SUCCESS),
    Result.UPSTREAM_FAILED: (Code.SKIPPED, Kind.CLIENT_ERROR),
    Result.UPSTREAM_CANCELED: (Code.SKIPPED, Kind.CLIENT_ERROR),
    Result.DISABLED: (Code.DISABLED, Kind.SUCCESS),
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: (Code.MAX_CONCURRENT_RUNS_EXCEEDED, Kind.CLIENT_ERROR),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerInfo:
    """Why a run started; the location is that of the file-arrival trigger, as Databricks names it.

    Units: ``fired_at_ms`` is epoch milliseconds.
    """

    type: jobs.TriggerType = jobs.TriggerType.ONE_TIME
    file_arrival_location: str | None = None
    fired_at_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where a run or a task of it stands; ``result`` is known once it is over.

    ``is_platform_fault`` tells a run that died from one whose task failed: both are
    ``INTERNAL_ERROR`` in the older state, and only the newer status can tell them apart.
    """

    life_cycle: Life
    result: Result | None = None
    message: str = ""
    is_platform_fault: bool = False

    @property
    def is_over(self) -> bool:
        """Whether this state is final."""
        return self.life_cycle in _OVER

    @property
    def has_succeeded(self) -> bool:
        """Whether it is over and Databricks counts it as a success."""
        return self.is_over and self.result in _SUCCEEDED

    def to_sdk(self) -> jobs.RunState:
        """Return the older ``state`` of the Jobs API."""
        return jobs.RunState(
            life_cycle_state=self.life_cycle,
            result_state=self.result,
            state_message=self.message,
            user_cancelled_or_timedout=self.result in (Result.CANCELED, Result.TIMEDOUT),
            queue_reason=self.message if self.life_cycle is Life.QUEUED else None,
        )

    def to_sdk_status(self) -> jobs.RunStatus:
        """Return the newer ``status`` of the Jobs API."""
        if self.life_cycle is Life.QUEUED:
            details = jobs.QueueDetails(
                code=jobs.QueueDetailsCodeCode.MAX_CONCURRENT_RUNS_REACHED, message=self.message
            )
            return jobs.RunStatus(state=_STATUS[Life.QUEUED], queue_details=details)
        if not self.is_over:
            return jobs.RunStatus(state=_STATUS[self.life_cycle])
        code, kind = (Code.INTERNAL_ERROR, Kind.INTERNAL_ERROR)
        if self.result is not None and not self.is_platform_fault:
            code, kind = _TERMINATION[self.result]
        return jobs.RunStatus(
            state=jobs.RunLifecycleStateV2State.TERMINATED,
            termination_details=jobs.TerminationDetails(code=code, type=kind, message=self.message),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a task that was followed by another; times are epoch milliseconds."""

    run_id: int
    attempt_number: int
    state: State
    start_time_ms: int
    end_time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One task of a run, as its latest attempt stands; times are epoch milliseconds.

    ``kind`` is the field of the Jobs API that says what the task does (``pipeline_task``, ...);
    ``outcome`` is a condition task's ``true`` or ``false``; ``values`` are its task values;
    ``details`` is what the executor wants kept (an update id, say).
    """

    task_key: str
    kind: str
    run_id: int
    state: State
    depends_on: tuple[str, ...] = ()
    run_if: jobs.RunIf = jobs.RunIf.ALL_SUCCESS
    attempt_number: int = 0
    start_time_ms: int | None = None
    end_time_ms: int | None = None
    outcome: str | None = None
    error_trace: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON that a user's task set
    details: Mapping[str, str] = field(default_factory=dict)
    earlier_attempts: tuple[Attempt, ...] = ()

    def to_sdk(self) -> jobs.RunTask:
        """Return the shape of the Jobs API, without the task's own settings."""
        return jobs.RunTask(
            task_key=self.task_key,
            run_id=self.run_id,
            attempt_number=self.attempt_number,
            depends_on=[jobs.TaskDependency(task_key=key) for key in self.depends_on],
            run_if=self.run_if,
            state=self.state.to_sdk(),
            status=self.state.to_sdk_status(),
            start_time=self.start_time_ms,
            end_time=self.end_time_ms or 0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of a job: a snapshot, replaced by the next one at each change.

    Units: times are epoch milliseconds; ``start_time_ms`` is when the run was asked for, and
    ``queue_duration_ms`` later it began.
    """

    job_key: str
    job_id: int
    run_id: int
    run_name: str
    state: State
    start_time_ms: int
    trigger: TriggerInfo
    parameters: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[TaskRun, ...] = ()
    end_time_ms: int | None = None
    queue_duration_ms: int = 0

    def task(self, task_key: str) -> TaskRun:
        """Return the run of one task of the job.

        Raises:
            KeyError: the job has no such task.
        """
        for task in self.tasks:
            if task.task_key == task_key:
                return task
        raise KeyError(task_key)

    def to_sdk(self) -> jobs.Run:
        """Return the shape of the Jobs API (``jobs/runs/get``)."""
        end = self.end_time_ms
        return jobs.Run(
            job_id=self.job_id,
            run_id=self.run_id,
            job_run_id=self.run_id,
            number_in_job=self.run_id,
            original_attempt_run_id=self.run_id,
            run_name=self.run_name,
            run_type=jobs.RunType.JOB_RUN,
            state=self.state.to_sdk(),
            status=self.state.to_sdk_status(),
            start_time=self.start_time_ms,
            end_time=end or 0,
            run_duration=None if end is None else end - self.start_time_ms,
            queue_duration=self.queue_duration_ms,
            trigger=self.trigger.type,
            job_parameters=[
                jobs.JobParameter(name=name, value=value) for name, value in self.parameters.items()
            ],
            tasks=[task.to_sdk() for task in self.tasks],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """A change of a run, for a live display: ``task_key`` is None when the run itself changed."""

    run: JobRun
    state: State
    task_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """How an executor's task ended: SUCCESS, FAILED, TIMEDOUT or CANCELED; it tells no secret."""

    result: Result = Result.SUCCESS
    message: str = ""
    error_trace: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed = (Result.SUCCESS, Result.FAILED, Result.TIMEDOUT, Result.CANCELED)
        if self.result not in allowed:
            names = ", ".join(result.value for result in allowed)
            raise ValueError(f"a task ends as one of {names}, not {self.result.value}")
        for name in ("message", "error_trace"):
            object.__setattr__(self, name, redact(getattr(self, name)))  # frozen for all others
