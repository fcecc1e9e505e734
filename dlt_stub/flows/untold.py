"""What a flow's micro-batches did, kept until the event that tells it is on disk.

A batch's counts are known once its rows are written, and nobody can count them again when its
files have moved since. So they are kept in a small file before the flow's progress is committed,
told after it, and the file goes when the event is durable. Whatever is left by a killed process is
either told at the next update's start, under the update that did it, or, where the progress was
not committed, by whoever does the batch again: never twice, as the event has its id from the start.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dlt_stub.atomic import read_json, write_json
from dlt_stub.cdc import CdcMetrics
from dlt_stub.cloud_files import CloudFilesState
from dlt_stub.errors import StateError
from dlt_stub.failpoints import reach
from dlt_stub.flows.metrics import BatchMetrics, metrics_as_json, metrics_of_json
from dlt_stub.flows.progress import checkpoint_of, untold_of

OnBatch = Callable[[BatchMetrics, str | None], None]  # what it did; the id its event must have

_FOLDER = "untold"
_COUNTED = ".counted"  # what a batch is about to do to a target of changes


class Proof(StrEnum):
    """What says that a batch is done with and will not be done again."""

    LEDGER = "LEDGER"
    CHECKPOINT = "CHECKPOINT"
    ONCE = "ONCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What an earlier update did and did not tell."""

    event_id: str
    update_id: str
    target: str
    flow: str
    is_sink: bool
    metrics: BatchMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """The untold batches of one flow, in one update."""

    folder: Path  # of the flow
    proof: Proof
    update_id: str
    target: str
    flow: str
    is_sink: bool

    def keep(self, number: int, metrics: BatchMetrics) -> None:
        """Keep what batch ``number`` did; call it before the flow's progress is committed."""
        content = {
            "event_id": str(uuid.uuid4()),
            "update_id": self.update_id,
            "target": self.target,
            "flow": self.flow,
            "is_sink": self.is_sink,
            "proof": self.proof.value,
            "metrics": metrics_as_json(metrics),
        }
        write_json(self._file(number), content)
        reach("flows.batch_kept", self.target)

    def kept(self, number: int) -> BatchMetrics | None:
        """Return what batch ``number`` did when it was last written, if that is known."""
        file = self._file(number)
        return metrics_of_json(read_json(file)["metrics"]) if file.exists() else None

    def count(self, number: int, counts: CdcMetrics) -> None:
        """Keep what batch ``number`` is about to do to a target of changes."""
        content = {"upserted": counts.num_upserted_rows, "deleted": counts.num_deleted_rows}
        write_json(self._file(number, _COUNTED), content)

    def counted(self, number: int) -> CdcMetrics | None:
        """Return what batch ``number``, which is in its target, did to it, if that is known."""
        file = self._file(number, _COUNTED)
        if not file.exists():
            return None
        found = read_json(file)
        return CdcMetrics(num_upserted_rows=found["upserted"], num_deleted_rows=found["deleted"])

    def tell(self, number: int, on_batch: OnBatch) -> None:
        """Tell of batch ``number``, whose progress is committed, and forget it."""
        file = self._file(number)
        found = read_json(file)
        on_batch(metrics_of_json(found["metrics"]), found["event_id"])
        reach("flows.batch_told", self.target)
        forget(file)

    def _file(self, number: int, what: str = "") -> Path:
        return untold_of(self.folder) / f"{number}{what}.json"


@dataclass(slots=True, kw_only=True)
class Teller:
    """Tells of each micro-batch of a running stream once Spark's checkpoint has it."""

    untold: Untold
    on_batch: OnBatch
    kept: list[int] = field(default_factory=list)  # grows while the stream runs, in order
    told: int = 0  # of them

    def tell(self) -> None:
        """Tell of what was committed since the last call."""
        checkpoint = checkpoint_of(self.untold.folder)
        while self.told < len(self.kept) and is_checkpointed(checkpoint, self.kept[self.told]):
            reach("flows.checkpoint_committed", self.untold.target)
            self.untold.tell(self.kept[self.told], self.on_batch)
            self.told += 1


def committed_tellings(flows: Path) -> Iterator[tuple[Path, Telling]]:
    """Yield what is kept below the folder ``flows`` of batches that will not be done again.

    Raises:
        StateError: a file is none of ours.
    """
    for file in sorted(flows.glob(f"*/*/{_FOLDER}*/*.json")):
        if not file.stem.isdecimal():
            continue
        found = read_json(file)
        try:
            telling = Telling(
                event_id=found["event_id"],
                update_id=found["update_id"],
                target=found["target"],
                flow=found["flow"],
                is_sink=found["is_sink"],
                metrics=metrics_of_json(found["metrics"]),
            )
            is_committed = _is_committed(file, Proof(found["proof"]))
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"{file} does not say what a micro-batch did: {error!r}",
                hint="move it away: its rows are in their table, its counts stay untold",
            ) from error
        if is_committed:
            yield file, telling


def forget(file: Path) -> None:
    """Remove what is kept of a batch that was told."""
    file.with_name(f"{file.stem}{_COUNTED}.json").unlink(missing_ok=True)
    file.unlink()


def is_checkpointed(checkpoint: Path, number: int) -> bool:
    """Return whether Spark's ``checkpoint`` has batch ``number``, or one after it."""
    names = (file.name for file in (checkpoint / "commits").glob("[0-9]*"))
    return any(name.isdecimal() and int(name) >= number for name in names)


def _is_committed(file: Path, proof: Proof) -> bool:
    generation = file.parent.name.removeprefix(_FOLDER)  # each reset of a flow begins one
    flow, number = file.parent.parent, int(file.stem)
    if proof is Proof.CHECKPOINT:
        return is_checkpointed(flow / f"checkpoint{generation}", number)
    if proof is Proof.ONCE:
        return (flow / f"once{generation}" / "done").exists()
    state = CloudFilesState(flow / f"source{generation}")
    return state.committed_metrics(number) is not None
