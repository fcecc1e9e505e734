"""Two processes on one workspace: what is refused, what is queued, what goes on side by side."""

import subprocess
import sys
from pathlib import Path

from tests.pipelines.shop import ROOT

ROUNDS = 20


def start(module: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start a module of the tests that is spoken to by lines."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.reliability.{module}", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    """Send a line, without waiting for what comes of it."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def hear(process: "subprocess.Popen[str]") -> str:
    """Return the next line that a process writes, or "" once it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def test_new_workspace_gives_one_name_once(tmp_path: Path) -> None:
    with start("registering", "one") as one, start("registering", "two") as two:
        assert [hear(one), hear(two)] == ["ready", "ready"]
        for number in range(ROUNDS):
            for each in (one, two):
                tell(each, str(tmp_path / str(number)))
            answers = {"one": hear(one), "two": hear(two)}
            (winner,) = [name for name, answer in answers.items() if answer == "won"]
            (loser,) = set(answers) - {winner}
            assert f"main.shop.orders is already managed by pipeline {winner}" in answers[loser]
            assert (tmp_path / str(number) / "format").read_text() == "1"
        for each in (one, two):
            assert each.stdin is not None
            each.stdin.close()
