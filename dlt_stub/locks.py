"""One holder at a time for a pipeline or a job, across processes and threads (POSIX only).

The lock is the kernel's (``flock`` on an open file), so it ends with the process, however that
ends. The file's text only says who holds it; the file itself is never removed, because a waiting
process may have it open.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt_stub.clock import Clock, SystemClock
from dlt_stub.errors import BusyError

_SYSTEM_CLOCK = SystemClock()


@contextmanager
def exclusive(path: Path, *, what: str, clock: Clock = _SYSTEM_CLOCK) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; nobody else holds it meanwhile.

    It never waits, and it is not reentrant: a second request by the same thread, another thread or
    another process is refused alike. The file and its folder are created when missing.

    Args:
        path: The lock file; its folder belongs to the thing that is locked.
        what: What runs under the lock, in words, for the message: ``update of pipeline orders``.
        clock: Says since when the lock is held.

    Raises:
        BusyError: it is held; the message names the holder's process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inheritable (Python's default), so a JVM started meanwhile does not keep the lock alive.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _busy(descriptor, what) from error
        holder = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": clock.now().isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a live process holds the lock file ``path`` at this moment.

    Asking takes the lock for an instant: not for a lock that many compete for.
    """
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _busy(descriptor: int, what: str) -> BusyError:
    text = os.pread(descriptor, 4096, 0).decode(errors="replace")
    try:
        holder = json.loads(text)
    except json.JSONDecodeError:  # held, but its holder has not written its name yet
        return BusyError(
            f"{what} cannot start: another process holds its lock",
            hint="wait for it to end and try again",
        )
    return BusyError(
        f"{what} cannot start: {holder['what']} runs in process {holder['pid']} on "
        f"{holder['host']} since {holder['since']}",
        hint=f"wait for it to end, or stop it with: kill {holder['pid']}",
    )
