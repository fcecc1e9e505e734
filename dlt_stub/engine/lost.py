"""Whether Spark's Java process still lives, what to say when it does not, how to start anew."""

import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from py4j.protocol import Py4JError
from pyspark import SparkContext
from pyspark.sql import SparkSession

from dlt_stub.errors import SparkLostError


def is_spark_lost() -> bool:
    """Return whether this process had a Spark whose Java process has ended or cannot be reached."""
    gateway: Any = SparkContext._gateway  # Py4J has no types
    if gateway is None:
        return False
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if process is not None and process.poll() is not None:
        return True
    try:
        gateway.jvm.java.lang.System.nanoTime()
    except (Py4JError, OSError):
        return True
    return False


def lost_spark() -> SparkLostError | None:
    """Return the error that says how Spark's Java process ended, or None while it lives."""
    if not is_spark_lost():
        return None
    process: subprocess.Popen[bytes] | None = getattr(SparkContext._gateway, "proc", None)
    # A closed connection is noticed an instant before the process that had it is gone.
    code = None if process is None else _code_of(process)
    how = "ended or cannot be reached"
    if process is not None and code is not None:
        how = f"(process {process.pid}) {_end(code)}"
    return SparkLostError(
        f"Spark's Java process {how}; what was committed stays, the rest has not happened",
        hint="run the same command again: it goes on from there. If it happens again, the system "
        "may lack memory: dmesg | grep -i 'killed process' says so",
    )


def forget_lost_spark() -> None:
    """Let the next session of this process start a Java process of its own.

    pyspark keeps its gateway for ever, and offers no way to drop one whose other end is gone.
    """
    context, gateway = SparkContext._active_spark_context, SparkContext._gateway
    accumulators: Any = getattr(context, "_accumulatorServer", None)
    if accumulators is not None:
        accumulators.shutdown()
    if gateway is not None:
        gateway.close(keep_callback_server=False, close_callback_server_connections=True)
    SparkContext._gateway = SparkContext._jvm = None
    SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = None
    SparkSession._activeSession = None  # set by its constructor


def own_interrupt_handler() -> Callable[[int, FrameType | None], object] | None:
    """Return who hears Ctrl-C in the main thread, unless that is pyspark: a new session takes it.

    pyspark puts its own in place whenever a session starts.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        return None
    is_pyspark = str(getattr(handler, "__module__", "")).startswith("pyspark")
    return None if is_pyspark else handler


def _code_of(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _end(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
