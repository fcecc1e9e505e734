"""The event log on disk: JSON lines in segments that are never changed once they have a name."""

import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dlt_stub.atomic import write_text
from dlt_stub.clock import Clock
from dlt_stub.disk import writing
from dlt_stub.errors import StateError
from dlt_stub.events.records import Event, Level
from dlt_stub.events.segments import segments
from dlt_stub.failpoints import reach
from dlt_stub.redaction import redact, redact_values

Listener = Callable[[Event], None]
_LAST_BYTES = 2**22  # no event is longer


class EventLog:
    """Appends the events of one pipeline below ``folder``; safe to call from several threads.

    Events wait in memory until ``flush`` gives them a segment of their own (put-if-absent name).
    Timestamps rise strictly: clients order by them and skip equal ones.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, origin: Mapping[str, Any], listener: Listener | None
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._origin = dict(origin)
        self._listener = listener
        self._lock = threading.RLock()
        self._instance = uuid.uuid4().hex[:8]
        self._waiting: list[Event] = []
        known = segments(folder)
        if known:
            _repair(known[-1].path)
        # A clock set back must not give an instant again.
        newest = newest_in(known[-1].path) if known else None
        self._last = newest or datetime(1970, 1, 1, tzinfo=UTC)
        self._next_segment = known[-1].last + 1 if known else 0
        self._sequence = self._next_segment * 1_000_000

    def emit(
        self,
        event_type: str,
        message: str,
        *,
        body: Mapping[str, Any] | None = None,
        origin: Mapping[str, Any] | None = None,
        level: Level = Level.INFO,
        maturity_level: str = "STABLE",
        error: Mapping[str, Any] | None = None,
        event_id: str | None = None,
    ) -> Event:
        """Add one event, its secrets hidden, tell the listener, and return it.

        ``event_id`` is a new one unless it is given.
        """
        with self._lock:
            now = self._clock.now()
            self._last = max(now, self._last + timedelta(milliseconds=1))
            self._sequence += 1
            event = Event(
                id=event_id or str(uuid.uuid4()),
                sequence_number=self._sequence,
                timestamp=self._last,
                event_type=event_type,
                message=redact(message),
                level=level,
                maturity_level=maturity_level,
                origin={**self._origin, **(origin or {})},
                details={event_type: redact_values(dict(body or {}))},
                error=redact_values(error),
            )
            self._waiting.append(event)
            if self._listener:
                self._listener(event)
            return event

    def flush(self) -> None:
        """Make every event emitted so far durable and visible to readers.

        Raises:
            DiskError: the disk refuses; the events wait for the next call.
        """
        with self._lock:
            if not self._waiting:
                return
            with writing(self.folder):
                self._write_segment()
            self._waiting.clear()

    def _write_segment(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{json.dumps(self._row(event))}\n" for event in self._waiting)
        partial = self.folder / f".{self._instance}.partial"
        try:
            with partial.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            reach("events.drafted")
            self._publish(partial)
            reach("events.linked")
        finally:
            partial.unlink(missing_ok=True)

    def _publish(self, partial: Path) -> None:
        while True:
            segment = self.folder / f"{self._next_segment:012d}-{self._instance}.json"
            self._next_segment += 1
            try:
                os.link(partial, segment)
            except FileExistsError:
                continue
            return

    def has(self, event_id: str) -> bool:
        """Return whether an event of that id is durable; the newest segments are read first."""
        needle = json.dumps(event_id).encode()
        segments = sorted(self.folder.glob("*.json"), reverse=True)
        return any(needle in segment.read_bytes() for segment in segments)

    def remove_drafts(self) -> None:
        """Remove what killed writers have left; the caller is the only one who writes now."""
        for draft in self.folder.glob(".*.partial"):
            draft.unlink()

    def record(self, event: Event) -> dict[str, Any]:
        """Return ``event`` as a dictionary of its own, ``details`` included."""
        record: dict[str, Any] = json.loads(json.dumps(self._row(event)))
        record["details"] = json.loads(record["details"])
        return record

    def _row(self, event: Event) -> dict[str, Any]:
        return {
            "id": event.id,
            "sequence": {
                "data_plane_id": {"instance": self._instance, "seq_no": event.sequence_number}
            },
            "origin": dict(event.origin),
            "timestamp": _text(event.timestamp),
            "message": event.message,
            "level": event.level.value,
            "maturity_level": event.maturity_level,
            "error": event.error,
            "details": json.dumps(event.details),
            "event_type": event.event_type,
        }


def read_events(folder: Path) -> Iterator[Event]:
    """Yield the durable events of a pipeline, oldest first; what is merged meanwhile comes once.

    A last line that was cut short is left out: nobody was told of it.

    Raises:
        StateError: a line is not an event; names the segment and line.
    """
    given: set[str] = set()
    while True:
        try:
            for segment in segments(folder):
                for event in _events_in(segment.path):
                    if event.id not in given:
                        given.add(event.id)
                        yield event
        except FileNotFoundError:
            continue  # merged between the listing and the look
        return


def read_latest_events(folder: Path) -> list[Event]:
    """Return the durable events of the newest update, oldest first; older segments are not read.

    Raises:
        StateError: a line is not an event; names the segment and line.
    """
    while True:
        try:
            return _latest(folder)
        except FileNotFoundError:
            continue


def _latest(folder: Path) -> list[Event]:
    found: list[Event] = []
    for segment in reversed(segments(folder)):
        found[:0] = _events_in(segment.path)
        update_id = found[-1].origin.get("update_id") if found else None
        if any(e.event_type == "create_update" for e in found if _is_of(e, update_id)):
            break
    return [event for event in found if _is_of(event, found[-1].origin.get("update_id"))]


def _is_of(event: Event, update_id: object) -> bool:
    return event.origin.get("update_id") == update_id


def _events_in(segment: Path) -> list[Event]:
    lines = _whole_lines(segment.read_bytes())
    return [_event(line, segment, number) for number, line in enumerate(lines, start=1)]


def _whole_lines(content: bytes) -> list[bytes]:
    """Return the lines of a segment without a last one that was cut short: nobody was told of it.

    A segment gets its name when it is whole, so only a disk that lost what it had confirmed, or
    somebody's hand, cuts one.
    """
    *whole, last = content.split(b"\n")
    if last and _is_json(last):
        whole.append(last)
    return whole


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _repair(segment: Path) -> None:
    """Take away a last line that was cut short: Spark, which reads segments too, would fail."""
    *whole, last = segment.read_bytes().split(b"\n")
    if last and not _is_json(last):
        write_text(segment, b"".join(line + b"\n" for line in whole).decode())


def _event(line: bytes, segment: Path, number: int) -> Event:
    try:
        row = json.loads(line)
        return Event(
            id=row["id"],
            sequence_number=row["sequence"]["data_plane_id"]["seq_no"],
            timestamp=datetime.fromisoformat(row["timestamp"]),
            event_type=row["event_type"],
            message=row["message"],
            level=Level(row["level"]),
            maturity_level=row["maturity_level"],
            origin=row["origin"],
            details=json.loads(row["details"]),
            error=row["error"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateError(
            f"event log segment {segment}:{number} is not an event: {error}",
            hint=f"move that segment away, mv {segment} /tmp: the pipeline's tables are "
            "not touched by it, but what it counted is no longer counted",
        ) from error


def newest_in(segment: Path) -> datetime | None:
    """Return when the last event of a segment happened, or None if it does not say."""
    with segment.open("rb") as file:
        file.seek(max(0, segment.stat().st_size - _LAST_BYTES))
        lines = file.read().splitlines()
    try:
        return datetime.fromisoformat(json.loads(lines[-1])["timestamp"]) if lines else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # whoever reads the log is told of that line


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def error_body(error: BaseException, *, fatal: bool) -> dict[str, Any]:
    """Return the ``error`` column for ``error``: it and its causes, outermost first."""
    exceptions = []
    current: BaseException | None = error
    while current is not None:
        stack = []
        trace = current.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            stack.append(
                {
                    "declaring_class": trace.tb_frame.f_globals.get("__name__", ""),
                    "method_name": code.co_name,
                    "file_name": Path(code.co_filename).name,
                    "line_number": trace.tb_lineno,
                }
            )
            trace = trace.tb_next
        kind = type(current)
        exceptions.append(
            {
                "class_name": f"{kind.__module__}.{kind.__qualname__}",
                "message": str(current),
                "stack": stack[-10:],
            }
        )
        current = current.__cause__
    return {"fatal": fatal, "exceptions": exceptions}
