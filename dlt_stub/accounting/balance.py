"""Compares the sides of the evidence; reads nothing but the files it is given a reader for."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from dlt_stub.accounting.records import (
    Account,
    Evidence,
    FoundFile,
    Imbalance,
    Kind,
    LedgerFile,
    Reconciliation,
    Recorded,
    Version,
)

Count = Callable[[str], int | None]  # the rows that the bytes of a file have, if that can be said
Digest = Callable[[str], str]
IN_SOURCE = "still in the source"
GONE = "gone"
REPLACED = "replaced by a later delivery before it was archived"
REMOVED = "deleted by cleanSource"


def balance(evidence: Evidence, *, count: Count | None, digest: Digest) -> Reconciliation:
    """Return the account of every delivery that any side knows, and what does not agree.

    With ``count`` None no file is opened: rows are those the archive task counted when it moved the
    file, and a file that was changed afterwards is found by its size and time alone.
    """
    return _Balance(evidence, count, digest).reconciled()


@dataclass(slots=True)
class _Places:
    """Where the files of one delivery are."""

    source: FoundFile | None = None
    archived: list[FoundFile] = field(default_factory=list)

    @property
    def first(self) -> str | None:
        files = [*self.archived, *([self.source] if self.source else [])]
        return files[0].path if files else None


class _Balance:
    def __init__(self, evidence: Evidence, count: Count | None, digest: Digest) -> None:
        self.evidence = evidence
        self.count = count
        self.digest = digest
        self.ledger = {file.version: file for file in evidence.ledger}
        self.records = {each.archived_to: each for each in evidence.records}
        self.moved = {each.moved_to: each.version for each in evidence.ledger if each.moved_to}
        self.recorded = {each.version: each for each in evidence.records}
        self.places: dict[Version, _Places] = defaultdict(_Places)
        self.wrong: list[Imbalance] = []
        self.newest: dict[str, int] = {}
        for each in (*self.ledger, *(file.version for file in evidence.in_source)):
            self.newest[each.path] = max(each.modified_ms, self.newest.get(each.path, 0))
        self.unread: set[str] = set()

    def reconciled(self) -> Reconciliation:
        strangers = self._place_files()
        known = {
            *self.ledger,
            *(self.evidence.rows or ()),
            *(self.evidence.accepted or ()),
            *(self.evidence.quarantined or ()),
            *self.recorded,
            *self.places,
        }
        known = {version for version in known if self._is_recent(version)}
        lost = {version for version in known if self._is_lost(version)}
        strangers = [
            file
            for file in strangers
            if self._is_recent_in_archive(file) and not self._is_changed(file, lost)
        ]
        ordered = sorted(known, key=lambda version: (version.modified_ms, version.path))
        accounts = tuple(self._account(version) for version in ordered)
        self.by_size: dict[int, list[Version]] = defaultdict(list)
        for version in ordered if strangers else ():
            self.by_size[version.size].append(version)
        for file in strangers:
            self._stranger(file)
        return Reconciliation(
            table=self.evidence.table,
            source=self.evidence.source,
            accounts=accounts,
            imbalances=tuple(self.wrong),
            notes=self.evidence.notes,
        )

    def _is_recent(self, version: Version) -> bool:
        return self.evidence.since_ms is None or version.modified_ms >= self.evidence.since_ms

    def _is_recent_in_archive(self, file: FoundFile) -> bool:
        """Return whether an archived file may be recent: a copy has lost its time, not its day."""
        since_ms = self.evidence.since_ms
        if since_ms is None or file.modified_ms >= since_ms:
            return True
        return file.day is not None and file.day >= _day(Version("", 0, since_ms))

    def _place_files(self) -> list[FoundFile]:
        """Give every file to the delivery it is; return those in the archive that are none."""
        for file in self.evidence.in_source:
            self.places[file.version].source = file
        known = {*self.ledger, *(self.evidence.rows or ()), *self.recorded}
        left = []
        for file in self.evidence.in_archive:
            record = self.records.get(file.path)
            version = record.version if record else self.moved.get(file.path, file.version)
            if version in known:
                self.places[version].archived.append(file)
            else:
                left.append(file)
        same: dict[tuple[str, int, str | None], list[Version]] = defaultdict(list)
        for version in sorted(known) if left else ():
            if not self.places[version].archived and not self._is_replaced(version):
                same[version.path, version.size, _day(version)].append(version)
        # A move by copying, where there are no links, leaves another time.
        strangers = []
        for file in left:
            if waiting := same.get((file.origin, file.size, file.day)):
                self.places[waiting.pop(0)].archived.append(file)
            else:
                strangers.append(file)
        return strangers

    def _is_lost(self, version: Version) -> bool:
        return self.places[version].first is None and not self._has_left(version)

    def _has_left(self, version: Version) -> bool:
        ledger = self.ledger.get(version)
        return (ledger is not None and ledger.removed) or self._is_replaced(version)

    def _is_replaced(self, version: Version) -> bool:
        """Return whether the producer wrote a later file over it: its archived copy never was."""
        if version in self.recorded:
            return False
        return self.newest.get(version.path, 0) > version.modified_ms

    def _is_changed(self, file: FoundFile, lost: set[Version]) -> bool:
        """Give a file that fits no delivery to the lost one it was, by its name and day."""
        for version in sorted(lost):
            if version.path == file.origin and _day(version) == file.day:
                lost.discard(version)
                self.places[version].archived.append(file)
                self._say(
                    Kind.CHANGED_IN_ARCHIVE,
                    version,
                    f"{file.path} was changed: it has {file.size} bytes of "
                    f"{file.version.modified_at:%F %T}, delivered were {version.size} bytes of "
                    f"{version.modified_at:%F %T}",
                )
                return True
        return False

    def _stranger(self, file: FoundFile) -> None:
        same = self.by_size.get(file.size, ()) if file.size else ()
        content = self._digest(file.path) if same else None
        for version in same:
            place = self.places[version].first
            if content is not None and place and self._digest(place) == content:
                message = f"{file.path} has the same content as {place}"
                self.wrong.append(
                    Imbalance(
                        kind=Kind.ARCHIVED_TWICE, file=self._name(version.path), message=message
                    )
                )
                return
        self.wrong.append(
            Imbalance(
                kind=Kind.UNKNOWN_IN_ARCHIVE,
                file=self._name(file.origin),
                message=f"{file.path} is in the archive, and nobody took it in",
            )
        )

    def _account(self, version: Version) -> Account:
        ledger, places = self.ledger.get(version), self.places[version]
        record = self.recorded.get(version)
        self._check_places(version, ledger, places, record)
        found = None if self.evidence.rows is None else self.evidence.rows.get(version)
        rows = None if self.evidence.rows is None else (found.rows if found else 0)
        in_file = self._rows_in_file(places, record)
        if ledger is not None and ledger.is_committed:
            self._check_rows(version, in_file, rows)
        accepted = _number(self.evidence.accepted, version)
        quarantined = _number(self.evidence.quarantined, version)
        self._check_split(version, rows, accepted, quarantined)
        if missing := _number(self.evidence.keys_missing, version):
            self._say(
                Kind.KEYS_MISSING,
                version,
                f"{_of(missing, 'key')} of its accepted rows not in {self.evidence.target}",
            )
        return Account(
            file=self._name(version.path),
            size=version.size,
            modified_at=version.modified_at,
            rows_in_file=in_file,
            rows=rows,
            accepted=accepted,
            quarantined=quarantined,
            rescued=None if rows is None else (found.rescued if found else 0),
            where=self._where(version, ledger, places),
        )

    def _check_places(
        self,
        version: Version,
        ledger: LedgerFile | None,
        places: _Places,
        record: Recorded | None,
    ) -> None:
        if self._is_lost(version):
            what = "its rows are read" if ledger is None else "the ledger has it"
            at = f"; it was archived as {record.archived_to}" if record else ""
            self._say(Kind.GONE, version, f"{what}, but its file is nowhere{at}")
        if len(places.archived) > 1:
            listed = ", ".join(file.path for file in places.archived)
            self._say(Kind.ARCHIVED_TWICE, version, f"the archive has it as {listed}")
        if places.archived and places.source is not None:
            self._say(
                Kind.ARCHIVED_AND_IN_SOURCE,
                version,
                f"it is in the source and as {places.archived[0].path}: a run of the archive task "
                "was interrupted, and the next one goes on from there",
            )
        if places.archived and ledger is not None and not ledger.is_committed:
            self._say(
                Kind.ARCHIVED_NOT_COMMITTED,
                version,
                f"it is in the archive as {places.archived[0].path}, but its rows are not committed"
                "; put it back into the source and run the pipeline",
            )
        has_rows = bool(self.evidence.rows and version in self.evidence.rows)
        if ledger is None and not self.evidence.is_reset and (has_rows or places.archived):
            self._say(Kind.NOT_IN_LEDGER, version, "the ledger does not have it")
        for file in places.archived:
            if self._differs(file, version, record):
                message = f"{file.path} was changed: it is not the content that was archived"
                self._say(Kind.CHANGED_IN_ARCHIVE, version, message)

    def _differs(self, file: FoundFile, version: Version, record: Recorded | None) -> bool:
        is_recorded = record is not None and file.path == record.archived_to
        if file.size != version.size:
            return is_recorded or file.path in self.moved
        if self.count is None or record is None or not is_recorded:
            return False
        content = self._digest(file.path)
        return content is not None and content != record.sha256

    def _digest(self, path: str) -> str | None:
        try:
            return self.digest(path)
        except OSError as error:
            self._unreadable(path, error)
            return None

    def _unreadable(self, path: str, error: OSError) -> None:
        if path not in self.unread:
            self.unread.add(path)
            message = f"{path} cannot be read: {error.strerror or error}"
            self.wrong.append(
                Imbalance(kind=Kind.UNREADABLE, file=self._name(path), message=message)
            )

    def _rows_in_file(self, places: _Places, record: Recorded | None) -> int | None:
        if self.count is not None and places.first is not None:
            try:
                return self.count(places.first)
            except OSError as error:
                self._unreadable(places.first, error)
                return None
        return None if record is None else record.rows_in_file

    def _check_rows(self, version: Version, in_file: int | None, rows: int | None) -> None:
        table = self.evidence.table
        if rows is None or in_file is None or rows == in_file or not self.evidence.tells_rows:
            return
        if rows < in_file:
            message = f"{in_file - rows} of its {in_file} rows missing in {table}"
            self._say(Kind.ROWS_MISSING, version, message)
        elif in_file and rows % in_file == 0:
            times = "twice" if rows == 2 * in_file else f"{rows // in_file} times"
            self._say(Kind.ROWS_TWICE, version, f"its {in_file} rows are {times} in {table}")
        else:
            message = f"{table} has {rows} rows of it, the file {in_file}"
            self._say(Kind.ROWS_TOO_MANY, version, message)

    def _check_split(
        self, version: Version, rows: int | None, accepted: int | None, quarantined: int | None
    ) -> None:
        if rows is None or accepted is None or quarantined is None:
            return
        split = accepted + quarantined
        what = f"{rows} rows, {accepted} accepted and {quarantined} quarantined"
        if split > rows:
            message = f"{_of(split - rows, 'row')} both accepted and quarantined: {what}"
            self._say(Kind.IN_BOTH, version, message)
        elif split < rows:
            message = f"{_of(rows - split, 'row')} neither accepted nor quarantined: {what}"
            self._say(Kind.IN_NEITHER, version, message)

    def _where(self, version: Version, ledger: LedgerFile | None, places: _Places) -> str:
        if places.archived:
            return places.archived[0].path
        if places.source is not None:
            if ledger is None and not (self.evidence.rows or {}).get(version):
                return f"{IN_SOURCE}, not read yet"
            return IN_SOURCE
        if ledger is not None and ledger.removed:
            return REMOVED
        return REPLACED if self._is_replaced(version) else GONE

    def _say(self, kind: Kind, version: Version, message: str) -> None:
        self.wrong.append(Imbalance(kind=kind, file=self._name(version.path), message=message))

    def _name(self, path: str) -> str:
        folder = PurePosixPath(self.evidence.source)
        return str(PurePosixPath(path).relative_to(folder)) if _is_below(path, folder) else path


def _is_below(path: str, folder: PurePosixPath) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _day(version: Version) -> str:
    return f"{version.modified_at:%Y/%m/%d}"


def _number(counts: Mapping[Version, int] | None, version: Version) -> int | None:
    return None if counts is None else counts.get(version, 0)


def _of(number: int, what: str) -> str:
    return f"{number} {what} is" if number == 1 else f"{number} {what}s are"
