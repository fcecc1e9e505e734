"""What the streams of a workspace have still to read, told by their checkpoints.

Spark's checkpoint holds, for each micro-batch, how far it reads (``offsets``) and that it ended
(``commits``). A table is known there by its id, an event log by the files that were read.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from dlt_stub.atomic import write_text
from dlt_stub.errors import StateError
from dlt_stub.flows.progress import checkpoint_of
from dlt_stub.paths import WorkspacePaths

_COMPACT: Final = ".compact"


def oldest_needed_version(paths: WorkspacePaths, table_id: str) -> int | None:
    """Return the oldest version of a table that a stream has still to read, or None without one.

    Streams are the flows of every pipeline in the workspace; ``table_id`` is what Delta's log
    calls the table. What a stream begins to read next counts, and where it has planned a batch that
    has not ended, what that batch begins with.

    Raises:
        StateError: a checkpoint cannot be read.
    """
    needed = [
        version for checkpoint in checkpoints(paths) for version in _versions(checkpoint, table_id)
    ]
    return min(needed, default=None)


def checkpoints(paths: WorkspacePaths) -> Iterator[Path]:
    """Yield the checkpoint of every flow of the workspace that has one."""
    for flow in sorted((paths.root / "pipelines").glob("*/flows/*/*")):
        if flow.is_dir() and (checkpoint := checkpoint_of(flow)).is_dir():
            yield checkpoint


def _versions(checkpoint: Path, table_id: str) -> Iterator[int]:
    planned, ended = _numbers(checkpoint / "offsets"), _numbers(checkpoint / "commits")
    if not planned:
        return
    # Only what has ended will not be read again; before the first end all of the first batch is.
    known = [number for number in planned if ended and number <= ended[-1]]
    number = known[-1] if known else planned[0]
    for source in _json_lines(checkpoint / "offsets" / str(number))[1:]:
        if source.get("reservoirId") != table_id:
            continue
        is_begun = bool(known) or bool(source.get("isStartingVersion"))
        yield int(source["reservoirVersion"]) if is_begun else 0


@dataclass(frozen=True, slots=True)
class EventReaders:
    """The streams that read one event log, as far as their ended micro-batches tell."""

    folder: Path
    sources: tuple["_FileSource", ...]

    @classmethod
    def of(cls, paths: WorkspacePaths, folder: Path) -> "EventReaders":
        """Return the readers of the log in ``folder`` among all flows of the workspace.

        Raises:
            StateError: a checkpoint cannot be read.
        """
        found = [
            _file_source(checkpoint, source)
            for checkpoint in checkpoints(paths)
            for source in sorted((checkpoint / "sources").glob("[0-9]*"))
        ]
        return cls(folder, tuple(each for each in found if each.reads(folder)))

    def needs(self, segment: Path) -> bool:
        """Return whether a reader has still to read a segment, or may be reading it."""
        return any(not each.is_idle or segment not in each.seen for each in self.sources)

    def forget_gone(self) -> None:
        """Take what is not there any more from what the readers remember: it cannot come again."""
        for each in self.sources:
            if each.is_idle:
                each.forget_gone()


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileSource:
    folder: Path  # of the log of one source in a checkpoint
    seen: frozenset[Path]
    is_idle: bool  # every micro-batch that was planned has ended

    def reads(self, folder: Path) -> bool:
        return any(path.parent == folder for path in self.seen)

    def forget_gone(self) -> None:
        compact = _compact_file(self.folder)
        if compact is None:
            return
        version, *lines = compact.read_text(encoding="utf-8").splitlines()
        newest = int(compact.name.removesuffix(_COMPACT))
        kept = [
            line
            for line in lines
            if (entry := json.loads(line))["batchId"] == newest or _path(entry).exists()
        ]
        if len(kept) > len(lines) // 2:
            return  # not worth the writing
        # Spark reads a file without its checksum as it is; one that does not fit it refuses.
        compact.with_name(f".{compact.name}.crc").unlink(missing_ok=True)
        write_text(compact, "\n".join([version, *kept]))


def _file_source(checkpoint: Path, folder: Path) -> _FileSource:
    planned, ended = _numbers(checkpoint / "offsets"), _numbers(checkpoint / "commits")
    last = -1
    if ended:  # its log counts for itself: a batch without new files has no number there
        of_sources = _json_lines(checkpoint / "offsets" / str(ended[-1]))[1:]
        last = int(of_sources[int(folder.name)].get("logOffset", -1))
    compact = _compact_file(folder)
    first = -1 if compact is None else int(compact.name.removesuffix(_COMPACT))
    files = [] if compact is None else [compact]
    files += [folder / str(number) for number in _numbers(folder) if number > first]
    entries = [entry for file in files for entry in _json_lines(file)]
    return _FileSource(
        folder=folder,
        seen=frozenset(_path(entry) for entry in entries if entry["batchId"] <= last),
        is_idle=planned[-1:] == ended[-1:] and all(entry["batchId"] <= last for entry in entries),
    )


def _compact_file(folder: Path) -> Path | None:
    found = folder.glob(f"[0-9]*{_COMPACT}")
    return max(found, key=lambda file: int(file.name.removesuffix(_COMPACT)), default=None)


def _path(entry: dict[str, Any]) -> Path:  # Any: what JSON holds
    return Path(unquote(str(entry["path"]).removeprefix("file://")))


def _numbers(folder: Path) -> list[int]:
    return sorted(int(file.name) for file in folder.glob("[0-9]*") if file.name.isdigit())


def _json_lines(file: Path) -> list[dict[str, Any]]:  # Any: what JSON holds
    """Return the objects of one file of Spark's, whose first line is its format's version."""
    try:
        version, *lines = file.read_text(encoding="utf-8").splitlines()
        if version != "v1":
            raise ValueError(f"its first line is {version!r}, known is 'v1'")
        found = [{} if line == "-" else json.loads(line) for line in lines]  # "-": nothing yet
        return [each if isinstance(each, dict) else {} for each in found]
    except (OSError, ValueError) as error:
        raise StateError(
            f"{file} of a checkpoint cannot be read: {error}",
            hint="nothing is cleaned up before it can; reset the flow's checkpoint if it is broken",
        ) from error
