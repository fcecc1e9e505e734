"""``on_event_hook``: functions that are called with the events of an update.

Source: docs "Define custom monitoring of pipelines with event hooks", 2026-11-24.
"""

import inspect
from collections.abc import Callable
from typing import Any

from dlt_stub.declare.queries import called, name_of
from dlt_stub.declare.records import EventHook
from dlt_stub.declare.registry import active_registry, user_origin
from dlt_stub.errors import DefinitionError, Origin

_WORD = "on_event_hook"


def on_event_hook(
    user_event_hook_fn: Any = None, max_allowable_consecutive_failures: int | None = None
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a function that is called with each event of every update, one at a time.

    Raises:
        DefinitionError: it does not take one argument, or the number is negative.
    """
    origin = user_origin()
    most = max_allowable_consecutive_failures
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        raise DefinitionError(
            f"max_allowable_consecutive_failures is {most!r}; allowed: None, 0 and above",
            origin=origin,
        )

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        called(function, _WORD, origin)
        _check_takes_an_event(function, origin)
        active_registry(_WORD).add_hook(
            EventHook(
                name=name_of(function, origin), function=function, origin=origin, max_failures=most
            )
        )
        return function

    return declare if user_event_hook_fn is None else declare(user_event_hook_fn)


def _check_takes_an_event(function: Callable[..., Any], origin: Origin) -> None:
    try:
        inspect.signature(function).bind({})
    except TypeError as error:
        raise DefinitionError(
            f"an event hook takes one argument, the event: {error}",
            origin=origin,
            hint="def my_hook(event): ...",
        ) from error
    except ValueError:
        return  # a function of C tells no signature
