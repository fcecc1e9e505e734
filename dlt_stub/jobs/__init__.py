"""Runs a job of the bundle as Databricks would: tasks, triggers, parameters, runs on disk."""

from dlt_stub.jobs.executor import TaskContext, TaskExecutor
from dlt_stub.jobs.order import JobPlan, plan_job, task_kind
from dlt_stub.jobs.records import (
    Attempt,
    JobRun,
    RunEvent,
    State,
    TaskOutcome,
    TaskRun,
    TriggerInfo,
)
from dlt_stub.jobs.runner import job_id_of, run_job
from dlt_stub.jobs.store import RunStore, runs
from dlt_stub.jobs.task_values import TaskValues
from dlt_stub.jobs.trigger import FileArrivalTrigger, TriggerCheck, trigger_state_file
from dlt_stub.jobs.watch import WatchEvent, watch_job

__all__ = [
    "Attempt",
    "FileArrivalTrigger",
    "JobPlan",
    "JobRun",
    "RunEvent",
    "RunStore",
    "State",
    "TaskContext",
    "TaskExecutor",
    "TaskOutcome",
    "TaskRun",
    "TaskValues",
    "TriggerCheck",
    "TriggerInfo",
    "WatchEvent",
    "job_id_of",
    "plan_job",
    "run_job",
    "runs",
    "task_kind",
    "trigger_state_file",
    "watch_job",
]
