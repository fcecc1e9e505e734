"""Append-only JSON lines in numbered segments: one process writes a segment, all read them.

``<number>.jsonl``            a segment
``<number>.snapshot.jsonl``   what stands for every segment below its number
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dlt_stub.atomic import sync_folder
from dlt_stub.disk import writing
from dlt_stub.errors import DiskError, StateError
from dlt_stub.failpoints import reach

_SUFFIX: Final = ".jsonl"
_SNAPSHOT: Final = f".snapshot{_SUFFIX}"
FEW_SEGMENTS: Final = 32
_SHARE: Final = 4  # a snapshot is written anew when what came since is no less than a fourth of it


class Segments:
    """A log in one folder; what ``append`` returned from is on disk and is read by all later.

    A writer never appends to a segment it did not make, so that a line cut short by a crash is
    always the last of its segment: such a line was never acknowledged, and is left out.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is made before the first append."""
        self._folder = folder
        self._own: Path | None = None

    def read(self) -> Iterator[tuple[str, Mapping[str, Any]]]:  # Any: what JSON holds
        """Return each entry with its place, ``file:line``, oldest first.

        Raises:
            StateError: a line that was written whole is not a JSON object.
        """
        while True:
            try:
                return iter(self._entries())
            except FileNotFoundError:
                continue  # a snapshot took its place between the listing and the look

    def _entries(self) -> list[tuple[str, Mapping[str, Any]]]:  # Any: what JSON holds
        found = []
        for segment in self._current():
            *whole, _cut_short = segment.read_bytes().split(b"\n")
            for number, line in enumerate(whole, start=1):
                place = f"{segment}:{number}"
                found.append((place, _entry(line, place)))
        return found

    def _all(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def _current(self) -> list[Path]:
        """Return the newest snapshot and the segments since, oldest first."""
        # A segment that a snapshot replaces between the two looks is in the second one's snapshot.
        files = self._all()
        snapshots = [path for path in self._all() if path.name.endswith(_SNAPSHOT)]
        if not snapshots:
            return files
        newest = max(snapshots, key=_number)
        return [newest, *(path for path in files if _number(path) > _number(newest))]

    def is_long(self, few: int = FEW_SEGMENTS) -> bool:
        """Return whether a snapshot is worth writing: by count, and by size against the last one.

        So the work of all snapshots stays in proportion to what was written.
        """
        files = self._current()
        snapshot = files[0] if files and files[0].name.endswith(_SNAPSHOT) else None
        since = [path for path in files if path != snapshot]
        if len(since) <= few:
            return False
        before = 0 if snapshot is None else snapshot.stat().st_size
        size = sum(path.stat().st_size for path in since)
        return size * _SHARE >= before or len(since) > few * 8

    def replace(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Let ``entries`` stand for everything written so far; older segments are removed.

        They are whole on disk before anything is removed; a reader finds the one or the other.
        """
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        newest = self._folder / f"{self._next_number():010d}{_SNAPSHOT}"
        put_if_absent(newest, text)
        reach("ledger.compacted")
        self._own = None
        for path in self._all():
            if _number(path) < _number(newest):
                path.unlink()
                reach("ledger.removed")

    def append(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Write the entries durably, in order; after a crash a first part of them may stand."""
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        if self._own is None:
            with writing(self._folder):
                self._own = self._new_segment()
        try:
            with writing(self._own), self._own.open("ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except (OSError, DiskError):
            # What was written may be cut short, and then has to stay its segment's last line.
            self._own = None
            raise

    def _new_segment(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._next_number():010d}{_SUFFIX}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError as error:
            raise StateError(
                f"{path} was just made by another process: two updates run on one source",
                hint="let one of them end, then run again",
            ) from error
        sync_folder(self._folder)
        return path

    def _next_number(self) -> int:
        return max(map(_number, self._all()), default=-1) + 1


def _number(path: Path) -> int:
    name = path.name.partition(".")[0]
    return int(name) if name.isdigit() else -1


def put_if_absent(path: Path, text: str) -> None:
    """Make ``path`` hold ``text``, whole and on disk.

    Raises:
        FileExistsError: the path exists; it is left as it is.
        DiskError: the disk refuses; no path is there.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # unlike a rename, it never replaces
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)


def _entry(line: bytes, place: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise StateError(f"{place} is not JSON: {error}", hint=_HINT) from error
    if not isinstance(entry, dict):
        raise StateError(f"{place} is not a JSON object", hint=_HINT)
    return entry


_HINT: Final = (
    "restore the file from a backup; or let the flow begin its source anew, by "
    "--reset-checkpoint-selection FLOW: rows are kept, and files still there are read once more"
)
