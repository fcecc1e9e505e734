"""Lands the next days of sample orders, lets the file-arrival trigger fire, and shows the outcome.

This is ``make run``. The first time two days land, so that there are late rows from the start;
each time after, one more.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dlt_stub.cli.display import Display, open_display
from dlt_stub.cli.place import Place
from dlt_stub.cli.sql import texts
from dlt_stub.cli.tables import row_table
from dlt_stub.cli.watch import watch_runs
from dlt_stub.errors import DltStubError
from dlt_stub.workspace import Workspace
from samples.orders_feed import land_next, read_progress

JOB = "order_ingest"
FIRST_DAYS = 2
TARGET_ROWS = """
    SELECT order_id, status, quantity, amount, currency, updated_at
    FROM orders_target ORDER BY order_id LIMIT 10
"""
NEXT = """
What to type next (the tables stay in .dlt_stub):
  make run                                                 lands the next day
  .venv/bin/dlt-stub run order_ingest                      nothing new: commits nothing
  .venv/bin/dlt-stub sql "SELECT * FROM orders_quarantine" rows held back, with the rules they broke
  .venv/bin/dlt-stub events orders --update latest         what the last update did, step by step
  .venv/bin/dlt-stub watch order_ingest --wait-seconds 2   then copy files into its folder
"""


def main() -> int:
    """Return 0 if the day's files went through the job and into the archive."""
    with open_display(as_json=False).opened() as display:
        try:
            workspace = Place(bundle=Path(__file__).parent.parent).open()
            land_days(workspace, display)
            runs = watch_runs(workspace, JOB, display, wait_seconds=1, max_runs=1)
            if not runs or not runs[-1].state.has_succeeded:
                return 1
            show_outcome(workspace, display)
        except DltStubError as error:
            display.failure(str(error))
            return error.exit_code
    return 0


def land_days(workspace: Workspace, display: Display) -> None:
    """Put the files of the next day into the trigger's location; of two days the first time."""
    state_file = workspace.paths.root / "sample_feed.json"
    trigger = workspace.trigger(JOB)
    if not trigger.state_file.exists():
        trigger.check()  # so that what lands now is news to it
    first_day = datetime.now(UTC).date() - timedelta(days=7)  # so that lateness is hours, not years
    for _ in range(1 if read_progress(state_file) else FIRST_DAYS):
        for file in land_next(trigger.location, state_file, first_day=first_day):
            display.say(f"landed {file.name}")


def show_outcome(workspace: Workspace, display: Display) -> None:
    """Print ten target rows, the archive, and what to type next."""
    rows = workspace.sql(TARGET_ROWS)
    display.show(row_table(rows.columns, texts(rows), title="orders_target, its first ten rows"))
    archive = workspace.trigger(JOB).location.parent / "archive"
    files = sorted(file for file in archive.rglob("*") if file.is_file())
    listing = [(file.relative_to(archive), f"{file.stat().st_size:,}") for file in files]
    display.show(row_table(("file", "bytes"), listing, title="archive"))
    display.say(f"in {archive}")
    display.say(NEXT)


if __name__ == "__main__":
    sys.exit(main())
