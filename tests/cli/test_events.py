import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dlt_stub.cli.events import select
from dlt_stub.clock import ManualClock
from dlt_stub.errors import UsageError
from dlt_stub.events import Event, EventLog, Level
from tests.cli.conftest import Cli


@pytest.fixture
def log(tmp_path: Path) -> list[Event]:
    """The events of two updates, the second of which failed."""
    found: list[Event] = []
    clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
    for update in ("aaaa1", "aaab2"):
        writer = EventLog(
            tmp_path, clock=clock, origin={"update_id": update}, listener=found.append
        )
        writer.emit("create_update", f"Update {update} started")
        level = Level.ERROR if update == "aaab2" else Level.INFO
        writer.emit("update_progress", f"Update {update} is over", level=level)
        clock.wait(timedelta(hours=1).total_seconds())
    return found


def test_latest_update_is_the_last_one(log: list[Event]) -> None:
    assert select(log, update="latest") == log[2:]


def test_beginning_of_an_id_is_enough(log: list[Event]) -> None:
    assert select(log, update="aaaa") == log[:2]


@pytest.mark.parametrize(
    ("wanted", "said"), [("aaa", "several updates"), ("b", "no update whose id begins with 'b'")]
)
def test_unclear_id_is_refused(log: list[Event], wanted: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        select(log, update=wanted)


def test_level_keeps_the_graver_ones(log: list[Event]) -> None:
    assert select(log, level=Level.WARN) == [log[3]]
    assert select(log, level=Level.METRICS) == log


def test_unknown_type_is_refused(log: list[Event]) -> None:
    with pytest.raises(UsageError, match="did you mean 'create_update'"):
        select(log, types=["create_updates"])


def test_empty_log_lets_every_filter_pass() -> None:
    assert select([], update="latest", level=Level.WARN, types=["flow_progress"]) == []


def test_types_are_a_list(cli: Cli, picked: Path) -> None:
    done = cli(
        "events", "fruit", "--type", "create_update,flow_progress", "--json", "--bundle", picked
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert {record["event_type"] for record in records} == {"create_update", "flow_progress"}
    assert records[0]["origin"]["pipeline_name"] == "fruit"
    assert records[0]["timestamp"].endswith("Z")


def test_events_are_lines_for_people(cli: Cli, picked: Path) -> None:
    done = cli("events", "fruit", "--update", "latest", "--bundle", picked)
    assert done.stdout.startswith("update ")
    assert "flow_progress      Flow 'basket' is RUNNING. 2 rows, 1 dropped" in done.stdout
    assert done.stdout.rstrip().endswith("has COMPLETED.")


def test_pipeline_never_run_says_so(cli: Cli, bundle: Path) -> None:
    done = cli("events", "fruit", "--bundle", bundle)
    assert (done.exit_code, done.stdout) == (0, "fruit has no events yet: dlt-stub run fruit\n")
