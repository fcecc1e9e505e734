"""Where a flow keeps how far it has come, and how that is forgotten while its rows are kept.

Everything a flow has processed is told by one file, ``generation``: the checkpoint, the file ledger
and the name Delta knows the flow's batch numbers by all carry it. Replacing that one file forgets
all three at once, so that no crash leaves old batch numbers beside new progress.
"""

import json
import shutil
import uuid
from pathlib import Path

from dlt_stub.atomic import write_text
from dlt_stub.declare.records import Flow
from dlt_stub.errors import StuckFlowError
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


def check_checkpoint(flow: Flow, folder: Path, way_out: str) -> None:
    """Return if the checkpoint of ``flow`` is one that Spark can go on from.

    Spark writes each of these files whole, then renames it: one that is empty, cut short or lost
    was damaged from outside, and Spark's own words name no file.

    Raises:
        StuckFlowError: a file of it is damaged or missing; ``way_out`` is the hint.
    """
    checkpoint = checkpoint_of(folder)
    why = _damage(checkpoint) if checkpoint.exists() else None
    if why is not None:
        raise StuckFlowError(
            f"flow '{flow.name}' cannot go on from its checkpoint: {why}",
            origin=flow.origin,
            hint=f"put the file back from a backup; or {way_out}",
        )


def versions_read(folder: Path) -> int:
    """Return the first version of its Delta sources that a flow's checkpoint may still need."""
    checkpoint = checkpoint_of(folder)
    offsets, commits = (_numbered(checkpoint / name) for name in ("offsets", "commits"))
    done = offsets.get(max(commits, default=-1))
    if done is None:
        return 0
    lines = done.read_text(encoding="utf-8").splitlines()[1:]
    found = [json.loads(line) for line in lines if _is_json(line) and line != "-"]
    return min((int(each.get("reservoirVersion", 0)) for each in found[1:]), default=0)


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


def _damage(checkpoint: Path) -> str | None:
    metadata = checkpoint / "metadata"
    offsets, commits = (_numbered(checkpoint / name) for name in ("offsets", "commits"))
    if (offsets or commits) and not metadata.exists():
        return f"{metadata} is missing"
    if commits and max(commits) not in offsets:
        return (
            f"{checkpoint / 'offsets' / str(max(commits))} is missing, and its batch is committed"
        )
    for file in (metadata, *(logs[max(logs)] for logs in (offsets, commits) if logs)):
        if file.exists() and not _is_whole(file):
            return f"{file} is damaged ({file.stat().st_size} bytes)"
    return None


def _numbered(folder: Path) -> dict[int, Path]:
    return {int(file.name): file for file in folder.glob("[0-9]*") if file.name.isdigit()}


def _is_whole(file: Path) -> bool:
    """Return whether ``file`` holds JSON lines, after a version everywhere but in ``metadata``."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        if file.name != "metadata" and (not lines or not lines.pop(0).startswith("v")):
            return False
        return bool(lines) and all(_is_json(line) for line in lines)
    except UnicodeDecodeError:
        return False


def _is_json(line: str) -> bool:
    if line == "-":  # a source that has given nothing yet
        return True
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _of_generation(flow: Path, name: str) -> Path:
    current = generation(flow)
    return flow / (name if current is None else f"{name}-{current}")
