"""What the rooms above see of a cloudFiles source: files, batches of files, what became of them."""

from dataclasses import dataclass, field
from datetime import datetime

from dlt_stub.errors import Origin, RefusedFilesError, SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One version of one file: ``path`` is plain (not percent-encoded), local where it is local.

    ``is_empty`` says that the file held no data row when its header was read.
    """

    path: str
    size: int
    modified_ms: int
    is_empty: bool = False

    @property
    def version(self) -> tuple[str, int, int]:
        """What tells this content from another one under the same path."""
        return self.path, self.size, self.modified_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBatch:
    """A micro-batch: its number and files never change once they stand in the ledger."""

    number: int
    files: tuple[FileEntry, ...]
    header: tuple[str, ...]

    @property
    def paths(self) -> frozenset[str]:
        """The paths of the batch's files."""
        return frozenset(file.path for file in self.files)

    @property
    def is_empty(self) -> bool:
        """Whether no file of the batch held a data row: it may be committed without a Spark job."""
        return all(file.is_empty for file in self.files)


@dataclass(slots=True, kw_only=True)
class Refused:
    """The files that cannot be read, by path, and why; filled while files are looked at."""

    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, error: SourceError) -> None:
        """Note that the file at ``path`` is left where it is, because of ``error``."""
        hint = f" ({error.hint})" if error.hint else ""
        self.reasons[path] = f"{error.message}{hint}"

    def raise_if_any(self, origin: Origin | None) -> None:
        """Return if no file was refused.

        Raises:
            RefusedFilesError: there are refused files; the message names each of them.
        """
        if self.reasons:
            raise RefusedFilesError(self.reasons, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """What a flow has to do: its batches, oldest first, and the files that it must leave."""

    batches: tuple[FileBatch, ...]
    refused: Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestedFile:
    """One version of a file that was found; ``committed_at`` is None while its rows are pending.

    What ``cleanSource`` did with it stands in the last three: when, MOVE or DELETE, and where to.
    """

    path: str
    size: int
    modified_at: datetime
    discovered_at: datetime
    committed_at: datetime | None
    batch: int
    archived_at: datetime | None = None
    archive_mode: str | None = None
    move_location: str | None = None
