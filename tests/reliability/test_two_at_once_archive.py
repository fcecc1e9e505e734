"""Two archive runs on one folder, their steps in every order chance finds: nothing lost or doubled.

The two are real processes (``archiving``), on a file system with links and on one without; half of
the rounds begin with what a run that was killed has left.
"""

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.tasks import archive_files as task
from tests.reliability.processes import Process, hear, start, tell

ROUNDS = 20
SEED = int(os.environ.get("DLT_STUB_SEED", "11"))


@pytest.fixture(scope="module")
def archivers() -> Iterator[list[Process]]:
    with start("archiving") as one, start("archiving") as other:
        yield [one, other]
        for each in (one, other):
            each.kill()


def land(root: Path, *, after_a_crash: bool) -> dict[str, bytes]:
    """Deliver three files, one of them as a killed run has left it; return the contents."""
    source, archive = root / "source", root / "archive"
    (source / "in").mkdir(parents=True)
    contents = {name: f"id\n{name}\n".encode() for name in ("a.csv", "in/b.csv", "c.csv")}
    for name, content in contents.items():
        (source / name).write_bytes(content)
    if after_a_crash:
        staging = archive / task.STAGING
        staging.mkdir(parents=True)
        host = socket.gethostname()
        (staging / f"{task.AT_WORK}{os.getpid()}-0-x-{host}").touch()  # a number used again
        seen = (source / "a.csv").lstat()
        version = task.Version("a.csv", seen.st_size, seen.st_mtime_ns // 1_000_000)
        task.copy_whole(source / "a.csv", task.staging_name(archive, version, task.WHOLE))
    return contents


def interleave(archivers: list[Process], line: str, chance: random.Random) -> list[str]:
    """Start both, let chance say who takes the next step, and return how each ended."""
    for each in archivers:
        tell(each, line)
    stands = [hear(each) for each in archivers]
    while "step" in stands:
        at = chance.choice([at for at, where in enumerate(stands) if where == "step"])
        tell(archivers[at], str(chance.choice((1, 2, 5, 40))))
        stands[at] = hear(archivers[at])
    return stands


@pytest.mark.parametrize("kind", ["links", "copies"])
def test_two_archive_runs_lose_nothing(archivers: list[Process], tmp_path: Path, kind: str) -> None:
    chance = random.Random(SEED)
    ends: list[str] = []
    for number in range(ROUNDS):
        root = tmp_path / str(number)
        contents = land(root, after_a_crash=number % 2 == 1)
        line = f"{root / 'source'} {root / 'archive'} {kind}"
        ended = interleave(archivers, line, chance)
        assert all(end.startswith(("done archived", "done refused")) for end in ended), (
            SEED,
            ended,
        )
        ends += ended
        if not any(end == "done archived" for end in ended):  # both saw the other: the next run
            assert interleave(archivers[:1], line, chance) == ["done archived"]
        archived = [file for file in (root / "archive").rglob("*") if file.is_file()]
        found = {"/".join(file.relative_to(root / "archive").parts[3:]): file for file in archived}
        assert {name: file.read_bytes() for name, file in found.items()} == contents, (SEED, number)
        assert len(archived) == len(contents)
        assert task.snapshot_files(root / "source") == {}
    refused = [end for end in ends if end.startswith("done refused")]
    assert refused
    assert all("is archiving to" in end or "taken away" in end for end in refused)


def sign_of(archive: Path, host: str, *, hours_old: float = 0) -> Path:
    """Put up the sign of a run on another machine."""
    sign = archive / task.STAGING / f"{task.AT_WORK}1-5-unique-{host}"
    sign.parent.mkdir(parents=True, exist_ok=True)
    sign.touch()
    then = sign.stat().st_mtime - hours_old * 3600
    os.utime(sign, (then, then))
    return sign


def test_run_of_another_cluster_is_refused(tmp_path: Path) -> None:
    other = sign_of(tmp_path, "driver-7")
    with (
        pytest.raises(RuntimeError, match=r"process 1 on driver-7 is archiving to .* nothing was"),
        task.alone(tmp_path),
    ):
        pytest.fail("two were at work")
    assert list(other.parent.iterdir()) == [other]


def test_sign_of_dead_run_is_ignored(tmp_path: Path) -> None:
    sign_of(tmp_path, "driver-7", hours_old=1.1)
    with task.alone(tmp_path) as sign:
        assert list(sign.file.parent.iterdir()) == [sign.file]
        sign.file.unlink()  # by one that took this run for a dead one
        with pytest.raises(RuntimeError, match="another run may be at work"):
            sign.renew()
