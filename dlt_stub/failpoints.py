"""Places where a test may kill the process, each named after what has just been done.

``DLT_STUB_FAILPOINT=name`` kills at the first time the point is reached, ``name:3`` at the third;
``name@subject`` only where the point is reached for that table, flow or file. Without the variable
nothing happens. Where the process leads a group of its own (as a shell's jobs do, and the tests'),
the whole group is killed: the JVM dies in the same instant, as it does when a machine does.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dlt_stub.errors import UsageError, nearest

VARIABLE: Final = "DLT_STUB_FAILPOINT"

# Name -> what is true at that instant; ``@`` what it can be narrowed to. Each is killed at by
# a test of tests/reliability or tests/maintenance; test_crash_matrix_list.py holds that.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "atomic.drafted": "a small file's new content is on disk under a draft's name (@file name)",
        "bronze.after_commit": "files' rows are in the table, their ledger entry is open",
        "cdc.between_tables": "the auxiliary table is committed, the target is not",
        "cdc.target_committed": "both tables are committed, the checkpoint is not (@table)",
        "cloud_files.assigned": "new files have batches in the ledger, their rows are nowhere",
        "cloud_files.cleaned": "cleanSource has moved a file, the ledger does not say so",
        "cloud_files.committed": "the ledger entry is closed, nobody was told of it",
        "cloud_files.released": "a batch is given up, the files that can be read have a new one",
        "cloud_files.schema_written": "the next schema is written, the flow was not started again",
        "cloud_files.started": "the source has an id in its ledger and no batch",
        "events.drafted": "events are on disk under a name that nobody reads",
        "events.merged": "a merged file of events is there, and all that it stands for",
        "events.removed": "a segment is gone that a merged file stands for",
        "events.linked": "an event segment has its name, the draft is still there",
        "flows.batch_kept": "what a batch did is kept, its progress is not committed (@table)",
        "flows.batch_told": "what a batch did is told, and still kept for telling (@table)",
        "flows.checkpoint_committed": "Spark's checkpoint has the batch, nobody was told (@table)",
        "flows.columns_added": "a table has got new columns and no row (@table)",
        "flows.once_done": "a one-time flow is noted as done, nobody was told of it",
        "flows.progress_reset": "a flow's new progress has begun, the old is still on disk",
        "flows.reset_half": "a full refresh has taken a table's progress, but not its rows",
        "flows.reset_marked": "a full refresh is begun, nothing is taken yet",
        "flows.rows_appended": "a batch is in the table, nothing else knows (@table)",
        "flows.table_made": "a table is made, no flow has run (@table)",
        "jobs.run_saved": "a state of a job run is on disk, and not told",
        "jobs.trigger_confirmed": "a firing of the trigger is done with",
        "jobs.trigger_fired": "a firing of the trigger is noted, no run has begun",
        "ledger.compacted": "a ledger's snapshot is there, and all that it stands for",
        "ledger.removed": "a segment is gone that a ledger's snapshot stands for",
        "maintenance.log_cut": "the oldest version of a table's log is gone, others have to go",
        "maintenance.optimized": "a table is compacted, and not noted as such",
        "maintenance.vacuumed": "a table is vacuumed, and not noted as such",
        "registry.written": "a table is registered, and does not exist yet (@table)",
        "snapshots.after_commit": "a snapshot is in the table, and not noted as applied",
        "snapshots.begun": "a snapshot is noted as begun, its rows are nowhere",
    }
)

_reached: Counter[str] = Counter()
_lock = threading.Lock()


def reach(name: str, subject: str = "") -> None:
    """Kill this process with SIGKILL if ``DLT_STUB_FAILPOINT`` asks for it, else do nothing."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    point, only, nth = _understood(wanted)
    if point != name or only not in ("", subject):
        return
    with _lock:
        _reached[wanted] += 1
        is_time = _reached[wanted] == nth
    if is_time:
        _die()


def check_failpoint() -> None:
    """Return once the variable, if it is set, is known to name a failpoint.

    Raises:
        UsageError: it does not.
    """
    if (wanted := os.environ.get(VARIABLE)) is not None:
        _understood(wanted)


def _understood(wanted: str) -> tuple[str, str, int]:
    rest, _, count = wanted.partition(":")
    point, _, subject = rest.partition("@")
    if point not in NAMES or not (count or "1").isdecimal() or count == "0":
        near = nearest(point, NAMES)
        raise UsageError(
            f"{VARIABLE} is {wanted!r}; allowed: one of {', '.join(NAMES)}, with @subject or "
            ":number behind it",
            hint=f"did you mean '{near}'?" if near else f"unset {VARIABLE}",
        )
    return point, subject, int(count or "1")


def _die() -> None:
    process = os.getpid()
    if os.getpgrp() == process:
        os.killpg(process, signal.SIGKILL)
    os.kill(process, signal.SIGKILL)
