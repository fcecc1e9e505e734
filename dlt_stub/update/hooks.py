"""Calls the event hooks of a pipeline: beside the update, one call at a time.

Source: docs "Define custom monitoring of pipelines with event hooks", 2026-11-24.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dlt_stub.declare.records import EventHook
from dlt_stub.events import Event

FINISH_SECONDS = 60  # that lagging hooks are given at an update's end; Databricks tells no number
_HOOK_PROGRESS = "hook_progress"

Record = Callable[[Event], dict[str, Any]]
OnFailure = Callable[[EventHook, Exception, bool], object]


@dataclass(slots=True, kw_only=True)
class _Hook:
    declared: EventHook
    failures: int = 0  # one after another
    is_disabled: bool = False


class Hooks:
    """Calls each hook with every stable event, in order, from one thread of its own.

    ``on_failure`` is told of a hook that raised, and whether that disabled it: the update goes on.
    """

    def __init__(
        self, hooks: Sequence[EventHook], *, record: Record, on_failure: OnFailure
    ) -> None:
        self._hooks = [_Hook(declared=hook) for hook in hooks]
        self._record = record
        self._on_failure = on_failure
        self._waiting: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="event-hooks", daemon=True)
        if self._hooks:
            self._thread.start()

    def tell(self, events: Iterable[Event]) -> None:
        """Let the hooks be called with ``events`` when it is their turn."""
        for event in events if self._hooks else ():
            if event.maturity_level == "STABLE" and event.event_type != _HOOK_PROGRESS:
                self._waiting.put(event)

    def finish(self) -> bool:
        """Return whether all hooks have been called with all events, after waiting for it."""
        if not self._hooks:
            return True
        self._waiting.put(None)
        self._thread.join(FINISH_SECONDS)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (event := self._waiting.get()) is not None:
            for hook in self._hooks:
                if not hook.is_disabled:
                    self._call(hook, event)

    def _call(self, hook: _Hook, event: Event) -> None:
        try:
            hook.declared.function(self._record(event))
            hook.failures = 0
        except Exception as error:
            hook.failures += 1
            most = hook.declared.max_failures
            hook.is_disabled = most is not None and hook.failures >= most
            self._on_failure(hook.declared, error, hook.is_disabled)


def _unheard(*_: object) -> dict[str, Any]:
    return {}


NO_HOOKS = Hooks((), record=_unheard, on_failure=_unheard)
