"""Merges an event log or compacts a ledger, in a process of its own that may be killed."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from dlt_stub.cloud_files import CloudFilesState
from dlt_stub.events import merge, newest_in

if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what == "events":
        since = datetime(2020, 1, 1, tzinfo=UTC)
        merge(folder, needs=lambda _: False, keep_since=since, newest_in=newest_in, merge_at=5)
    else:
        CloudFilesState(folder).compact(few=3)
