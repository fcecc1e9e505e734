"""Small files that are whole or absent, never half written."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from dlt_stub.disk import writing
from dlt_stub.errors import StateError
from dlt_stub.failpoints import reach


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` as JSON in one step that survives a crash at any point.

    Raises:
        DiskError: as ``write_text``.
    """
    write_text(path, json.dumps(value, indent=1))  # ASCII: names need not be UTF-8


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in one step that survives a crash at any point.

    Raises:
        DiskError: the disk is full, read-only, ...; what was there is as it was.
    """
    with writing(path):
        _write(path, text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".draft")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        reach("atomic.drafted", path.name)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Put the folder's own list of names on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``.

    Raises:
        StateError: the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors alike
        raise _untrusted(path, str(error)) from error
    if not isinstance(value, dict):
        raise _untrusted(path, f"it holds a {type(value).__name__}")
    return value


def _untrusted(path: Path, found: str) -> StateError:
    return StateError(
        f"{path} is not a JSON object: {found}",
        hint="it was changed from outside; move it away to go on without it",
    )
