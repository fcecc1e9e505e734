"""``dbutils.widgets``: parameters of a notebook, with the defaults it declares.

Source: docs "Databricks widgets", "Databricks Utilities (dbutils) reference" and "Use %run to
import a notebook": a notebook that is run by ``%run`` has its widgets' default values unless
values are passed. Read 2026-11-24.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dlt_stub.dbutils.utility import Utility
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError, UsageError, nearest


class WidgetUtils(Utility):
    """Widgets by name; ``given`` are values that win over defaults: the task's parameters."""

    _name = "dbutils.widgets"

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = dict(given)
        self._values: dict[str, str] = {}
        self._callers: dict[str, str] | None = None  # values that a %run notebook may not know

    def text(self, name: str, defaultValue: str, label: str | None = None) -> None:
        """Declare a widget of any text."""
        self._declare(name, defaultValue)

    def dropdown(
        self,
        name: str,
        defaultValue: str,
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """Declare a widget of one of ``choices``.

        Raises:
            UsageError: the default is none of them.
        """
        if defaultValue not in choices:
            raise UsageError(
                f"the default {defaultValue!r} of widget {name!r} is none of its choices",
                origin=user_origin(),
                hint=f"choices: {', '.join(map(str, choices))}",
            )
        self._declare(name, defaultValue)

    def combobox(
        self,
        name: str,
        defaultValue: str,
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """Declare a widget of any text, with ``choices`` offered."""
        self._declare(name, defaultValue)

    def multiselect(
        self,
        name: str,
        defaultValue: str,
        choices: Sequence[str],
        label: str | None = None,
    ) -> None:
        """Declare a widget of several of ``choices``; its value has commas between them."""
        self._declare(name, defaultValue)

    def get(self, name: str) -> str:
        """Return the widget's value.

        Raises:
            UsageError: there is no such widget or parameter.
        """
        known = {**self._given, **self._values}
        if name not in known:
            near = nearest(name, known)
            raise UsageError(
                f"InputWidgetNotDefined: No input widget named {name} is defined",
                origin=user_origin(),
                hint=f"did you mean {near!r}?"
                if near
                else f'declare it, as in dbutils.widgets.text("{name}", "")',
            )
        return known[name]

    def getArgument(
        self,
        name: str,
        defaultValue: str | None = None,
    ) -> str | None:
        """Return the widget's value, or ``defaultValue`` if there is no such widget."""
        if defaultValue is not None and name not in {**self._given, **self._values}:
            return defaultValue
        return self.get(name)

    def getAll(self) -> dict[str, str]:
        """Return the values of all widgets and parameters, by name."""
        return {**self._given, **self._values}

    def remove(self, name: str) -> None:
        """Remove a widget.

        Raises:
            UsageError: there is none of that name.
        """
        self.get(name)
        self._values.pop(name, None)

    def removeAll(self) -> None:
        """Remove every widget; the task's parameters stay."""
        self._values.clear()

    @contextmanager
    def passing(self, values: Mapping[str, str]) -> Iterator[None]:
        """Give a notebook that ``%run`` runs inside the block the values passed to it."""
        given, callers, own = self._given, self._callers, dict(self._values)
        self._callers = {**given, **own}
        self._given = {**given, **values}
        for name in values:
            self._values.pop(name, None)
            self._callers.pop(name, None)
        try:
            yield
        finally:
            self._given, self._callers = given, callers
            passed = values.keys() - own.keys()
            kept = {name: each for name, each in self._values.items() if name not in passed}
            self._values = {**kept, **own}

    def _declare(self, name: str, default: str) -> None:
        if not isinstance(default, str):
            raise UsageError(
                f"the default of widget {name!r} is {default!r}: a widget's value is text",
                origin=user_origin(),
            )
        callers = self._callers or {}
        if callers.get(name, default) != default:
            raise NotEmulatedError(
                f"widget {name!r} has the value {callers[name]!r} in the notebook that calls this "
                f"one by %run, and the default {default!r} here: which of them counts is not sure",
                origin=user_origin(),
                hint=f'pass it: %run ./notebook ${name}="{callers[name]}"',
            )
        self._values[name] = self._given.get(name, self._values.get(name, default))
