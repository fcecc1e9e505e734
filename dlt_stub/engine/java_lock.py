"""Holds a lock with the session's Java: whoever kills Python has not stopped Java yet.

Java notices that its Python is gone and ends, but what it was about to commit to a Delta table it
may still commit meanwhile. A lock of Java's own (``FileChannel``, so ``fcntl``) ends with Java.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import SparkSession

from dlt_stub import stopping
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.disk import writing
from dlt_stub.errors import BusyError, SetupError

WAIT_SECONDS = 60.0  # Java ends within seconds, unless something stops it
_POLL_SECONDS = 0.05
_SYSTEM_CLOCK = SystemClock()


@contextmanager
def held_by_java(
    spark: SparkSession,
    path: Path,
    *,
    what: str,
    clock: Clock = _SYSTEM_CLOCK,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[None]:
    """Hold the lock file ``path`` with the Java of ``spark``; it lasts as long as Java may write.

    It comes after a lock of Python's own (``locks.exclusive``), under which nobody else asks. The
    Java of a process that was killed is waited for.

    Raises:
        BusyError: another Java holds it; the message names its process.
        SetupError: no lock can be had there.
        DiskError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    java: Any = spark._jvm  # Any: Py4J
    try:
        channel = java.java.io.RandomAccessFile(str(path), "rw").getChannel()
    except Py4JJavaError as error:
        raise _no_lock(path, what, error) from error
    try:
        waited_seconds = 0.0
        while not _is_taken(channel, path, what):
            if waited_seconds >= wait_seconds:
                raise _busy(path, what)
            clock.wait(_POLL_SECONDS)
            stopping.check()
            waited_seconds += _POLL_SECONDS
        # Written by Python: the lock is Java's, and no other process's open or close ends it.
        with writing(path):
            path.write_text(json.dumps({"pid": java.java.lang.ProcessHandle.current().pid()}))
        yield
    finally:
        with suppress(Py4JError, ConnectionError):  # Java is gone, and its lock with it
            channel.close()


def _is_taken(channel: Any, path: Path, what: str) -> bool:  # Any: Py4J
    try:
        return channel.tryLock() is not None
    except Py4JJavaError as error:
        # This very Java holds it: it serves another Python, or served one that was killed.
        if "OverlappingFileLockException" in error.java_exception.getClass().getName():
            return False
        raise _no_lock(path, what, error) from error


def _busy(path: Path, what: str) -> BusyError:
    pid = json.loads(path.read_text() or "{}").get("pid", "unknown")
    return BusyError(
        f"{what} cannot start: the process of an earlier one is gone, but its Java (process {pid})"
        " has not ended and may still write",
        hint=f"wait for it to end, or stop it with: kill -9 {pid}",
    )


def _no_lock(path: Path, what: str, error: Py4JJavaError) -> SetupError:
    return SetupError(
        f"{what} cannot start: Java cannot hold its lock file {path}: "
        f"{error.java_exception.getMessage()}",
        hint="keep the workspace (--storage) on a local disk that this user may write",
    )
