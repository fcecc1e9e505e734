"""How a test's file lands."""

import os
from datetime import datetime
from pathlib import Path


def land(file: Path, content: str | bytes, *, modified_at: datetime | None = None) -> Path:
    """Write a file, whole at once, and return it; one of that name is replaced."""
    file.parent.mkdir(parents=True, exist_ok=True)
    growing = file.with_name(f".{file.name}.part")
    growing.write_bytes(content if isinstance(content, bytes) else content.encode())
    if modified_at is not None:
        os.utime(growing, (modified_at.timestamp(), modified_at.timestamp()))
    return growing.rename(file)
