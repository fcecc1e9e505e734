"""What is said when the disk refuses a file: one sentence for every room that keeps state."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dlt_stub.errors import DiskError

FREE_ROOM: Final = (
    "make room there (dlt-stub doctor says how much there is), then run the same command again: "
    "it goes on from what was committed"
)
LET_IN: Final = (
    "give the user who runs this the right to it, then run the same command again: it goes on "
    "from what was committed"
)
_REFUSALS: Final = {
    errno.ENOSPC: ("the disk is full", FREE_ROOM),
    errno.EDQUOT: ("the disk quota is used up", FREE_ROOM),
    errno.EFBIG: ("files may not grow so large here", FREE_ROOM),
    errno.EROFS: (
        "it lies on a read-only file system",
        "mount it for writing, then run the same command again: it goes on from what was committed",
    ),
    errno.EACCES: ("permission denied", LET_IN),
    errno.EPERM: ("the operation is not permitted", LET_IN),
    errno.EIO: (
        "the disk has an error",
        "the system's log says which; copy the workspace folder to another disk",
    ),
}
# What Java says of the same refusals; Spark hands on the words alone.
_IN_JAVA: Final = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Read-only file system": errno.EROFS,
    "Permission denied": errno.EACCES,
    "Input/output error": errno.EIO,
}


def disk_error(error: OSError, what: str | None = None) -> DiskError | None:
    """Return what to raise for ``error`` if it is the disk that refuses, else None.

    ``what`` says in words what could not be done; by default the error's own file is named.
    """
    refusal = _REFUSALS.get(error.errno or 0)
    if refusal is None:
        return None
    sentence, hint = refusal
    where = f"{error.filename} cannot be used" if error.filename else "a file cannot be written"
    return DiskError(f"{what or where}: {sentence}", hint=hint)


def refusal_in(text: str) -> str | None:
    """Return the hint for a text of Java's that says the disk has refused, or None."""
    number = next((number for words, number in _IN_JAVA.items() if words in text), None)
    return None if number is None else _REFUSALS[number][1]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name ``path`` where the disk refuses what the block does to it.

    Raises:
        DiskError: it does; every other error of the system goes on as it is.
    """
    try:
        yield
    except OSError as error:
        refused = disk_error(error, f"{path} cannot be written")
        if refused is None:
            raise
        raise refused from error
