"""Append-only JSON lines in numbered segments: one process writes a segment, all read them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dlt_stub.errors import StateError

_SUFFIX: Final = ".jsonl"


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
        for segment in sorted(self._folder.glob(f"*{_SUFFIX}")):
            *whole, _cut_short = segment.read_bytes().split(b"\n")
            for number, line in enumerate(whole, start=1):
                place = f"{segment}:{number}"
                yield place, _entry(line, place)

    def append(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Write the entries durably, in order; after a crash a first part of them may stand."""
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        if self._own is None:
            self._own = self._new_segment()
        try:
            with self._own.open("ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            # What was written may be cut short, and then has to stay its segment's last line.
            self._own = None
            raise

    def _new_segment(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        names = [int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}") if path.stem.isdigit()]
        path = self._folder / f"{max(names, default=-1) + 1:010d}{_SUFFIX}"
        try:
            path.touch(exist_ok=False)
        except FileExistsError as error:
            raise StateError(
                f"{path} was just made by another process: two updates run on one source",
                hint="let one of them end, then run again",
            ) from error
        sync_folder(self._folder)
        return path


def put_if_absent(path: Path, text: str) -> None:
    """Make ``path`` hold ``text``, whole and on disk.

    Raises:
        FileExistsError: the path exists; it is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with draft.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)  # unlike a rename, it never replaces
    finally:
        draft.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the folder's own list of names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(line: bytes, place: str) -> Mapping[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise StateError(f"{place} is not JSON: {error}", hint=_HINT) from error
    if not isinstance(entry, dict):
        raise StateError(f"{place} is not a JSON object", hint=_HINT)
    return entry


_HINT: Final = (
    "restore the file from a backup; a full refresh starts the source anew, and reads again every "
    "file that is still there"
)
