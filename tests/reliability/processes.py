"""Processes of these tests, spoken to by lines."""

import subprocess
import sys

from tests.pipelines.shop import ROOT

Process = subprocess.Popen[str]


def start(module: str, *arguments: str) -> Process:
    """Start a module of this folder."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.reliability.{module}", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: Process, line: str) -> None:
    """Send a line, without waiting for what comes of it."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: Process) -> str:
    """Return the next line that a process writes, or "" once it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")
