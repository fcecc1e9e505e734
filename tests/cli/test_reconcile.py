from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub.accounting import Account, Imbalance, Kind, Reconciliation
from dlt_stub.cli.reconcile import instant, with_volumes
from dlt_stub.clock import ManualClock
from dlt_stub.errors import UsageError
from dlt_stub.paths import WorkspacePaths
from tests.cli.conftest import Cli

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("7d", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("90m", datetime(2026, 3, 8, 10, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T02:00:00+02:00", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_window_begins_when_it_says(text: str, meant: datetime) -> None:
    assert instant(text, ManualClock(NOW)) == meant


def test_window_of_no_time_is_refused() -> None:
    with pytest.raises(UsageError, match="'soon' is no time"):
        instant("soon")


def test_files_are_named_as_on_databricks(tmp_path: Path) -> None:
    paths = WorkspacePaths.at(tmp_path)
    source = f"{paths.volumes}/main/shop/data/source"
    account = Account(
        file="a.csv",
        size=1,
        modified_at=NOW,
        rows_in_file=None,
        rows=None,
        accepted=None,
        quarantined=None,
        rescued=None,
        where=f"{source}/a.csv",
    )
    wrong = Imbalance(kind=Kind.GONE, file="a.csv", message=f"{source}/a.csv and {source}/b.csv")
    result = Reconciliation(table="stage", source=source, accounts=(account,), imbalances=(wrong,))
    shown = with_volumes(result, paths)
    assert shown.source == "/Volumes/main/shop/data/source"
    assert shown.accounts[0].where == "/Volumes/main/shop/data/source/a.csv"
    assert str(tmp_path) not in shown.imbalances[0].message
    assert (shown.totals.rows, shown.balances) == (None, False)


def test_unknown_pipeline_needs_no_spark(cli: Cli, bundle: Path) -> None:
    done = cli("reconcile", "froot", "--bundle", bundle)
    assert done.exit_code == 2
    assert "did you mean 'fruit'?" in done.stderr
