"""What a Delta table's log says, read without a Spark job (local tables only)."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dlt_stub.errors import StateError


def latest_version(table: Path) -> int | None:
    """Return the number of the table's newest commit, or None where there is no table."""
    versions = [
        int(file.stem)
        for file in (table / "_delta_log").glob("*.json")
        if len(file.stem) == 20 and file.stem.isdigit()
    ]
    return max(versions, default=None)


def actions(table: Path, version: int) -> Iterator[Mapping[str, Any]]:
    """Yield the actions of one commit.

    Raises:
        StateError: the commit is not there or cannot be read.
    """
    file = table / "_delta_log" / f"{version:020d}.json"
    try:
        for line in file.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
    except (OSError, ValueError) as error:
        raise StateError(f"commit {version} of Delta table {table} cannot be read") from error


def operation_metrics(table: Path, version: int) -> Mapping[str, int]:
    """Return the row counts one commit recorded, by Delta's own names."""
    for action in actions(table, version):
        if "commitInfo" in action:
            metrics = action["commitInfo"].get("operationMetrics", {})
            return {name: int(value) for name, value in metrics.items() if value.isdigit()}
    return {}
