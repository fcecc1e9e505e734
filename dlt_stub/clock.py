"""The only place that reads the time: rooms get a clock as an argument."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of the current instant that can also be waited on."""

    def now(self) -> datetime:
        """Return the current instant, UTC-aware."""

    def wait(self, seconds: float) -> None:
        """Return once ``seconds`` have passed on this clock."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's current instant, UTC-aware."""
        return datetime.now(UTC)

    def wait(self, seconds: float) -> None:
        """Block the calling thread for ``seconds`` seconds."""
        time.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is set: waiting moves it, nobody sleeps."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the instant the clock was last moved to."""
        with self._lock:
            return self._now

    def wait(self, seconds: float) -> None:
        """Move the clock ``seconds`` seconds forward and return at once."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
