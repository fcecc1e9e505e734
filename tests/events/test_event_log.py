import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub import StateError
from dlt_stub.clock import ManualClock
from dlt_stub.events import Event, EventLog, Level, error_body, read_events

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def log_in(folder: Path, clock: ManualClock | None = None) -> EventLog:
    clock = clock or ManualClock(START)
    return EventLog(folder, clock=clock, origin={"pipeline_id": "p"}, listener=None)


def test_events_are_read_as_written(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    first = log.emit("user_action", "It's done.", body={"action": "x", "n": 1.5})
    second = log.emit("flow_progress", "é\n", origin={"flow_name": "f"}, level=Level.ERROR)
    assert list(read_events(tmp_path)) == []
    log.flush()
    assert list(read_events(tmp_path)) == [first, second]
    assert second.origin == {"pipeline_id": "p", "flow_name": "f"}
    assert first.body == {"action": "x", "n": 1.5}


def test_details_are_a_json_string(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.emit("update_progress", "m", body={"state": "RUNNING"})
    log.flush()
    (segment,) = tmp_path.glob("*.json")
    row = json.loads(segment.read_text())
    assert json.loads(row["details"]) == {"update_progress": {"state": "RUNNING"}}
    assert row["timestamp"] == "2026-03-01T12:00:00.000Z"


def test_time_and_numbers_only_rise(tmp_path: Path) -> None:
    clock = ManualClock(START)
    for _ in range(2):
        log = log_in(tmp_path, clock)
        log.emit("user_action", "a")
        log.emit("user_action", "b")
        log.flush()
    log_in(tmp_path, ManualClock(datetime(2020, 1, 1, tzinfo=UTC))).flush()
    events = list(read_events(tmp_path))
    assert [e.timestamp for e in events] == sorted({e.timestamp for e in events})
    assert [e.sequence_number for e in events] == sorted({e.sequence_number for e in events})


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    logs = [log_in(tmp_path), log_in(tmp_path)]

    def write(log: EventLog) -> None:
        for number in range(20):
            log.emit("user_action", str(number))
            log.flush()

    threads = [threading.Thread(target=write, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.glob("*.json"))) == 40
    assert len(list(read_events(tmp_path))) == 40
    assert not list(tmp_path.glob("*.partial"))


def test_nothing_to_write_makes_nothing(tmp_path: Path) -> None:
    log_in(tmp_path / "log").flush()
    assert not (tmp_path / "log").exists()


def test_listener_hears_each_event_at_once(tmp_path: Path) -> None:
    heard: list[Event] = []
    log = EventLog(tmp_path, clock=ManualClock(START), origin={}, listener=heard.append)
    event = log.emit("user_action", "m")
    assert heard == [event]


def test_broken_segment_names_its_line(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.emit("user_action", "m")
    log.flush()
    (segment,) = tmp_path.glob("*.json")
    segment.write_text(segment.read_text() + '{"id": "1"}\n')
    with pytest.raises(StateError, match=rf"{segment.name}:2 is not an event"):
        list(read_events(tmp_path))
    assert log_in(tmp_path).emit("user_action", "still works").message == "still works"


def test_error_column_holds_all_causes() -> None:
    try:
        try:
            raise ValueError("inner")
        except ValueError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as error:
        body = error_body(error, fatal=True)
    assert body["fatal"] is True
    assert [(e["class_name"], e["message"]) for e in body["exceptions"]] == [
        ("builtins.RuntimeError", "outer"),
        ("builtins.ValueError", "inner"),
    ]
    assert body["exceptions"][0]["stack"][0]["file_name"] == "test_event_log.py"
