"""Runs the tasks of a job: pipeline updates and Python scripts, on local parts."""

import runpy
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from databricks.sdk.service import jobs

from dlt_stub.declare.user_code import user_world
from dlt_stub.declare.user_session import UserSession
from dlt_stub.errors import NotEmulatedError
from dlt_stub.events import Listener
from dlt_stub.jobs import TaskContext, TaskOutcome, task_kind
from dlt_stub.paths import WorkspacePaths
from dlt_stub.update.pipeline import Pipeline
from dlt_stub.update.records import UpdateCause, UpdateResult

_HONOURED = frozenset(
    {"pipeline_id", "full_refresh", "refresh_selection", "full_refresh_selection"}
    | {"refresh_flow_selection", "reset_checkpoint_selection"}
)
OnUpdate = Callable[[str, UpdateResult], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRunner:
    """Runs one task at a time; ``on_update`` is told of each pipeline update that has ended."""

    paths: WorkspacePaths
    pipeline_of: Callable[[str], Pipeline]  # by pipeline id
    task_session: Callable[[], UserSession]
    listener: Listener | None = None
    on_update: OnUpdate | None = None

    def __call__(self, task: jobs.Task, context: TaskContext) -> TaskOutcome:
        """Run ``task`` and return how it ended.

        Raises:
            NotEmulatedError: a task of that kind is not run here.
        """
        if task.pipeline_task is not None:
            return self._update_pipeline(task.pipeline_task, task.task_key)
        if task.spark_python_task is not None:
            return self._run_python(task.spark_python_task)
        raise NotEmulatedError(
            f"a {task_kind(task)} is not run locally yet (task '{task.task_key}')",
            hint="pipeline_task, spark_python_task and condition_task run here",
        )

    def _update_pipeline(self, task: jobs.PipelineTask, task_key: str) -> TaskOutcome:
        given = {key for key, value in task.as_dict().items() if value}
        unknown = sorted(given - _HONOURED)
        if unknown:
            raise NotEmulatedError(
                f"pipeline_task.{unknown[0]} of task '{task_key}' is not run locally yet: ignoring "
                "it could change results",
                hint=f"honoured here: {', '.join(sorted(_HONOURED))}",
            )
        pipeline = self.pipeline_of(task.pipeline_id)
        result = pipeline.update(
            full_refresh=bool(task.full_refresh),
            refresh=task.refresh_selection or (),
            full_refresh_selection=task.full_refresh_selection or (),
            refresh_flow_selection=task.refresh_flow_selection or (),
            reset_checkpoint_selection=task.reset_checkpoint_selection or (),
            cause=UpdateCause.JOB_TASK,
            listener=self.listener,
        )
        if self.on_update:
            self.on_update(pipeline.name, result)
        return TaskOutcome(
            result=jobs.RunResultState.SUCCESS if result.succeeded else jobs.RunResultState.FAILED,
            message="\n".join(str(error) for error in result.failures),
            details={"update_id": result.update_id},
        )

    def _run_python(self, task: jobs.SparkPythonTask) -> TaskOutcome:
        file = Path(task.python_file)
        parameters = [self.paths.to_local(value) for value in task.parameters or []]
        arguments = sys.argv
        with user_world(self.task_session(), root=file.parent):
            sys.argv = [str(file), *parameters]
            try:
                runpy.run_path(str(file), run_name="__main__")
            except SystemExit as stop:
                if stop.code not in (None, 0):
                    return _failed(f"{file.name} exited with {stop.code}")
            except Exception as error:
                return _failed(f"{type(error).__name__}: {error}", traceback.format_exc())
            finally:
                sys.argv = arguments
        return TaskOutcome(result=jobs.RunResultState.SUCCESS)


def _failed(message: str, trace: str = "") -> TaskOutcome:
    return TaskOutcome(result=jobs.RunResultState.FAILED, message=message, error_trace=trace)
