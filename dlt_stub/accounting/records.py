"""What is known of deliveries from each side, and what comes of comparing the sides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One delivery: the path it landed under, its size and its modification time."""

    path: str
    size: int
    modified_ms: int

    @property
    def modified_at(self) -> datetime:
        """When the file was last written, UTC."""
        return datetime.fromtimestamp(self.modified_ms / 1000, UTC)


class Kind(StrEnum):
    """What can be wrong with an account; the values are stable."""

    GONE = "gone"  # read or to be read, and nowhere on disk
    NOT_IN_LEDGER = "not_in_ledger"  # its rows or its file are there, but it was never taken in
    UNKNOWN_IN_ARCHIVE = "unknown_in_archive"  # a file in the archive that nobody delivered
    UNREADABLE = "unreadable"
    CHANGED_IN_ARCHIVE = "changed_in_archive"
    ARCHIVED_TWICE = "archived_twice"
    ARCHIVED_AND_IN_SOURCE = "archived_and_in_source"
    ARCHIVED_NOT_COMMITTED = "archived_not_committed"
    ROWS_MISSING = "rows_missing"
    ROWS_TWICE = "rows_twice"
    ROWS_TOO_MANY = "rows_too_many"
    IN_BOTH = "in_both"  # accepted and quarantined
    IN_NEITHER = "in_neither"
    KEYS_MISSING = "keys_missing"  # accepted rows whose key the target lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFile:
    """A version the ledger holds; cleanSource may have deleted it, or moved it to a place."""

    version: Version
    is_committed: bool
    removed: bool = False
    moved_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file on disk; in the archive ``origin`` is the path it would have landed under."""

    path: str
    size: int
    modified_ms: int
    origin: str
    day: str | None = None  # the archive folder of its day, 2026/03/04

    @property
    def version(self) -> Version:
        """The delivery it is, if nothing changed it."""
        return Version(self.origin, self.size, self.modified_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A move as the archive task recorded it; ``archived_to`` is a path on this machine."""

    version: Version
    archived_to: str
    rows_in_file: int | None
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Rows of one delivery in the table its files are read into."""

    rows: int
    rescued: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What each side says of one cloudFiles flow; None where there is nobody to ask.

    ``tells_rows`` is false where rows may be dropped on their way into the table: a file's rows are
    not compared with the table's then. ``is_reset`` says that the ledger began anew once. With
    ``since_ms`` tables and record were asked for deliveries modified then or later only.
    """

    table: str
    source: str
    ledger: tuple[LedgerFile, ...]
    in_source: tuple[FoundFile, ...]
    in_archive: tuple[FoundFile, ...] = ()
    records: tuple[Recorded, ...] = ()
    rows: Mapping[Version, RowCounts] | None = None
    accepted: Mapping[Version, int] | None = None
    quarantined: Mapping[Version, int] | None = None
    keys_missing: Mapping[Version, int] | None = None
    target: str | None = None
    tells_rows: bool = True
    is_reset: bool = False
    since_ms: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One delivery; numbers are None where nobody can say. ``file`` is its path below the source.

    ``where`` is the file's place now, or why it has none.
    """

    file: str
    size: int
    modified_at: datetime
    rows_in_file: int | None
    rows: int | None
    accepted: int | None
    quarantined: int | None
    rescued: int | None
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imbalance:
    """One thing that does not balance, as a sentence about ``file``."""

    kind: Kind
    file: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums over all accounts; None where no account has the number."""

    deliveries: int
    rows_in_file: int | None
    rows: int | None
    accepted: int | None
    quarantined: int | None
    rescued: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The accounts of one source's files, oldest delivery first, and all that is wrong."""

    table: str
    source: str
    accounts: tuple[Account, ...]
    imbalances: tuple[Imbalance, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def balances(self) -> bool:
        """Whether nothing is wrong."""
        return not self.imbalances

    @property
    def totals(self) -> Totals:
        """The sums of the numbers that are known."""
        return Totals(
            deliveries=len(self.accounts),
            rows_in_file=_sum(each.rows_in_file for each in self.accounts),
            rows=_sum(each.rows for each in self.accounts),
            accepted=_sum(each.accepted for each in self.accounts),
            quarantined=_sum(each.quarantined for each in self.accounts),
            rescued=_sum(each.rescued for each in self.accounts),
        )


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
