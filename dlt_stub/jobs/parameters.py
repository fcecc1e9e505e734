"""Job parameters: defaults, what the caller gives, and how tasks come to see them."""

from collections.abc import Mapping

from databricks.sdk.service import jobs

from dlt_stub.errors import UsageError, nearest

# The task kinds that take parameters by name, where Databricks hands job parameters down.
_NAMED = {
    "notebook_task": "base_parameters",
    "python_wheel_task": "named_parameters",
    "sql_task": "parameters",
    "run_job_task": "job_parameters",
}


def job_parameters(settings: jobs.JobSettings, given: Mapping[str, str]) -> dict[str, str]:
    """Return every job parameter's value, in the job's order: what was given, else the default.

    Raises:
        UsageError: a given name is none of the job's parameters.
    """
    values = {definition.name: definition.default for definition in settings.parameters or []}
    for name, value in given.items():
        if name not in values:
            near = nearest(name, values)
            have = ", ".join(values) or "none"
            raise UsageError(
                f"job {settings.name or 'job'!r} has no parameter {name!r}",
                hint=f"did you mean {near!r}?" if near else f"its parameters: {have}",
            )
        values[name] = value
    return values


def with_job_parameters(task: jobs.Task, parameters: Mapping[str, str]) -> jobs.Task:
    """Return ``task`` with the job parameters among its own; the job's win over the task's.

    Only tasks that take parameters by name get them; a ``spark_python_task`` names those it wants
    with ``{{job.parameters.x}}``.

    Source: docs.databricks.com/jobs/job-parameters, for the precedence. Assumed: the exact kinds of
    task, and that a wheel task with positional parameters gets none.
    """
    fields = task.as_dict()
    for kind, name in _NAMED.items():
        if kind in fields and parameters:
            own = fields[kind]
            if kind == "python_wheel_task" and own.get("parameters"):
                continue
            own[name] = {**own.get(name, {}), **parameters}
    return jobs.Task.from_dict(fields)
