"""Runs the bundle's job once and dies at a named point, as a machine that loses its power does.

python -m tests.pipelines.crash STORAGE POINT
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlt_stub.failpoints import VARIABLE  # no kit can be asked to die: this process is its own
from dlt_stub.testing import WorkspaceUnderTest
from tests.pipelines.shop import JOB, ROOT

BRONZE = "bronze.after_commit"
CDC = "cdc.between_tables"
LINKED = "archive.linked"  # a file stands in the archive and still in the source
TAKEN = "archive.taken"  # its first name is moved aside, but not gone


def main() -> None:
    """Run the job; the process is killed unless the point is never reached."""
    storage, point = Path(sys.argv[1]), sys.argv[2]
    if point == LINKED:
        os.link = _dying_after(os.link)
    elif point == TAKEN:
        # The archive task is deployed code, without failpoints: what it asks of the system is.
        os.rename = _dying_after(os.rename, to=".taken")
    else:
        os.environ[VARIABLE] = point
    WorkspaceUnderTest(ROOT, storage=storage).try_run_job(JOB)


def _dying_after(call: Callable[..., None], to: str = "") -> Callable[..., None]:
    def once(source: Any, target: Any, **options: Any) -> None:  # whatever os takes for a path
        call(source, target, **options)
        if "archive" in str(target) and str(target).endswith(to):
            os.kill(os.getpid(), signal.SIGKILL)

    return once


if __name__ == "__main__":
    main()
