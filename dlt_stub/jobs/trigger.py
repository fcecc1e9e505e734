"""The file-arrival trigger: which files are new, and when a run may start because of them.

Source: docs.databricks.com/jobs/file-arrival-triggers and ``FileArrivalTriggerConfiguration``
(databricks-sdk 0.156.0), checked 2026-11-24: only new files fire, a file replaced under its own
name does not; subfolders count; the two waits; 10,000 files without file events. Where both waits
are set, the interval passes first, then the quiet time. Assumed, since the documents do not say:

- files that are there when the trigger is first looked at do not fire (see ``fire_for_existing``);
- a path that has vanished is forgotten, so a file that comes again under it is new;
- names that begin with a dot are not files anybody delivered (object stores have no such litter).

Ours: a firing counts as done only when it is confirmed. A watch that dies while its run goes on
fires again when it is started again; Databricks' own service does not die with the job.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from databricks.sdk.service.jobs import FileArrivalTriggerConfiguration, TriggerType

from dlt_stub.atomic import read_json, write_json
from dlt_stub.clock import Clock
from dlt_stub.errors import BundleError, StateError
from dlt_stub.failpoints import reach
from dlt_stub.jobs.recorder import epoch_ms
from dlt_stub.jobs.records import TriggerInfo
from dlt_stub.paths import WorkspacePaths

POLL_SECONDS = 60.0  # Databricks looks about once a minute
MINIMUM_WAIT_SECONDS = 60
FILE_LIMIT = 10_000
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCheck:
    """What one look at the location found; ``reason`` says in words why it fired or did not.

    ``next_possible_at`` is when the files that wait could fire if no more come; None when none do.
    ``notices`` are for the user: what Databricks would do otherwise or does not document.
    """

    fired: bool
    reason: str
    new_files: int
    next_possible_at: datetime | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """What outlives the process: ``firing`` holds the files of a firing not yet confirmed."""

    known: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    last_arrival_at: datetime | None = None
    fired_at: datetime | None = None
    firing: frozenset[str] | None = None


def trigger_state_file(paths: WorkspacePaths, job_key: str) -> Path:
    """Return where the trigger of a job keeps what it has seen."""
    return paths.job(job_key) / "trigger.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileArrivalTrigger:
    """A job's file-arrival trigger over a local folder.

    Args:
        configuration: The trigger as the job declares it.
        location: The local folder that ``configuration.url`` stands for; it need not exist yet.
        state_file: Where it keeps what it has seen.
        clock: The time it goes by.
        poll_interval_seconds: How often ``watch_job`` looks.
        waits_seconds: Takes the place of both waits (of those that are set); the caller tells the
            user so.
        fire_for_existing: Whether files that are there at the very first look count as new.

    Raises:
        BundleError: a wait of the configuration is under 60 seconds.
    """

    configuration: FileArrivalTriggerConfiguration
    location: Path
    state_file: Path
    clock: Clock
    poll_interval_seconds: float = POLL_SECONDS
    waits_seconds: float | None = None
    fire_for_existing: bool = False

    def __post_init__(self) -> None:
        for name in ("min_time_between_triggers_seconds", "wait_after_last_change_seconds"):
            seconds = getattr(self.configuration, name)
            if seconds is not None and seconds < MINIMUM_WAIT_SECONDS:
                raise BundleError(
                    f"file_arrival.{name} is {seconds}; the minimum is {MINIMUM_WAIT_SECONDS}"
                )

    @property
    def min_time_between_triggers_seconds(self) -> float:
        """How long after it fired the trigger may fire again, overrides applied."""
        return self._wait(self.configuration.min_time_between_triggers_seconds)

    @property
    def wait_after_last_change_seconds(self) -> float:
        """How long no file may have arrived before it fires, overrides applied."""
        return self._wait(self.configuration.wait_after_last_change_seconds)

    @property
    def info(self) -> TriggerInfo:
        """What a run that this trigger starts now is told."""
        return TriggerInfo(
            type=TriggerType.FILE_ARRIVAL,
            file_arrival_location=self.configuration.url,
            fired_at_ms=epoch_ms(self.clock.now()),
        )

    def check(self) -> TriggerCheck:
        """Look at the location once and return whether the trigger fires now.

        A firing is remembered until ``confirm``; until then every check fires again.

        Raises:
            StateError: the state file cannot be trusted.
            OSError: a folder below the location cannot be read.
        """
        now = self.clock.now()
        present = frozenset(_files(self.location))
        is_first = not self.state_file.exists()
        if is_first:
            memory = _Memory(known=frozenset() if self.fire_for_existing else present)
        else:
            memory = _recall(self.state_file)
        before = memory
        memory = _notice(memory, present, now)
        ready_at = self._ready_at(memory)
        again = memory.firing is not None
        fires = again or (ready_at is not None and now >= ready_at)
        if fires:
            firing = memory.waiting | (memory.firing or frozenset())
            memory = replace(memory, firing=firing, fired_at=now)
        if is_first or memory != before:
            _remember(self.state_file, memory)
        if fires:
            reach("jobs.trigger_fired")
        return TriggerCheck(
            fired=fires,
            reason=self._reason(memory, ready_at, again=again, fires=fires),
            new_files=len(memory.waiting),
            next_possible_at=None if fires else ready_at,
            notices=self._notices(len(present), is_first=is_first),
        )

    def confirm(self) -> None:
        """Let the firing that ``check`` reported count as done: its files fire no more.

        Raises:
            StateError: the state file cannot be trusted.
        """
        memory = _recall(self.state_file)
        if memory.firing is None:
            return
        waiting = memory.waiting - memory.firing
        _remember(
            self.state_file,
            replace(
                memory,
                known=memory.known | memory.firing,
                waiting=waiting,
                last_arrival_at=memory.last_arrival_at if waiting else None,
                firing=None,
            ),
        )
        reach("jobs.trigger_confirmed")

    def _wait(self, configured: int | None) -> float:
        if not configured:
            return 0.0
        return float(configured) if self.waits_seconds is None else self.waits_seconds

    def _ready_at(self, memory: _Memory) -> datetime | None:
        """Return when the waiting files may fire, or None when none wait."""
        if memory.last_arrival_at is None:
            return None
        start = memory.last_arrival_at
        if memory.fired_at is not None:
            interval = timedelta(seconds=self.min_time_between_triggers_seconds)
            start = max(start, memory.fired_at + interval)
        return start + timedelta(seconds=self.wait_after_last_change_seconds)

    def _reason(
        self, memory: _Memory, ready_at: datetime | None, *, again: bool, fires: bool
    ) -> str:
        where = self.configuration.url
        files = _count(len(memory.waiting))
        if again:
            return f"the run of the last firing for {where} was not seen to its end: firing again"
        if fires:
            return f"{files} new at {where}"
        if ready_at is None:
            exists = "" if self.location.is_dir() else ", which does not exist yet"
            return f"no new file at {where}{exists}"
        return f"{files} new at {where}, waiting until {ready_at.isoformat(timespec='seconds')}"

    def _notices(self, present: int, *, is_first: bool) -> tuple[str, ...]:
        notices = []
        if is_first and present and self.fire_for_existing:
            notices.append(
                f"{_count(present)} were there before the trigger was first looked at and count "
                "as new here; Databricks does not document what it does with them"
            )
        elif is_first and present:
            notices.append(
                f"{_count(present)} were there before the trigger was first looked at and do not "
                "fire it; start the job by hand to take them in"
            )
        if present > FILE_LIMIT:
            notices.append(
                f"{self.configuration.url} holds {present} files; without file events Databricks "
                f"refuses more than {FILE_LIMIT}: archive what has been taken in"
            )
        return tuple(notices)


def _count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _notice(memory: _Memory, present: frozenset[str], now: datetime) -> _Memory:
    """Return the memory after a look: vanished paths forgotten, arrivals noted."""
    known = memory.known & present
    waiting = present - known
    if not waiting:
        return replace(memory, known=known, waiting=waiting, last_arrival_at=None)
    if waiting <= memory.waiting:
        return replace(memory, known=known, waiting=waiting)
    return replace(memory, known=known, waiting=waiting, last_arrival_at=now)


def _files(location: Path) -> Iterator[str]:
    """Yield every file below a folder, as its path from there; none when there is no folder."""
    for folder, folders, names in os.walk(location, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(folder).relative_to(location)
        for name in names:
            if not name.startswith("."):
                yield (inside / name).as_posix()


def _unreadable(error: OSError) -> None:
    # A folder may be moved away while we walk: that is the same as having come later.
    if not isinstance(error, FileNotFoundError):
        raise error


def _remember(path: Path, memory: _Memory) -> None:
    value: dict[str, Any] = {
        "format": FORMAT,
        "known": sorted(memory.known),
        "waiting": sorted(memory.waiting),
        "last_arrival_at": _written(memory.last_arrival_at),
        "fired_at": _written(memory.fired_at),
        "firing": None if memory.firing is None else sorted(memory.firing),
    }
    write_json(path, value)


def _recall(path: Path) -> _Memory:
    found = read_json(path)
    try:
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}")
        firing = found["firing"]
        return _Memory(
            known=frozenset(found["known"]),
            waiting=frozenset(found["waiting"]),
            last_arrival_at=_read(found["last_arrival_at"]),
            fired_at=_read(found["fired_at"]),
            firing=None if firing is None else frozenset(firing),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(
            f"{path} is not the state of a file-arrival trigger: {error!r}",
            hint="move it away: the files that are there then count as existing ones",
        ) from error


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _read(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
