"""The wish to stop: told once to the whole process, looked at between batches, flows and tasks.

Signals come to a process, not to a run, so there is one wish for all that runs in it. Who begins
something new asks ``check`` first; who has begun brings it to its end. After a grace the wish
becomes a demand: what fails then has not failed, it was cut off.
"""

import signal
import threading

_wished = threading.Event()
_demanded = threading.Event()
_ending = threading.Event()
_signals: list[int] = []


class Stopped(KeyboardInterrupt):
    """Raised when something would begin that is no longer wished; no error, so no ``Exception``.

    ``exit_code`` is what a shell expects of a process that the signal ended.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        self.number = number
        self.exit_code = 128 + number
        super().__init__(f"stopped by {signal.Signals(number).name}")


def wish(number: int) -> None:
    """Let nothing new begin; ``number`` is the signal that asked for it."""
    _signals.append(number)
    _wished.set()


def demand() -> None:
    """Let what goes on end as well, however it ends."""
    _demanded.set()


def is_wished() -> bool:
    """Return whether nothing new may begin."""
    return _wished.is_set()


def is_demanded() -> bool:
    """Return whether what goes on is being cut off."""
    return _demanded.is_set()


def is_ending() -> bool:
    """Return whether the main thread is on its way out: to interrupt it would lose its records."""
    return _ending.is_set()


def end() -> None:
    """Note that the main thread is on its way out."""
    _ending.set()


def stopped() -> Stopped:
    """Return what to raise: it knows the signal that asked first."""
    if threading.current_thread() is threading.main_thread():
        end()
    return Stopped(_signals[0] if _signals else signal.SIGINT)


def check() -> None:
    """Return if something new may begin.

    Raises:
        Stopped: it may not.
    """
    if _wished.is_set():
        raise stopped()


def forget() -> None:
    """Let things begin again: the wish was for what has ended now."""
    for event in (_wished, _demanded, _ending):
        event.clear()
    _signals.clear()
