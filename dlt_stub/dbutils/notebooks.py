"""``dbutils.notebook``: ends a notebook with a value, and runs another one.

Source: docs "Orchestrate notebooks and modularize code in notebooks", 2026-11-24: arguments and
return values are text; ``run`` starts a notebook of its own, with its own variables. Assumed: that
``exit`` is an ordinary exception, and what ``run`` returns for a notebook that does not call it.
"""

import time
from collections.abc import Mapping
from typing import NoReturn, Protocol

from dlt_stub.dbutils.utility import Utility
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError, UsageError


class NotebookExit(Exception):
    """Ends a notebook; ``value`` is what it returns."""

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(value)


class RunNotebook(Protocol):
    """Runs a notebook to its end, by its name relative to the one that calls."""

    def __call__(self, path: str, arguments: Mapping[str, str]) -> str | None:
        """Return its exit value."""


class NotebookUtils(Utility):
    """``run`` is refused without a runner: a pipeline starts no notebooks."""

    _name = "dbutils.notebook"

    def __init__(self, runner: RunNotebook | None, *, is_task: bool) -> None:
        self._runner = runner
        self._is_task = is_task
        self._exit: NotebookExit | None = None

    def exit(self, value: str) -> NoReturn:
        """End this notebook with ``value``.

        Raises:
            NotebookExit: always, in a notebook of a task.
            NotEmulatedError: elsewhere: what it would end is not documented.
        """
        if not self._is_task:
            raise NotEmulatedError(
                "dbutils.notebook.exit is run in notebook tasks only", origin=user_origin()
            )
        if not isinstance(value, str):
            raise UsageError(
                f"dbutils.notebook.exit({value!r}): a notebook returns text",
                origin=user_origin(),
                hint="json.dumps(value)",
            )
        self._exit = NotebookExit(value)
        raise self._exit

    def run(
        self, path: str, timeout_seconds: int, arguments: Mapping[str, str] | None = None
    ) -> str | None:
        """Run another notebook and return its exit value; 0 seconds are no limit.

        Raises:
            NotEmulatedError: not in a notebook of a task.
            UsageError: it took longer than ``timeout_seconds``; it is not cut short.
        """
        if self._runner is None:
            raise NotEmulatedError(
                "dbutils.notebook.run is run in notebook tasks only",
                origin=user_origin(),
                hint="make it a task of a job",
            )
        started = time.monotonic()
        value = self._runner(path, dict(arguments or {}))
        if timeout_seconds and time.monotonic() - started > timeout_seconds:
            raise UsageError(
                f"notebook {path} ran for longer than its {timeout_seconds} seconds",
                origin=user_origin(),
            )
        return value


def has_exited(utility: NotebookUtils) -> bool:
    """Return whether the notebook has called for its exit, even where it caught that."""
    return utility._exit is not None
