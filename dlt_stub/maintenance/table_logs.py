"""Cutting Delta's log of a table, whose folder Delta lists again and again in every update."""

import os
import re
from pathlib import Path
from typing import Final

from dlt_stub.engine.delta_log import TableUpkeep
from dlt_stub.failpoints import reach
from dlt_stub.maintenance.readers import oldest_needed_version
from dlt_stub.paths import WorkspacePaths

LOG_RETENTION: Final = "delta.logRetentionDuration"
KEPT_COMMITS: Final = 100
_VERSION = re.compile(r"\.?(\d{20})\.")  # with a dot in front: Hadoop's checksum of the file


def cut_log(path: Path, table: TableUpkeep, paths: WorkspacePaths, kept: int) -> None:
    """Remove commits that a checkpoint stands for.

    The newest ``kept`` stay, and those that a stream of the workspace goes on from; most calls do
    nothing. A table that sets ``delta.logRetentionDuration`` is left to Delta, which looks at days:
    runs a minute apart leave 43,200 commits in its 30, each of them listed more than once in an
    update. Cut short anywhere, what is left reads as before: the oldest goes first.
    """
    if LOG_RETENTION in table.properties:
        return
    files: dict[int, list[Path]] = {}
    with os.scandir(path / "_delta_log") as entries:
        for entry in entries:
            if found := _VERSION.match(entry.name):
                files.setdefault(int(found[1]), []).append(Path(entry.path))
    if len(files) <= kept + kept // 2:
        return
    needed = oldest_needed_version(paths, table.table_id)
    # A stream asks for its table as it was before the version it goes on from.
    last = min(table.version - kept, table.version if needed is None else needed - 2)
    whole = (v for v in files if v <= last and _checkpoint(path, v) in files[v])
    until = max(whole, default=0)
    for version in sorted(version for version in files if version < until):
        for file in files[version]:
            file.unlink(missing_ok=True)
        reach("maintenance.log_cut")


def _checkpoint(path: Path, version: int) -> Path:
    return path / "_delta_log" / f"{version:020d}.checkpoint.parquet"
