"""Real faults of a disk, for a block: one that is full, one that is read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Let ``folder`` be a disk of its own while the block runs; its content is gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(disk: Path, *, left_bytes: int = 0) -> Iterator[None]:
    """Leave only so much room on ``disk`` while the block runs."""
    ballast = disk / ".ballast"
    numbers = os.statvfs(disk)
    size = numbers.f_bavail * numbers.f_frsize - left_bytes
    with ballast.open("wb") as file:
        while size > 0:
            size -= file.write(b"\0" * min(size, 1 << 20))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let nothing below ``folder`` be written while the block runs, by root neither."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,ro,bind", str(folder))
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
