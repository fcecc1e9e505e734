"""What the runner asks of the room above it: to run one task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from databricks.sdk.service import jobs

from dlt_stub.jobs.records import TaskOutcome, TriggerInfo
from dlt_stub.jobs.task_values import TaskValues


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """What a task may know of the run it is part of; ``values`` is what ``taskValues`` reads.

    Units: ``attempt_number`` counts from 0, as the Jobs API does.
    """

    job_key: str
    job_id: int
    job_name: str
    run_id: int
    task_key: str
    task_run_id: int
    attempt_number: int
    parameters: Mapping[str, str]
    trigger: TriggerInfo
    values: TaskValues

    def set_value(self, key: str, value: Any) -> None:
        """Keep a task value of this task, for the tasks after it.

        Raises:
            UsageError: it is not JSON of at most 48 KiB.
        """
        self.values.set(self.task_key, key, value)


class TaskExecutor(Protocol):
    """Runs one task; conditions never reach it, every other kind does."""

    def __call__(self, task: jobs.Task, context: TaskContext) -> TaskOutcome:
        """Run ``task``, whose references are filled in, and return how it ended.

        An exception means that the task failed; a NotEmulatedError is not tried again. What is no
        ``Exception`` (KeyboardInterrupt, SystemExit) ends the run: an executor turns a user's
        ``sys.exit`` into an outcome itself.
        """
