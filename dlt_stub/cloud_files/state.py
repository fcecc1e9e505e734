"""What one cloudFiles source remembers: its ledger of files and batches, and its schemas."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from pyspark.sql.types import StructType

from dlt_stub.clock import Clock, SystemClock
from dlt_stub.cloud_files.records import FileBatch, FileEntry, IngestedFile
from dlt_stub.cloud_files.segments import FEW_SEGMENTS, Segments, put_if_absent
from dlt_stub.cloud_files.settled import KIND, Settled, SettledBatch
from dlt_stub.errors import StateError
from dlt_stub.failpoints import reach

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

    ``folder/ledger/*.jsonl`` holds five kinds of entries: ``start`` (once, with the files that
    ``includeExistingFiles = false`` leaves out), ``assign`` (a batch number and its files, written
    before anybody sees the batch), ``commit``, ``release`` (a batch that no table has gives its
    files back), and ``archive`` (files that were moved or deleted).
    A ``snapshot`` stands for those before it, as ``compact`` leaves them.
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
        self._settled = Settled()
        self._source_id: str | None = None
        self._next_batch = 0
        self._batches: dict[int, FileBatch] = {}
        self._assigned_at: dict[int, datetime] = {}
        self._commits: dict[int, _Commit] = {}
        self._archives: dict[tuple[str, int, int], _Archive] = {}
        self._skipped: list[tuple[str, int, int]] = []  # since the snapshot
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
        reach("cloud_files.started")

    def assign(self, groups: Sequence[tuple[tuple[str, ...], Sequence[FileEntry]]]) -> None:
        """Give each group of files, which share one header, the next batch number, durably."""
        first = self._next_batch
        self._write(
            _assigning(first + position, header, files)
            for position, (header, files) in enumerate(groups)
        )
        if groups:
            reach("cloud_files.assigned")

    def commit(self, batch: FileBatch, metrics: Mapping[str, object]) -> None:
        """Note that the batch's rows are in the target; ``metrics`` must be plain JSON.

        Raises:
            StateError: the batch is not pending.
        """
        self._write([{"kind": "commit", "batch": batch.number, "metrics": dict(metrics)}])
        reach("cloud_files.committed")

    def release(self, batch: FileBatch, reasons: Mapping[str, str]) -> list[FileBatch]:
        """Forget a batch that no table has: its files are new again, its number is used up.

        The files that ``reasons``, by their paths, has nothing against are given a batch anew, in
        the same write, which is returned if there is one; the others are found again as long as
        they are there.

        Raises:
            StateError: the batch is not pending.
        """
        rest = [file for file in batch.files if file.path not in reasons]
        again = [_assigning(self._next_batch, batch.header, rest)] if rest else []
        released = {"kind": "release", "batch": batch.number, "reasons": dict(reasons)}
        self._write([released, *again])
        reach("cloud_files.released")
        return self.pending[-1:] if rest else []

    def archive(self, files: Sequence[tuple[FileEntry, str | None]], mode: str) -> None:
        """Note that committed files are no longer in the source, and where they have gone to."""
        entries = [{**_to_json(file), "location": location} for file, location in files]
        self._write([{"kind": "archive", "mode": mode, "files": entries}])

    def committed_until(self, instant: datetime) -> list[FileEntry]:
        """Return the files committed at ``instant`` or before it and not archived since."""
        settled = [file for batch, file in self._settled.files() if batch.committed_at <= instant]
        since = [
            file
            for number, commit in self._commits.items()
            if commit.at <= instant
            for file in self._batches[number].files
        ]
        return [file for file in (*settled, *since) if file.version not in self._archives]

    def committed_metrics(self, number: int) -> Mapping[str, object] | None:
        """Return what batch ``number`` was committed with, or None if it was not."""
        commit = self._commits.get(number)
        if commit is not None:
            return commit.metrics
        batch = self._settled.batch(number)
        return None if batch is None else batch.metrics

    def files(self) -> list[IngestedFile]:
        """Return every file that has a batch, in the order they were given one."""
        settled = [
            self._ingested(file, batch.number, batch.assigned_at, batch.committed_at)
            for batch, file in self._settled.files()
        ]
        since = []
        for number, batch in self._batches.items():
            commit = self._commits.get(number)
            times = self._assigned_at[number], commit.at if commit else None
            since += [self._ingested(file, number, *times) for file in batch.files]
        return [*settled, *since]

    def _ingested(
        self, file: FileEntry, number: int, assigned_at: datetime, committed_at: datetime | None
    ) -> IngestedFile:
        archive = self._archives.get(file.version)
        return IngestedFile(
            path=file.path,
            size=file.size,
            modified_at=datetime.fromtimestamp(file.modified_ms / 1000, UTC),
            discovered_at=assigned_at,
            committed_at=committed_at,
            batch=number,
            archived_at=archive.at if archive else None,
            archive_mode=archive.mode if archive else None,
            move_location=archive.location if archive else None,
        )

    def compact(self, few: int = FEW_SEGMENTS) -> bool:
        """Put a snapshot in place of the ledger's entries if it is long, and return whether it was.

        It is long with more than ``few`` segments since the last snapshot. Nothing that any
        method returns changes. The caller holds the pipeline's lock.
        """
        if not self._segments.is_long(few):
            return False
        entries = [self._now_settled().to_json(), *self._unsettled()]
        at = self._clock.now().isoformat()
        self._segments.replace({"v": _VERSION, "at": at, **entry} for entry in entries)
        return True

    def _now_settled(self) -> Settled:
        old = self._settled
        ended = [number for number in self._batches if number in self._commits]
        files = [file for number in ended for file in self._batches[number].files]
        num_committed = sum(each.num_files for each in old.batches)
        skipped = [*zip(old.paths, old.sizes, old.modified_ms, strict=True)][num_committed:]
        skipped += self._skipped
        return Settled(
            source_id=self._source_id,
            next_batch=self._next_batch,
            batches=[
                *old.batches,
                *(
                    SettledBatch(
                        number=number,
                        num_files=len(self._batches[number].files),
                        assigned_at=self._assigned_at[number],
                        committed_at=self._commits[number].at,
                        metrics=self._commits[number].metrics,
                    )
                    for number in ended
                ),
            ],
            paths=[*old.paths[:num_committed], *(f.path for f in files), *(s[0] for s in skipped)],
            sizes=[*old.sizes[:num_committed], *(f.size for f in files), *(s[1] for s in skipped)],
            modified_ms=[
                *old.modified_ms[:num_committed],
                *(f.modified_ms for f in files),
                *(s[2] for s in skipped),
            ],
            empty=old.empty | {num_committed + n for n, file in enumerate(files) if file.is_empty},
        )

    def _unsettled(self) -> Iterator[dict[str, object]]:
        """Yield the entries that are repeated after a snapshot, with their own times."""
        for batch in self.pending:
            at = self._assigned_at[batch.number].isoformat()
            yield {**_assigning(batch.number, batch.header, batch.files), "at": at}
        together: dict[tuple[str, str], list[dict[str, object]]] = {}
        for (path, size, modified_ms), archive in self._archives.items():
            file = FileEntry(path=path, size=size, modified_ms=modified_ms)
            entry = {**_to_json(file), "location": archive.location}
            together.setdefault((archive.at.isoformat(), archive.mode), []).append(entry)
        for (at, mode), files in together.items():
            yield {"kind": "archive", "mode": mode, "files": files, "at": at}

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
        reach("cloud_files.schema_written")
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
            if entry["kind"] == KIND:
                self._settled = Settled.from_json(entry)
                self._next_batch = max(self._next_batch, self._settled.next_batch)
                self._source_id = self._settled.source_id
                self._versions |= self._settled.versions()
                self._paths.update(self._settled.paths)
            elif entry["kind"] == "start":
                self._source_id = str(entry["source_id"])
                skipped = [_from_json(file) for file in entry["files"]]
                self._skipped += [file.version for file in skipped]
                self._know(skipped)
            elif entry["kind"] == "assign":
                batch = FileBatch(
                    number=entry["batch"],
                    files=tuple(_from_json(file) for file in entry["files"]),
                    header=tuple(entry["header"]),
                )
                self._batches[batch.number] = batch
                self._next_batch = max(self._next_batch, batch.number + 1)
                self._assigned_at[batch.number] = at
                self._know(batch.files)
            elif entry["kind"] == "release":
                del self._assigned_at[entry["batch"]]
                self._forget(self._batches.pop(entry["batch"]).files)
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
        if kind not in ("start", "assign", "commit", "release", "archive", KIND):
            raise StateError(f"{place} has the unknown kind {kind!r}")
        if kind == "start" and self._source_id is not None:
            raise StateError(f"{place} starts the source again: two updates ran on it")
        is_settled = number is not None and self._settled.batch(number) is not None
        if kind == KIND and (self._batches or self._versions):
            raise StateError(f"{place} is a snapshot, and not the first entry of the ledger")
        if kind == "assign" and (number in self._batches or is_settled):
            raise StateError(
                f"{place} gives batch {number} a second time: two updates ran on one source"
            )
        is_pending = number in self._batches and number not in self._commits
        if kind in ("commit", "release") and not is_pending:
            why = "again" if number in self._commits or is_settled else "that was never assigned"
            raise StateError(f"{place} {kind}s batch {number} {why}")

    def _forget(self, files: Iterable[FileEntry]) -> None:
        self._versions -= {file.version for file in files}
        self._paths = {path for path, _, _ in self._versions}

    def _know(self, files: Iterable[FileEntry]) -> None:
        for file in files:
            self._versions.add(file.version)
            self._paths.add(file.path)


def is_ledger_long(folder: Path, few: int = FEW_SEGMENTS) -> bool:
    """Return whether ``compact`` would do something for the source in ``folder``; reads nothing."""
    return Segments(folder / "ledger").is_long(few)


def _assigning(number: int, header: Sequence[str], files: Sequence[FileEntry]) -> dict[str, object]:
    return {
        "kind": "assign",
        "batch": number,
        "header": list(header),
        "files": [_to_json(file) for file in files],
    }


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
