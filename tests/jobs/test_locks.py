import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlt_stub.clock import ManualClock
from dlt_stub.errors import BusyError, SetupError
from dlt_stub.locks import exclusive, is_held
from tests.jobs.bench import START

HOLDER = """
import sys
from pathlib import Path
from dlt_stub.locks import exclusive

with exclusive(Path(sys.argv[1]), what="update of pipeline orders"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that holds the lock until it is told to stop."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_another_process_is_named_as_holder(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "lock"
    with (
        holder(lock) as process,
        pytest.raises(BusyError) as refused,
        exclusive(lock, what="update of pipeline orders, the second"),
    ):
        pytest.fail("two held it")
    assert f"update of pipeline orders runs in process {process.pid} on " in str(refused.value)
    assert f"kill {process.pid}" in str(refused.value)


def test_a_killed_process_releases_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock) as process:
        assert is_held(lock)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with exclusive(lock, what="the next"):
            assert is_held(lock)


def test_a_process_that_ends_releases_its_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock):
        pass  # leaving closes its input, and it ends
    assert not is_held(lock)


def test_a_child_process_does_not_keep_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with exclusive(lock, what="parent"):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
    with child, exclusive(lock, what="the next"):
        assert child.poll() is None


def test_another_thread_is_refused_too(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    found: list[str] = []

    def enter() -> None:
        try:
            with exclusive(lock, what="thread"):
                found.append("entered")
        except BusyError as error:
            found.append(error.condition)

    with exclusive(lock, what="main"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert found == ["BUSY"]


def test_the_same_thread_is_refused_too(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        exclusive(lock, what="outer", clock=ManualClock(START)),
        pytest.raises(BusyError, match=r"inner cannot start: outer runs .* 2026-03-02T10:00:00"),
        exclusive(lock, what="inner"),
    ):
        pytest.fail("two held it")


def test_an_error_inside_releases_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), exclusive(lock, what="x"):
        raise ZeroDivisionError
    assert not is_held(lock)


def test_a_stopped_process_holds_it_still(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock) as process:
        os.kill(process.pid, signal.SIGSTOP)
        try:
            with (
                pytest.raises(BusyError, match=f"runs in process {process.pid}"),
                exclusive(lock, what="the next", clock=ManualClock(START), wait_seconds=60),
            ):
                pytest.fail("two held it")
        finally:
            os.kill(process.pid, signal.SIGCONT)


def test_who_waits_comes_in_after_the_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with holder(lock) as process:
        process.kill()
        with exclusive(lock, what="the next", wait_seconds=60):
            assert is_held(lock)


def test_place_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            SetupError,
            match=r"x cannot start: its lock file .*file/lock cannot be held: File exists",
        ),
        exclusive(tmp_path / "file" / "lock", what="x"),
    ):
        pytest.fail("nothing was locked")

    def no_locks(descriptor: int, operation: int) -> None:  # as an NFS mounted without them
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    with (
        pytest.raises(SetupError, match=r"No locks available\n  Hint: .* on a local disk"),
        exclusive(tmp_path / "lock", what="x"),
    ):
        pytest.fail("nothing was locked")


def test_what_was_never_locked_is_free(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
