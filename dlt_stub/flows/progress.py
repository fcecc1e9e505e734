"""Where a flow keeps how far it has come, and how that is forgotten while its rows are kept.

Everything a flow has processed is told by one file, ``generation``: the checkpoint, the file ledger
and the name Delta knows the flow's batch numbers by all carry it. Replacing that one file forgets
all three at once, so that no crash leaves old batch numbers beside new progress.
"""

import shutil
import uuid
from pathlib import Path

from dlt_stub.atomic import write_text
from dlt_stub.failpoints import reach

_FILE = "generation"


def checkpoint_of(flow: Path) -> Path:
    """Return the folder of the checkpoint Spark keeps for the flow in folder ``flow``."""
    return _of_generation(flow, "checkpoint")


def has_committed(checkpoint: Path) -> bool:
    """Return whether a stream with this checkpoint has ended a micro-batch."""
    return any(file.name.isdigit() for file in (checkpoint / "commits").glob("[0-9]*"))


def source_of_files(flow: Path) -> Path:
    """Return the folder of the cloudFiles ledger and schemas of the flow in folder ``flow``."""
    return _of_generation(flow, "source")


def done_once(flow: Path) -> Path:
    """Return the file that stands once the one-time flow in folder ``flow`` has run."""
    return _of_generation(flow, "once") / "done"


def state_words_of(flow: Path) -> Path:
    """Return the file that says what the state in the flow's checkpoint means."""
    return _of_generation(flow, "state").with_suffix(".json")


def untold_of(flow: Path) -> Path:
    """Return the folder of what the flow in folder ``flow`` has done and not told yet."""
    return _of_generation(flow, "untold")


def snapshots_of(flow: Path) -> Path:
    """Return the file that says which snapshot the flow in folder ``flow`` has applied last."""
    return _of_generation(flow, "snapshots") / "applied.json"


def generation(flow: Path) -> str | None:
    """Return what tells the flow's batch numbers from those before its last reset."""
    file = flow / _FILE
    return file.read_text(encoding="utf-8").strip() if file.exists() else None


def reset_progress(flow: Path) -> None:
    """Let the flow in folder ``flow`` start from the beginning of its sources; rows are kept.

    Source: docs "Recover a pipeline from streaming checkpoint failure", 2026-11-24.
    """
    write_text(flow / _FILE, uuid.uuid4().hex)
    reach("flows.progress_reset")
    kept = {_FILE, checkpoint_of(flow).name, source_of_files(flow).name}
    for folder in flow.iterdir():
        if folder.is_dir() and folder.name not in kept:
            shutil.rmtree(folder)


def _of_generation(flow: Path, name: str) -> Path:
    current = generation(flow)
    return flow / (name if current is None else f"{name}-{current}")
