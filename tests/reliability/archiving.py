"""A process that archives folders it is told of, and asks before every step in the file system.

python -m tests.reliability.archiving

It reads ``<source> <archive> <links|copies>`` from standard input. Before a call of the system
below those folders it writes ``step``, is sent how many calls it may make, and makes them; in the
end it writes ``done`` and what came of it. What is committed is not what is tried here: every file
of the folder counts as committed, so that no Spark is needed.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.tasks import archive_files as task

CALLS = ("link", "rename", "unlink", "stat", "mkdir", "open")
_where = ""
_allowed = 0


def main() -> None:
    """Archive once for each line of the input."""
    for name in CALLS:
        setattr(os, name, _asking(getattr(os, name)))
    links = os.link
    task.versions_in_folder = _versions
    task.versions_in_stage = _all_committed
    for line in sys.stdin:
        source, archive, kind = line.split()
        os.link = links if kind == "links" else _no_links
        _say("done " + _archive(Path(source), Path(archive)))


def _archive(source: Path, archive: Path) -> str:
    global _where, _allowed
    _where, _allowed = str(source.parent), 0
    try:
        outcomes = task.archive(
            None,  # type: ignore[arg-type] # replaced above: nothing asks it
            source=source,
            archive=archive,
            stage="",
            run_started=datetime.now(UTC),
        )
    except RuntimeError as error:
        return f"refused {error}".partition("\n")[0]
    finally:
        _where = ""
    return "failed" if any(outcome.failed for outcome in outcomes) else "archived"


def _versions(spark: object, source: Path) -> dict[str, task.Version]:
    found = {path: (source / path).lstat() for path in task.snapshot_files(source)}
    return {
        path: task.Version(path, seen.st_size, seen.st_mtime_ns // 1_000_000)
        for path, seen in found.items()
    }


def _all_committed(
    spark: object, stage: str, source: Path, present: Iterable[task.Version]
) -> set[task.Version]:
    return set(present)


def _asking(call: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever the call takes
    def ask(path: Any, *more: Any, **options: Any) -> Any:
        global _allowed
        if _where and str(path).startswith(_where):
            if not _allowed:
                _say("step")
                _allowed = int(sys.stdin.readline())
            _allowed -= 1
        return call(path, *more, **options)

    return ask


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "this file system has no links")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
