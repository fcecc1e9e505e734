"""``dbutils.jobs.taskValues``: small values from one task to those after it.

Source: docs "Databricks Utilities (dbutils) reference", taskValues subutility: outside a job
``set`` does nothing and ``get`` returns ``debugValue`` or raises TypeError; a missing key raises
ValueError unless ``default`` is given; neither may be None. Read 2026-11-24.
"""

from typing import Any, Protocol

from dlt_stub.dbutils.utility import Utility
from dlt_stub.errors import UsageError


class TaskValueStore(Protocol):
    """The task values of the run that a task is part of."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value of this task.

        Raises:
            UsageError: it is not JSON of at most 48 KiB.
        """

    def get(self, task_key: str, key: str) -> Any:
        """Return a value of a task of the run.

        Raises:
            UsageError: the task has not set it.
        """


class TaskValueUtils(Utility):
    """Sets and gets task values; without a store it is outside a job."""

    _name = "dbutils.jobs.taskValues"

    def __init__(self, store: TaskValueStore | None) -> None:
        self._store = store

    def set(self, key: str, value: Any) -> None:  # Any: JSON
        """Keep ``value`` for the tasks after this one; outside a job do nothing.

        Raises:
            UsageError: it is not JSON of at most 48 KiB.
        """
        if self._store is not None:
            self._store.set(key, value)

    def get(
        self,
        taskKey: str,
        key: str,
        default: Any = None,  # Any: JSON
        debugValue: Any = None,
    ) -> Any:
        """Return a value that the task ``taskKey`` has set.

        Raises:
            ValueError: it has not, and there is no ``default``.
            TypeError: outside a job, without a ``debugValue``.
        """
        if self._store is None:
            if debugValue is None:
                raise TypeError(
                    "Must pass debugValue when calling get outside of a job context. "
                    "debugValue cannot be None."
                )
            return debugValue
        try:
            return self._store.get(taskKey, key)
        except UsageError as error:
            if default is not None:
                return default
            raise ValueError(str(error)) from error


class JobUtils(Utility):
    """What tasks of jobs use."""

    _name = "dbutils.jobs"

    def __init__(self, store: TaskValueStore | None) -> None:
        self.taskValues = TaskValueUtils(store)  # Databricks' spelling
