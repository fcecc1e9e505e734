"""A process that runs a job of one task once, and says how the run stands.

python -m tests.reliability.queueing STORAGE NAME
"""

import sys
from contextlib import suppress

from databricks.sdk.service import jobs

from dlt_stub.clock import SystemClock
from dlt_stub.jobs import RunEvent, TaskContext, TaskOutcome, run_job, runner
from dlt_stub.paths import WorkspacePaths

JOB = jobs.JobSettings.from_dict(
    {
        "queue": {"enabled": True},
        "tasks": [{"task_key": "only", "spark_python_task": {"python_file": "none"}}],
    }
)


def main() -> None:
    """Write each state of the run, and its name to ``ran`` when its turn has come."""
    paths = WorkspacePaths.at(sys.argv[1])
    runner.QUEUE_POLL_SECONDS = 0.02

    def run_task(task: jobs.Task, context: TaskContext) -> TaskOutcome:
        with (paths.root / "ran").open("a", encoding="utf-8") as file:
            file.write(f"{sys.argv[2]} ")
        return TaskOutcome()

    def say(event: RunEvent) -> None:
        if event.task_key is None:
            sys.stdout.write(f"{event.run.run_id} {event.state.life_cycle.value}\n")
            sys.stdout.flush()

    with suppress(KeyboardInterrupt):
        run_job(
            JOB, job_key="etl", run_task=run_task, paths=paths, clock=SystemClock(), on_event=say
        )


if __name__ == "__main__":
    main()
