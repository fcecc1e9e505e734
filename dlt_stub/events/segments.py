"""The files of an event log: small segments as they were written, and old ones merged.

``<number>-<instance>.json``          a segment, never changed once it has its name
``<first>-<last>.merged.json``        what the segments of these numbers held, in their order
``.readers``                          held by who lists the folder (shared) or merges (alone)

A merged file is whole and durable before the segments it stands for go; a segment that a merged
file covers counts as gone, so that no crash and no reader ever sees an event twice or not at all.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dlt_stub.atomic import sync_folder
from dlt_stub.failpoints import reach

UNMERGED: Final = "*-????????.json"  # what a glob knows segments by: an instance has 8 characters
_MERGED: Final = ".merged.json"
_READERS: Final = ".readers"
MERGE_AT: Final = 96  # segments: some eight updates of a pipeline of ours
MERGED_BYTES: Final = 8 * 2**20  # a merged file of so many bytes is left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of the log, which holds the segments ``first`` to ``last``."""

    path: Path
    first: int
    last: int

    @property
    def is_merged(self) -> bool:
        """Whether the file stands for segments that were written apart."""
        return self.path.name.endswith(_MERGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """What one merging of a log did."""

    merged_segments: int = 0
    expired_files: int = 0


def segments(folder: Path) -> list[Segment]:
    """Return the files that hold the log, oldest first: each event stands in one of them."""
    # Unmerged ones first: what is merged between the two looks is then found merged, not missed.
    unmerged = [each for each in _listed(folder) if not each.is_merged]
    merged = [each for each in _listed(folder) if each.is_merged]
    kept: list[Segment] = []
    # Of two that begin with one segment the longer was made from the shorter.
    for each in sorted(merged, key=lambda one: (one.first, -one.last)):
        if not kept or each.last > kept[-1].last:
            kept.append(each)
    for each in sorted(unmerged, key=lambda one: (one.first, one.path.name)):
        if not any(other.first <= each.first <= other.last for other in kept if other.is_merged):
            kept.append(each)
    return sorted(kept, key=lambda one: (one.first, one.path.name))


def settle(folder: Path) -> None:
    """Finish a merging that was cut short: what a merged file covers is gone afterwards."""
    held = {each.path for each in segments(folder)}
    for each in _listed(folder):
        if each.path not in held:
            each.path.unlink(missing_ok=True)


@contextmanager
def listing(folder: Path) -> Iterator[None]:
    """Let nobody merge the log while the block looks at what files it has."""
    with _lock(folder, fcntl.LOCK_SH):
        yield


def hold(folder: Path) -> Callable[[], None]:
    """Let nobody merge the log until the returned function is called."""
    held = ExitStack()
    held.enter_context(_lock(folder, fcntl.LOCK_SH))
    return held.close


def merge(
    folder: Path,
    *,
    needs: Callable[[Path], bool],
    keep_since: datetime,
    newest_in: Callable[[Path], datetime | None],
    merge_at: int = MERGE_AT,
) -> Merging:
    """Merge the oldest segments once there are ``merge_at``, and let go what is too old.

    Segments that a reader ``needs`` as they are, and all after them, stay; so does the newest.
    Merged files whose ``newest_in`` is before ``keep_since`` are removed. Nothing is done while
    somebody lists the folder.
    """
    try:
        with _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            settle(folder)
            return Merging(
                merged_segments=_merge(folder, needs, merge_at),
                expired_files=_expire(folder, keep_since, newest_in),
            )
    except BlockingIOError:
        return Merging()


def _merge(folder: Path, needs: Callable[[Path], bool], merge_at: int) -> int:
    found = segments(folder)
    unmerged = [each for each in found if not each.is_merged]
    if len(unmerged) < merge_at:
        return 0
    chosen: list[Segment] = []
    for each in unmerged[:-1]:
        if needs(each.path):
            break
        chosen.append(each)
    following = unmerged[len(chosen)]
    while chosen and chosen[-1].last == following.first:  # written at once by two processes
        following = chosen.pop()
    if len(chosen) < merge_at // 2:
        return 0
    before = [each for each in found if each.is_merged and each.last < chosen[0].first]
    if before and before[-1].path.stat().st_size < MERGED_BYTES:
        chosen.insert(0, before[-1])
    name = f"{chosen[0].first:012d}-{chosen[-1].last:012d}{_MERGED}"
    draft = folder / f".{name}.draft"
    with draft.open("wb") as file:
        for each in chosen:
            file.write(each.path.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)
    sync_folder(folder)
    reach("events.merged")
    for each in chosen:
        each.path.unlink()
        reach("events.removed")
    return sum(1 for each in chosen if not each.is_merged)


def _expire(
    folder: Path, keep_since: datetime, newest_in: Callable[[Path], datetime | None]
) -> int:
    expired = 0
    for each in segments(folder):
        newest = newest_in(each.path) if each.is_merged else None
        if newest is None or newest >= keep_since:
            break  # what follows is newer, is still read as it is, or does not say when it was
        each.path.unlink()
        expired += 1
    return expired


def _listed(folder: Path) -> list[Segment]:
    found = []
    for path in folder.glob("[0-9]*.json"):
        first, _, rest = path.name.partition("-")
        last = rest.removesuffix(_MERGED) if path.name.endswith(_MERGED) else first
        if first.isdigit() and last.isdigit():
            found.append(Segment(path=path, first=int(first), last=int(last)))
    return found


@contextmanager
def _lock(folder: Path, kind: int) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / _READERS, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
