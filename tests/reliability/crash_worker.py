"""Runs the bundle's job once and dies at a named point, as a machine that loses its power does.

python -m tests.reliability.crash_worker STORAGE POINT

A point is one of ``dlt_stub.failpoints``, or one of the archive task, which is deployed code
without failpoints: what it asks of the system is listened to.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlt_stub.failpoints import VARIABLE
from dlt_stub.testing import WorkspaceUnderTest
from tests.pipelines.shop import JOB, ROOT

NOTED = "archive.noted"  # what is to move is noted, nothing has moved
LINKED = "archive.linked"  # a file stands in the archive and still in the source
TAKEN = "archive.taken"  # its first name is moved aside, but not gone
COPYING = "archive.copying"  # no links: the copy is made, and does not count as whole
COPIED = "archive.copied"  # no links: the copy is whole, the original still there
DELETED = "archive.deleted"  # no links: the original is gone, the copy has no name yet
RECORDED = "archive.recorded"  # the moves are recorded, their note is still there

System = Callable[..., None]


def main() -> None:
    """Run the job; the process is killed unless the point is never reached."""
    storage, point = Path(sys.argv[1]), sys.argv[2]
    if point == NOTED:
        os.replace = _dying(os.replace, after=".json")
    elif point == RECORDED:
        os.unlink = _dying_before_note_goes(os.unlink)
    elif point == LINKED:
        os.link = _dying(os.link, after="archive")
    elif point == TAKEN:
        os.rename = _dying(os.rename, after=".taken")
    elif point in (COPYING, COPIED, DELETED):
        os.link = _not_here(os.link)
        if point == DELETED:
            os.unlink = _dying_without_original(os.unlink)
        else:
            is_after = point == COPIED
            before, after = ("", ".whole") if is_after else (".whole", "")
            os.rename = _dying(os.rename, before=before, after=after)
    else:
        os.environ[VARIABLE] = point
    workspace = WorkspaceUnderTest(ROOT, storage=storage)
    if point.startswith("jobs.trigger"):
        workspace.workspace.watch(JOB, waits_seconds=0, max_runs=1)
    else:
        workspace.try_run_job(JOB)


def _dying(call: System, *, before: str = "", after: str = "") -> System:
    def once(source: Any, target: Any, **options: Any) -> None:  # whatever os takes for a path
        is_archives = "/archive/" in str(target)
        if before and is_archives and str(target).endswith(before):
            _die()
        call(source, target, **options)
        if after and is_archives and (after == "archive" or str(target).endswith(after)):
            _die()

    return once


def _dying_without_original(call: System) -> System:
    def once(path: Any, **options: Any) -> None:  # as above
        call(path, **options)
        if "/volumes/" in str(path) and "/source/" in str(path):  # not a flow's own folder
            _die()

    return once


def _dying_before_note_goes(call: System) -> System:
    def once(path: Any, **options: Any) -> None:  # as above
        if "/.records/" in str(path) and str(path).endswith(".json"):
            _die()
        call(path, **options)

    return once


def _not_here(call: System) -> System:
    def refuse(source: Any, target: Any, **options: Any) -> None:  # as above
        if "/archive/" in str(target):
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), str(target))
        call(source, target, **options)

    return refuse


def _die() -> None:
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
