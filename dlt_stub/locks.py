"""One holder at a time for a pipeline or a job, across processes and threads (POSIX only).

The lock is the kernel's (``flock`` on an open file), so it ends with the process, however that
ends; a process that is only stopped holds it still. The file's text only says who holds it; the
file itself is never removed, because a waiting process may have it open.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlt_stub import stopping
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.disk import disk_error
from dlt_stub.errors import BusyError, DltStubError, SetupError

_SYSTEM_CLOCK = SystemClock()
_POLL_SECONDS = 0.05
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def exclusive(
    path: Path, *, what: str, clock: Clock = _SYSTEM_CLOCK, wait_seconds: float = 0.0
) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; nobody else holds it meanwhile.

    It is not reentrant: a second request by the same thread, another thread or another process is
    refused alike. The file and its folder are created when missing.

    Args:
        path: The lock file; its folder belongs to the thing that is locked.
        what: What runs under the lock, in words, for the message: ``update of pipeline orders``.
        clock: Says since when the lock is held.
        wait_seconds: How long to wait for a holder to end before that is refused.

    Raises:
        BusyError: it is held; the message names the holder's process.
        SetupError: no lock can be had there: a file system without locks, or nothing may be
            written.
        DiskError: the disk is full.
    """
    try:
        descriptor = _acquire(path, what, clock, wait_seconds)
    except OSError as error:
        raise _no_lock(path, what, error) from error
    try:
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether a live process holds the lock file ``path`` at this moment.

    Asking takes the lock for an instant: not for a lock that many compete for.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared: of two that ask at once neither takes the other for a holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _acquire(path: Path, what: str, clock: Clock, wait_seconds: float) -> int:
    """Return the descriptor that holds the lock: closing it lets go.

    Raises:
        BusyError: it is held.
        OSError: no lock can be had there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inheritable (Python's default), so a JVM started meanwhile does not keep the lock alive.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        waited_seconds = 0.0
        while not _is_taken(descriptor):
            if waited_seconds >= wait_seconds:
                raise _busy(descriptor, what)
            clock.wait(_POLL_SECONDS)
            stopping.check()
            waited_seconds += _POLL_SECONDS
        holder = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": clock.now().isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _no_lock(path: Path, what: str, error: OSError) -> DltStubError:
    said = f"{what} cannot start: its lock file {path} cannot be held"
    if error.errno in _FULL and (refused := disk_error(error, said)) is not None:
        return refused
    hint = "this user must be able to make and change files there"
    if error.errno in _NO_LOCKS:
        hint = "that file system knows no locks: keep the workspace (--storage) on a local disk"
    return SetupError(f"{said}: {error.strerror}", hint=hint)


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
