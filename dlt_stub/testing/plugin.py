"""The pytest plugin: the ``dlt_pipeline`` fixture, and every ``case.yml`` as a test.

Spark is imported when a test first needs it: pytest itself starts no slower.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dlt_stub.testing.case import Case


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return the collector of a ``case.yml`` beside a folder ``pipeline``, or None for others."""
    is_case = file_path.name == "case.yml" and (file_path.parent / "pipeline").is_dir()
    return CaseFile.from_parent(parent, path=file_path) if is_case else None


class CaseFile(pytest.File):
    """One ``case.yml``: one test, called by its folder's name."""

    def collect(self) -> Iterable[pytest.Item]:
        """Yield the case."""
        from dlt_stub.testing.case import read_case

        case = read_case(self.path)
        item = CaseItem.from_parent(self, name=case.name, case=case)
        if case.slow:
            item.add_marker(pytest.mark.slow)
        yield item


class CaseItem(pytest.Item):
    """One case, run in a workspace that is gone afterwards."""

    def __init__(self, *, case: "Case", **arguments: Any) -> None:  # whatever pytest.Item takes
        super().__init__(**arguments)
        self.case = case

    def runtest(self) -> None:
        """Run the case on the session of this process."""
        from dlt_stub.testing.runner import run_case

        with tempfile.TemporaryDirectory(prefix="dlt_stub-case-") as folder:
            run_case(self.case, storage=Path(folder), spark=_session())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """Return what the case says of itself, or the whole traceback of anything else."""
        from dlt_stub.testing.runner import CaseFailure

        if isinstance(excinfo.value, CaseFailure):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where the case stands and what it is called."""
        return self.path, None, f"case: {self.case.name}"


def _session() -> "SparkSession":
    """Return the one Spark session of this process; it ends with the process."""
    from dlt_stub.engine.session import start_session

    return start_session()
