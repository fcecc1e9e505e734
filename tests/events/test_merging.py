import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dlt_stub.clock import ManualClock
from dlt_stub.events import (
    Event,
    EventLog,
    Merging,
    hold,
    merge,
    newest_in,
    read_events,
    read_latest_events,
    settle,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGES_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def write(folder: Path, flushes: int, clock: ManualClock, update: str = "u") -> list[Event]:
    log = EventLog(folder, clock=clock, origin={"update_id": update}, listener=None)
    events = []
    for number in range(flushes):
        clock.wait(60)
        kind = "create_update" if number == 0 else "flow_progress"
        events += [log.emit(kind, f"{update} {number}"), log.emit("user_action", "é\n")]
        log.flush()
    return events


def merged(
    folder: Path, needs: Callable[[Path], bool] = lambda _: False, since: datetime = AGES_AGO
) -> Merging:
    return merge(folder, needs=needs, keep_since=since, newest_in=newest_in, merge_at=10)


def test_merged_log_reads_the_same(tmp_path: Path) -> None:
    clock = ManualClock(START)
    events = write(tmp_path, 25, clock)
    assert merged(tmp_path) == Merging(merged_segments=24)
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert list(read_events(tmp_path)) == events
    events += write(tmp_path, 25, clock, "v")
    assert merged(tmp_path) == Merging(merged_segments=25)  # the small merged file grows
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert list(read_events(tmp_path)) == events
    assert merged(tmp_path) == Merging()
    assert read_latest_events(tmp_path) == [e for e in events if e.origin["update_id"] == "v"]
    after = write(tmp_path, 1, clock, "w")
    assert after[0].sequence_number > events[-1].sequence_number
    assert read_latest_events(tmp_path) == after


def test_what_a_reader_needs_stays(tmp_path: Path) -> None:
    events = write(tmp_path, 25, ManualClock(START))
    unread = sorted(tmp_path.glob("[0-9]*.json"))[20]
    assert merged(tmp_path, needs=lambda path: path >= unread) == Merging(merged_segments=20)
    assert unread.exists()
    assert list(read_events(tmp_path)) == events


def test_listed_log_is_not_merged(tmp_path: Path) -> None:
    write(tmp_path, 25, ManualClock(START))
    release = hold(tmp_path)
    assert merged(tmp_path) == Merging()
    release()
    assert merged(tmp_path).merged_segments == 24


@pytest.mark.parametrize("removed", [0, 1, 20])
def test_killed_merging_shows_each_event_once(tmp_path: Path, removed: int) -> None:
    events = write(tmp_path, 25, ManualClock(START))
    old = sorted(tmp_path.glob("[0-9]*.json"))
    kept = tmp_path / "kept"
    kept.mkdir()
    for path in old:
        shutil.copy2(path, kept)
    merged(tmp_path)
    for path in old[removed:]:  # killed before it removed these
        if not path.exists():
            (kept / path.name).replace(path)
    assert list(read_events(tmp_path)) == events
    settle(tmp_path)
    assert len(list(tmp_path.glob("[0-9]*.json"))) == 2
    assert list(read_events(tmp_path)) == events


def test_old_events_go_in_whole_files(tmp_path: Path) -> None:
    clock = ManualClock(START)
    write(tmp_path, 25, clock)
    merged(tmp_path)
    clock.wait(timedelta(days=61).total_seconds())
    kept = write(tmp_path, 3, clock, "new")
    assert merged(tmp_path, since=clock.now() - timedelta(days=60)) == Merging(expired_files=1)
    assert list(read_events(tmp_path))[-6:] == kept
    assert len(list(tmp_path.glob("[0-9]*.json"))) == 4  # the newest segment had not been merged
