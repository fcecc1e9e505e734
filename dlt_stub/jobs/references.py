"""Dynamic value references: ``{{job.run_id}}``, ``{{tasks.load.values.rows}}`` and their like.

Source: docs.databricks.com/jobs/dynamic-value-references, checked 2026-11-24: what is inside the
braces is a name, not an expression; a name of an unknown namespace or with a syntax error stays as
it is written; an unknown name in a known namespace is an error. Assumed: spaces inside the braces,
the exact text of ``iso_datetime`` and that numbers are not padded.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from databricks.sdk.service import jobs
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.errors import BundleError, NotEmulatedError, nearest
from dlt_stub.jobs.order import task_kind
from dlt_stub.jobs.records import TriggerInfo
from dlt_stub.jobs.task_values import TaskValues, as_text

_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_PART = re.compile(r"(?:([A-Za-z0-9_]+)|`([^`]+)`)(\.|$)")
_NAMESPACES = frozenset({"job", "task", "tasks", "workspace"})
# Old names that Databricks still fills in.
_DEPRECATED = {
    "job_id": ("job", "id"),
    "parent_run_id": ("job", "run_id"),
    "run_id": ("task", "run_id"),
    "start_date": ("job", "start_time", "iso_date"),
    "start_time": ("job", "start_time", "timestamp_ms"),
    "task_key": ("task", "name"),
}
_TIMES: dict[str, Callable[[datetime], str]] = {
    "iso_weekday": lambda at: str(at.isoweekday()),
    "is_weekday": lambda at: "true" if at.isoweekday() <= 5 else "false",
    "iso_date": lambda at: at.date().isoformat(),
    "iso_datetime": lambda at: at.replace(tzinfo=None).isoformat(timespec="milliseconds"),
    "year": lambda at: str(at.year),
    "month": lambda at: str(at.month),
    "day": lambda at: str(at.day),
    "hour": lambda at: str(at.hour),
    "minute": lambda at: str(at.minute),
    "second": lambda at: str(at.second),
    "timestamp_ms": lambda at: str(round(at.timestamp() * 1000)),
}
# The documented words are the enum's, small, but for this one.
_TRIGGER_WORDS = {jobs.TriggerType.ONE_TIME: "onetime"}
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What the references of a run can name that does not change while it runs."""

    job_id: int
    job_name: str
    run_id: int
    started_at: datetime
    trigger: TriggerInfo
    parameters: Mapping[str, str]
    configured_location: str | None
    workspace_id: str
    workspace_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What the references of a run can name of one of its tasks; ``result`` once it is over."""

    task_key: str
    run_id: int | None = None
    execution_count: int = 0
    result: Result | None = None
    notebook_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Fills in references, as seen from one task (or from none: job parameters).

    With ``values`` None it only checks: what is known at run time alone becomes empty text.
    """

    job: JobFacts
    task: TaskFacts | None
    tasks: Mapping[str, TaskFacts]
    values: TaskValues | None

    def fill(self, text: str) -> str:
        """Return ``text`` with every reference of a known namespace replaced by its value.

        Raises:
            BundleError: the namespace is known but the name is not, or it has no value yet.
            NotEmulatedError: Databricks knows the name, we do not.
            UsageError: it names a task value that was not set.
        """
        return _REFERENCE.sub(self._replace, text)

    def fill_task(self, task: jobs.Task) -> jobs.Task:
        """Return ``task`` with the references in what it does filled in."""
        fields = task.as_dict()
        kind = task_kind(task)
        if kind == "for_each_task":  # its inner task is filled in once for each input
            fields[kind]["inputs"] = self.fill(fields[kind]["inputs"])
        else:
            fields[kind] = self._fill_all(fields[kind])
        return jobs.Task.from_dict(fields)

    def _fill_all(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, list):
            return [self._fill_all(item) for item in value]
        if isinstance(value, dict):
            return {key: self._fill_all(item) for key, item in value.items()}
        return value

    def _replace(self, match: re.Match[str]) -> str:
        path = _split(match.group(1))
        if path is None or path[0] not in _NAMESPACES:
            return match.group(0)
        written = match.group(0)
        match path[0]:
            case "job":
                return self._job(path[1:], written)
            case "tasks":
                return self._tasks(path[1:], written)
            case "task":
                return self._own_task(path[1:], written)
            case _:
                return self._workspace(path[1:], written)

    def _job(self, path: tuple[str, ...], written: str) -> str:
        job = self.job
        match path:
            case ("id",):
                return str(job.job_id)
            case ("name",):
                return job.job_name
            case ("run_id",):
                return str(job.run_id)
            case ("repair_count",):
                return "0"  # a run here is never repaired
            case ("parameters", name):
                return _known(job.parameters, name, written, "job parameter")
            case ("start_time", part):
                return _known(_TIMES, part, written, "time")(job.started_at)
            case ("trigger", *rest):
                return self._trigger(tuple(rest), written)
        raise _unknown(written, path, ("id", "name", "run_id", "repair_count", "start_time"))

    def _trigger(self, path: tuple[str, ...], written: str) -> str:
        trigger = self.job.trigger
        match path:
            case ("type",):
                return _TRIGGER_WORDS.get(trigger.type, trigger.type.value.lower())
            case ("file_arrival", "location"):
                return trigger.file_arrival_location or self.job.configured_location or ""
            case ("time", part):
                convert = _known(_TIMES, part, written, "time")
                fired = trigger.fired_at_ms
                at = datetime.fromtimestamp(fired / 1000, UTC) if fired else self.job.started_at
                return convert(at)
            case ("table_update", *_):
                raise NotEmulatedError(f"{written}: table update triggers are not emulated")
        raise _unknown(written, path, ("type", "time", "file_arrival"))

    def _own_task(self, path: tuple[str, ...], written: str) -> str:
        if self.task is None:
            raise BundleError(f"{written}: a job parameter belongs to no task")
        match path:
            case ("name",):
                return self.task.task_key
            case ("run_id",):
                return str(self.task.run_id or "")
            case ("execution_count",):
                return str(self.task.execution_count)
            case ("notebook_path",):
                return self.task.notebook_path or ""
        raise _unknown(written, path, ("name", "run_id", "execution_count", "notebook_path"))

    def _tasks(self, path: tuple[str, ...], written: str) -> str:
        if self.task is None or len(path) < 2:
            raise BundleError(f"{written} names no task whose result is known here")
        task = _known(self.tasks, path[0], written, "task")
        match path[1:]:
            case ("values", key):
                return "" if self.values is None else as_text(self.values.get(path[0], key))
            case ("result_state",):
                return self._after(task, written).lower()
            case ("error_code",):
                result = self._after(task, written)
                return "RunExecutionError" if result == Result.FAILED.value else ""
            case ("run_id",):
                return str(task.run_id or "")
            case ("execution_count",):
                return str(task.execution_count)
            case ("notebook_path",):
                return task.notebook_path or ""
            case ("output", *_):
                raise NotEmulatedError(f"{written}: the output of SQL tasks is not emulated")
        raise _unknown(written, path[1:], ("values", "result_state", "run_id", "error_code"))

    def _after(self, task: TaskFacts, written: str) -> str:
        if task.result is not None:
            return task.result.value
        if self.values is None:
            return ""
        raise BundleError(
            f"{written}: task {task.task_key!r} is not over yet",
            hint=f"let the task that uses it depend on {task.task_key!r}",
        )

    def _workspace(self, path: tuple[str, ...], written: str) -> str:
        match path:
            case ("id",):
                return self.job.workspace_id
            case ("url",):
                return self.job.workspace_url
        raise _unknown(written, path, ("id", "url"))


def _split(name: str) -> tuple[str, ...] | None:
    """Return the parts of a dotted name, or None when it is not one: such text stays as it is."""
    if name in _DEPRECATED:
        return _DEPRECATED[name]
    parts: list[str] = []
    position = 0
    while match := _PART.match(name, position):
        parts.append(match.group(1) or match.group(2))
        position = match.end()
        if not match.group(3):
            return tuple(parts)
    return None


def _known(known: Mapping[str, _Value], name: str, written: str, what: str) -> _Value:
    if name in known:
        return known[name]
    near = nearest(name, known)
    have = ", ".join(known) or "none"
    raise BundleError(
        f"{written}: there is no {what} {name!r}",
        hint=f"did you mean {near!r}?" if near else f"there are: {have}",
    )


def _unknown(written: str, path: tuple[str, ...], known: tuple[str, ...]) -> BundleError:
    near = nearest(path[0], known) if path else None
    return BundleError(
        f"{written} is not a dynamic value reference",
        hint=f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}",
    )
