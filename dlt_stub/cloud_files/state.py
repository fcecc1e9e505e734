"""What one cloudFiles source remembers: its ledger of files and batches, and its schemas."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from pyspark.sql.types import StructType

from dlt_stub.clock import Clock, SystemClock
from dlt_stub.cloud_files.records import FileBatch, FileEntry, IngestedFile
from dlt_stub.cloud_files.segments import Segments, put_if_absent
from dlt_stub.errors import StateError

_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaVersion:
    """One version of a source's columns, without the rescued data column."""

    number: int
    schema: StructType
    hints: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    at: datetime
    metrics: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Archive:
    at: datetime
    mode: str
    location: str | None


class CloudFilesState:
    """The ledger and schema log of one source, below ``folder``.

    ``folder/ledger/*.jsonl`` holds four kinds of entries: ``start`` (once, with the files that
    ``includeExistingFiles = false`` leaves out), ``assign`` (a batch number and its files, written
    before anybody sees the batch), ``commit``, and ``archive`` (files that were moved or deleted).
    ``folder/schemas/*.json`` holds one schema each.
    Removing the folder is a full refresh. One process at a time may write: the caller holds the
    pipeline's lock.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """Read the ledger; a folder that does not exist is a source that was never started.

        Raises:
            StateError: the ledger cannot be trusted; the message names file and line.
        """
        self.folder = folder
        self._clock = clock or SystemClock()
        self._segments = Segments(folder / "ledger")
        self._source_id: str | None = None
        self._batches: dict[int, FileBatch] = {}
        self._assigned_at: dict[int, datetime] = {}
        self._commits: dict[int, _Commit] = {}
        self._archives: dict[tuple[str, int, int], _Archive] = {}
        self._versions: set[tuple[str, int, int]] = set()
        self._paths: set[str] = set()
        for place, entry in self._segments.read():
            self._replay(entry, place)

    @property
    def is_started(self) -> bool:
        """Whether the source has looked for files before."""
        return self._source_id is not None

    @property
    def source_id(self) -> str | None:
        """What tells this start of the source from one after a full refresh; None before it.

        Batch numbers begin at 0 with each start, so a Delta ``txnAppId`` has to hold it.
        """
        return self._source_id

    @property
    def pending(self) -> list[FileBatch]:
        """The batches that have their number and files but are not committed, oldest first."""
        return [batch for number, batch in self._batches.items() if number not in self._commits]

    def is_new(self, file: FileEntry, *, allow_overwrites: bool) -> bool:
        """Return whether no batch has the file: by its path, or by its content's version too."""
        return (
            file.version not in self._versions
            if allow_overwrites
            else (file.path not in self._paths)
        )

    def start(self, skipped: Iterable[FileEntry]) -> None:
        """Note that the source has started, and the files it leaves out for ever."""
        files = [_to_json(file) for file in skipped]
        self._write([{"kind": "start", "source_id": uuid4().hex, "files": files}])

    def assign(self, groups: Sequence[tuple[tuple[str, ...], Sequence[FileEntry]]]) -> None:
        """Give each group of files, which share one header, the next batch number, durably."""
        first = max(self._batches, default=-1) + 1
        self._write(
            {
                "kind": "assign",
                "batch": first + position,
                "header": list(header),
                "files": [_to_json(file) for file in files],
            }
            for position, (header, files) in enumerate(groups)
        )

    def commit(self, batch: FileBatch, metrics: Mapping[str, object]) -> None:
        """Note that the batch's rows are in the target; ``metrics`` must be plain JSON.

        Raises:
            StateError: the batch is not pending.
        """
        self._write([{"kind": "commit", "batch": batch.number, "metrics": dict(metrics)}])

    def archive(self, files: Sequence[tuple[FileEntry, str | None]], mode: str) -> None:
        """Note that committed files are no longer in the source, and where they have gone to."""
        entries = [{**_to_json(file), "location": location} for file, location in files]
        self._write([{"kind": "archive", "mode": mode, "files": entries}])

    def committed_until(self, instant: datetime) -> list[FileEntry]:
        """Return the files committed at ``instant`` or before it and not archived since."""
        return [
            file
            for number, commit in self._commits.items()
            if commit.at <= instant
            for file in self._batches[number].files
            if file.version not in self._archives
        ]

    def committed_metrics(self, number: int) -> Mapping[str, object] | None:
        """Return what batch ``number`` was committed with, or None if it was not."""
        commit = self._commits.get(number)
        return None if commit is None else commit.metrics

    def files(self) -> list[IngestedFile]:
        """Return every file that has a batch, in the order they were given one."""
        return [
            self._ingested(file, number)
            for number, batch in self._batches.items()
            for file in batch.files
        ]

    def _ingested(self, file: FileEntry, number: int) -> IngestedFile:
        commit, archive = self._commits.get(number), self._archives.get(file.version)
        return IngestedFile(
            path=file.path,
            size=file.size,
            modified_at=datetime.fromtimestamp(file.modified_ms / 1000, UTC),
            discovered_at=self._assigned_at[number],
            committed_at=commit.at if commit else None,
            batch=number,
            archived_at=archive.at if archive else None,
            archive_mode=archive.mode if archive else None,
            move_location=archive.location if archive else None,
        )

    def latest_schema(self) -> SchemaVersion | None:
        """Return the newest schema of the source, or None before the first.

        Raises:
            StateError: the schema file cannot be read.
        """
        paths = sorted((self.folder / "schemas").glob("[0-9]*.json"))
        if not paths:
            return None
        try:
            found = json.loads(paths[-1].read_bytes())
            return SchemaVersion(
                number=int(paths[-1].stem),
                schema=StructType.fromJson(found["schema"]),
                hints=found["hints"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"{paths[-1]} is not a schema of ours: {error!r}",
                hint="restore the file from a backup, or run a full refresh",
            ) from error

    def add_schema(self, schema: StructType, hints: str | None) -> SchemaVersion:
        """Write the next version of the schema and return it.

        Raises:
            StateError: another process has written that version meanwhile.
        """
        latest = self.latest_schema()
        number = 0 if latest is None else latest.number + 1
        path = self.folder / "schemas" / f"{number:010d}.json"
        content = {
            "v": _VERSION,
            "at": self._clock.now().isoformat(),
            "hints": hints,
            "schema": schema.jsonValue(),
        }
        try:
            put_if_absent(path, json.dumps(content, ensure_ascii=False, indent=1))
        except FileExistsError as error:
            raise StateError(
                f"{path} was just written by another process: two updates run on one source",
                hint="let one of them end, then run again",
            ) from error
        return SchemaVersion(number=number, schema=schema, hints=hints)

    def _write(self, entries: Iterable[Mapping[str, object]]) -> None:
        at = self._clock.now().isoformat()
        complete = [{"v": _VERSION, "at": at, **entry} for entry in entries]
        for entry in complete:
            self._check(entry, "the new entry")
        self._segments.append(complete)
        for entry in complete:
            self._replay(entry, "the new entry")

    def _replay(self, entry: Mapping[str, Any], place: str) -> None:  # Any: what JSON holds
        self._check(entry, place)
        try:
            at = datetime.fromisoformat(entry["at"])
            if entry["kind"] == "start":
                self._source_id = str(entry["source_id"])
                self._know(_from_json(file) for file in entry["files"])
            elif entry["kind"] == "assign":
                batch = FileBatch(
                    number=entry["batch"],
                    files=tuple(_from_json(file) for file in entry["files"]),
                    header=tuple(entry["header"]),
                )
                self._batches[batch.number] = batch
                self._assigned_at[batch.number] = at
                self._know(batch.files)
            elif entry["kind"] == "archive":
                for file in entry["files"]:
                    self._archives[_from_json(file).version] = _Archive(
                        at=at, mode=entry["mode"], location=file["location"]
                    )
            else:
                metrics = MappingProxyType(dict(entry["metrics"]))
                self._commits[entry["batch"]] = _Commit(at=at, metrics=metrics)
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{place} lacks what its kind needs: {error!r}") from error

    def _check(self, entry: Mapping[str, Any], place: str) -> None:  # Any: what JSON holds
        kind, number = entry.get("kind"), entry.get("batch")
        if entry.get("v") != _VERSION:
            raise StateError(f"{place} has version {entry.get('v')!r}, known is {_VERSION}")
        if kind not in ("start", "assign", "commit", "archive"):
            raise StateError(f"{place} has the unknown kind {kind!r}")
        if kind == "start" and self._source_id is not None:
            raise StateError(f"{place} starts the source again: two updates ran on it")
        if kind == "assign" and number in self._batches:
            raise StateError(
                f"{place} gives batch {number} a second time: two updates ran on one source"
            )
        if kind == "commit" and (number not in self._batches or number in self._commits):
            why = "again" if number in self._commits else "that was never assigned"
            raise StateError(f"{place} commits batch {number} {why}")

    def _know(self, files: Iterable[FileEntry]) -> None:
        for file in files:
            self._versions.add(file.version)
            self._paths.add(file.path)


def _to_json(file: FileEntry) -> dict[str, object]:
    return {
        "path": file.path,
        "size": file.size,
        "modified_ms": file.modified_ms,
        "is_empty": file.is_empty,
    }


def _from_json(found: Mapping[str, Any]) -> FileEntry:  # Any: what JSON holds
    return FileEntry(
        path=found["path"],
        size=found["size"],
        modified_ms=found["modified_ms"],
        is_empty=found["is_empty"],
    )
