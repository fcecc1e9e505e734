from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from databricks.sdk.service import jobs

from dlt_stub.clock import ManualClock
from dlt_stub.jobs import JobRun, RunEvent, TaskContext, TaskOutcome, run_job
from dlt_stub.paths import WorkspacePaths

Make = Callable[..., dict[str, Any]]
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)  # a Monday
Step = TaskOutcome | Exception | Callable[[jobs.Task, TaskContext], TaskOutcome]


@dataclass
class Bench:
    """Runs jobs with an executor that does as it is told and keeps what it was given."""

    paths: WorkspacePaths
    clock: ManualClock
    steps: dict[str, list[Step]] = field(default_factory=dict)
    seen: list[tuple[jobs.Task, TaskContext]] = field(default_factory=list)
    events: list[RunEvent] = field(default_factory=list)

    def run(self, *tasks: dict[str, Any], job_key: str = "etl", **options: Any) -> JobRun:
        """Run a job of these tasks; ``options`` of a job go to it, the others to ``run_job``."""
        settings: dict[str, Any] = {
            key: options.pop(key)
            for key in ("name", "parameters", "queue", "max_concurrent_runs", "trigger", "extra")
            if key in options
        }
        settings |= settings.pop("extra", {})
        given = options.pop("given", {})
        fired = options.pop("fired", None)
        if fired is not None:
            options["trigger"] = fired
        return run_job(
            jobs.JobSettings.from_dict({"tasks": list(tasks), **settings}),
            job_key=job_key,
            run_task=self.execute,
            paths=self.paths,
            clock=options.pop("clock", self.clock),
            parameters=given,
            on_event=options.pop("on_event", self.events.append),
            **options,
        )

    def execute(self, task: jobs.Task, context: TaskContext) -> TaskOutcome:
        """Do the next step told for the task; succeed when there is none."""
        self.seen.append((task, context))
        steps = self.steps.get(task.task_key, [])
        step = steps.pop(0) if steps else TaskOutcome()
        if isinstance(step, Exception):
            raise step
        return step(task, context) if callable(step) else step

    @property
    def order(self) -> list[str]:
        """The keys of the tasks that were executed, attempts included."""
        return [task.task_key for task, _ in self.seen]

    def results(self, run: JobRun) -> dict[str, str]:
        """The result of each task of a run."""
        return {t.task_key: t.state.result.value if t.state.result else "" for t in run.tasks}
