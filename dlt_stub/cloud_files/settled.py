"""The committed part of a ledger in one entry, column by column: cheap to read when it is long."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from dlt_stub.cloud_files.records import FileEntry

KIND: Final = "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledBatch:
    """A batch that is committed; its files are a stretch of the columns of ``Settled``."""

    number: int
    num_files: int
    assigned_at: datetime
    committed_at: datetime
    metrics: Mapping[str, Any]  # JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What stays true of a source for ever: its id, and files that are committed or left out.

    The files of ``batches`` come first, in their order; those left out for ever follow.
    """

    source_id: str | None = None
    next_batch: int = 0  # batches below it are in here, or pending since before
    batches: Sequence[SettledBatch] = ()
    paths: Sequence[str] = ()
    sizes: Sequence[int] = ()
    modified_ms: Sequence[int] = ()
    empty: frozenset[int] = field(default_factory=frozenset)  # places in the columns

    def versions(self) -> set[tuple[str, int, int]]:
        """Return what tells each file's content from another under the same path."""
        return set(zip(self.paths, self.sizes, self.modified_ms, strict=True))

    def files(self) -> Iterator[tuple[SettledBatch, FileEntry]]:
        """Yield every committed file with its batch, in the order they were given one."""
        place = 0
        for batch in self.batches:
            for _ in range(batch.num_files):
                yield batch, self._file(place)
                place += 1

    def batch(self, number: int) -> SettledBatch | None:
        """Return one committed batch, or None."""
        return next((each for each in self.batches if each.number == number), None)

    def _file(self, place: int) -> FileEntry:
        return FileEntry(
            path=self.paths[place],
            size=self.sizes[place],
            modified_ms=self.modified_ms[place],
            is_empty=place in self.empty,
        )

    def to_json(self) -> dict[str, object]:
        """Return the entry's own part."""
        return {
            "kind": KIND,
            "source_id": self.source_id,
            "next_batch": self.next_batch,
            "batches": [
                [
                    each.number,
                    each.num_files,
                    each.assigned_at.isoformat(),
                    each.committed_at.isoformat(),
                    dict(each.metrics),
                ]
                for each in self.batches
            ],
            "paths": list(self.paths),
            "sizes": list(self.sizes),
            "modified_ms": list(self.modified_ms),
            "empty": sorted(self.empty),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Settled":
        """Return what ``to_json`` made the entry of.

        Raises:
            KeyError, TypeError, ValueError: it was not made so.
        """
        batches = tuple(
            SettledBatch(
                number=number,
                num_files=num_files,
                assigned_at=datetime.fromisoformat(assigned_at),
                committed_at=datetime.fromisoformat(committed_at),
                metrics=metrics,
            )
            for number, num_files, assigned_at, committed_at, metrics in entry["batches"]
        )
        settled = cls(
            source_id=entry["source_id"],
            next_batch=int(entry["next_batch"]),
            batches=batches,
            paths=entry["paths"],
            sizes=entry["sizes"],
            modified_ms=entry["modified_ms"],
            empty=frozenset(entry["empty"]),
        )
        length = len(settled.paths)
        if not len(settled.sizes) == len(settled.modified_ms) == length:
            raise ValueError("its columns differ in length")
        if sum(each.num_files for each in batches) > length:
            raise ValueError("its batches have more files than it names")
        return settled
