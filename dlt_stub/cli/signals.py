"""What Ctrl-C and SIGTERM do to a verb that runs something."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pyspark import SparkContext

from dlt_stub import stopping
from dlt_stub.cli.display import Display
from dlt_stub.engine.lost import is_spark_lost

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_SECONDS = 6.0  # for the batch or task under way; with what follows it stays below ten
_AGAIN_SECONDS = 0.5  # a batch may begin another Spark job after its last one was cancelled


@contextmanager
def stop_on_signals(display: Display) -> Iterator[None]:
    """Let the first signal ask for a stop, and the next one, or the end of the grace, force it.

    After the first nothing new begins: no batch, flow, task or run. What is under way then is cut
    off by cancelling Spark's jobs: a batch is committed as a whole or not at all. Enter the block
    when Spark has started: it puts its own handler in place.

    Raises:
        Stopped: a signal ended what the block ran.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    stopping.forget()  # what stopped something earlier in this process
    stopper = _Stopper(display)
    before = {number: signal.signal(number, stopper.handle) for number in SIGNALS}
    try:
        yield
    finally:
        stopper.close()
        for number, handler in before.items():
            signal.signal(number, handler)
        stopping.forget()


class _Stopper:
    """Hears the signals of one verb; a timer of its own speaks when the grace is over."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._main = threading.get_ident()
        self._is_over = threading.Event()
        self._times_up = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take one signal, in the main thread.

        Raises:
            Stopped: the main thread is to end at once.
        """
        if not stopping.is_wished():
            stopping.wish(number)
            threading.Thread(target=self._wait, name="grace", daemon=True).start()
            self._display.say(
                f"stopping: nothing new begins, and what is under way has {GRACE_SECONDS:g} "
                "seconds to end; another Ctrl-C cuts it off"
            )
            return
        is_impatient = stopping.is_demanded() and not self._times_up
        self._times_up = False
        if not stopping.is_demanded():
            stopping.demand()
            threading.Thread(target=self._cancel_jobs, name="cancel", daemon=True).start()
        if is_impatient or not stopping.is_ending():
            raise stopping.stopped()

    def close(self) -> None:
        """Hear no more: the threads end by themselves."""
        self._is_over.set()

    def _wait(self) -> None:
        if not self._is_over.wait(GRACE_SECONDS) and not stopping.is_demanded():
            self._times_up = True
            signal.pthread_kill(self._main, signal.SIGINT)

    def _cancel_jobs(self) -> None:
        while not self._is_over.is_set():
            context = SparkContext._active_spark_context  # what pyspark's own Ctrl-C cancels by
            if context is None or is_spark_lost():
                return
            context.cancelAllJobs()
            self._is_over.wait(_AGAIN_SECONDS)
