from pathlib import Path
from typing import Any

import pytest

from dlt_stub.clock import ManualClock
from dlt_stub.paths import WorkspacePaths
from tests.jobs.bench import START, Bench, Make


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A workspace of its own, on a clock that stands still."""
    return Bench(paths=WorkspacePaths.at(tmp_path / ".dlt_stub"), clock=ManualClock(START))


@pytest.fixture
def task() -> Make:
    """Makes a task that runs a Python file: ``task("b", "a", run_if="ALL_DONE")``."""

    def make(key: str, *after: str, **fields: Any) -> dict[str, Any]:
        depends_on = []
        for name in after:
            upstream, _, outcome = name.partition("=")
            depends_on.append({"task_key": upstream} | ({"outcome": outcome} if outcome else {}))
        made: dict[str, Any] = {"task_key": key, "depends_on": depends_on, **fields}
        if not any(name.endswith("_task") for name in fields):
            made["spark_python_task"] = {"python_file": "x.py"}
        return made

    return make
