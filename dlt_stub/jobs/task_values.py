"""Small JSON values that tasks of one run hand to the tasks after them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dlt_stub.errors import UsageError, nearest

LIMIT_BYTES = 48 * 1024


@dataclass(frozen=True, slots=True)
class TaskValues:
    """The task values of one run, by task and key; the run's tasks share this object."""

    _values: dict[str, dict[str, Any]] = field(default_factory=dict)

    def set(self, task_key: str, key: str, value: Any) -> None:
        """Keep ``value`` as the value ``key`` of the task; a second value replaces the first.

        Source: docs.databricks.com, ``dbutils.jobs.taskValues``: JSON of at most 48 KiB.

        Raises:
            UsageError: the value is not JSON, or too big, or the key is empty.
        """
        if not key:
            raise UsageError(f"task {task_key!r} set a task value without a key")
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(f"task value {key!r} of {task_key!r} is not JSON: {error}") from error
        size = len(text.encode())
        if size > LIMIT_BYTES:
            raise UsageError(
                f"task value {key!r} of {task_key!r} has {size} bytes as JSON; {LIMIT_BYTES} are "
                "allowed",
                hint="write it to a table or a volume, and hand over its name",
            )
        # Kept as JSON would give it back: later changes to the caller's object do not count.
        self._values.setdefault(task_key, {})[key] = json.loads(text)

    def of(self, task_key: str) -> Mapping[str, Any]:
        """Return the values a task has set so far."""
        return dict(self._values.get(task_key, {}))

    def get(self, task_key: str, key: str) -> Any:
        """Return one value of a task of this run.

        Raises:
            UsageError: the task has not set it.
        """
        found = self._values.get(task_key, {})
        if key not in found:
            near = nearest(key, found)
            have = ", ".join(sorted(found)) or "none"
            raise UsageError(
                f"task {task_key!r} has not set the task value {key!r}",
                hint=f"did you mean {near!r}?" if near else f"values it has set: {have}",
            )
        return found[key]


def as_text(value: Any) -> str:
    """Return a JSON value as a parameter shows it: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
