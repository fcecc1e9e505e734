"""Runs the tasks of a job: pipeline updates, notebooks and Python scripts, on local parts."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from databricks.sdk.service import jobs

from dlt_stub.declare.registry import origin_in, showing_below
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.lost import lost_spark
from dlt_stub.errors import DltStubError, NotEmulatedError
from dlt_stub.events import Listener
from dlt_stub.jobs import TaskContext, TaskOutcome, task_kind
from dlt_stub.paths import WorkspacePaths
from dlt_stub.redaction import redacting
from dlt_stub.update.pipeline import Pipeline
from dlt_stub.update.records import UpdateCause, UpdateResult
from dlt_stub.workspace.scripts import ScriptRunner

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
            return self._run_python(task.spark_python_task, context)
        if task.notebook_task is not None:
            return self._run_notebook(task.notebook_task, context)
        raise NotEmulatedError(
            f"a {task_kind(task)} is not run locally yet (task '{task.task_key}')",
            hint="pipeline_task, notebook_task, spark_python_task and condition_task run here",
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

    def _run_python(self, task: jobs.SparkPythonTask, context: TaskContext) -> TaskOutcome:
        _refuse_git(task.source, "spark_python_task", context)
        file = Path(task.python_file)
        parameters = [self.paths.to_local(value) for value in task.parameters or []]
        return self._outcome(file, context, lambda runner: runner.run_script(file, parameters))

    def _run_notebook(self, task: jobs.NotebookTask, context: TaskContext) -> TaskOutcome:
        _refuse_git(task.source, "notebook_task", context)
        if task.warehouse_id:
            raise NotEmulatedError(
                f"notebook_task.warehouse_id of task '{context.task_key}' is not run locally: a "
                "SQL warehouse runs SQL cells alone",
                hint="leave it out of the target that runs locally",
            )
        file = Path(task.notebook_path)
        parameters = task.base_parameters or {}
        return self._outcome(file, context, lambda runner: runner.run_notebook(file, parameters))

    def _outcome(
        self, file: Path, context: TaskContext, run: Callable[[ScriptRunner], str | None]
    ) -> TaskOutcome:
        """Return how user code ended; neither its output nor its error shows a secret."""
        runner = ScriptRunner(
            paths=self.paths, session=self.task_session(), values=_RunValues(context)
        )
        with showing_below(file.parent), redacting():
            try:
                value = run(runner)
            except SystemExit as stop:
                if stop.code in (None, 0):
                    return TaskOutcome(result=jobs.RunResultState.SUCCESS)
                return _failed(f"{file.name} exited with {stop.code}")
            except NotEmulatedError:
                raise  # another try would end the same
            except Exception as error:
                if (lost := lost_spark()) is not None:
                    return _failed(str(lost))
                return _failed(_sentence(error), traceback.format_exc())
        details = {} if value is None else {"notebook_output": value}
        return TaskOutcome(result=jobs.RunResultState.SUCCESS, details=details)


@dataclass(frozen=True, slots=True)
class _RunValues:
    """The task values of a run, as one of its tasks sees them."""

    context: TaskContext

    def set(self, key: str, value: Any) -> None:  # Any: JSON
        self.context.set_value(key, value)

    def get(self, task_key: str, key: str) -> Any:  # Any: JSON
        return self.context.values.get(task_key, key)


def _refuse_git(source: jobs.Source | None, kind: str, context: TaskContext) -> None:
    if source is jobs.Source.GIT:
        raise NotEmulatedError(
            f"{kind}.source of task '{context.task_key}' is GIT, which is not run locally: the "
            "code is fetched from a repository there, not from the bundle",
            hint="source: WORKSPACE, or leave it out",
        )


def _sentence(error: Exception) -> str:
    if isinstance(error, DltStubError):
        return str(error)
    where = origin_in(error)
    return (
        f"{where}: {type(error).__name__}: {error}" if where else f"{type(error).__name__}: {error}"
    )


def _failed(message: str, trace: str = "") -> TaskOutcome:
    return TaskOutcome(result=jobs.RunResultState.FAILED, message=message, error_trace=trace)
