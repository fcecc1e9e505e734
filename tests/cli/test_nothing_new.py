"""``dlt-stub run order_ingest`` with nothing new: no table, ledger or archive changes."""

from pathlib import Path

import pytest

from dlt_stub.cli.place import Place
from samples.orders_feed import land
from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]


def versions(storage: Path) -> dict[str, str]:
    """Return the last commit of every Delta table, auxiliary ones included."""
    logs = sorted((storage / "tables").rglob("_delta_log"))
    return {
        str(log.parent.relative_to(storage)): max(file.name for file in log.glob("*.json"))
        for log in logs
    }


def listing(folder: Path) -> dict[str, int]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): file.stat().st_mtime_ns for file in files}


@pytest.mark.usefixtures("spark")
def test_run_with_nothing_new_commits_nothing(cli: Cli, tmp_path: Path) -> None:
    source = Place(bundle=ROOT, storage=tmp_path).open().trigger("order_ingest").location
    land(source, 1)
    first = cli("run", "order_ingest", "--bundle", ROOT, "--storage", tmp_path)
    assert first.exit_code == 0, first.output
    before, archived = versions(tmp_path), listing(source.parent)
    assert len(before) >= 5
    assert len(archived) == 2

    second = cli("run", "order_ingest", "--bundle", ROOT, "--storage", tmp_path)

    assert second.exit_code == 0, second.output
    assert versions(tmp_path) == before
    assert listing(source.parent) == archived
