"""What is broken in a Delta table's log, found without Spark: Delta's own errors name no file."""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"(\d{20})\.json")
_CHECKPOINT: Final = re.compile(r"(\d{20})\.checkpoint.*\.parquet")
_PARQUET: Final = b"PAR1"
_CHECKSUM_HEADER: Final = b"crc\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One broken file of a log; ``is_spare`` where the table can be read without it."""

    file: Path
    found: str
    is_spare: bool = False

    def __str__(self) -> str:
        """Return the file and what is wrong with it."""
        return f"{self.file}: {self.found}"


def find_damage(table: Path) -> Damage | None:
    """Return the first broken file in the log of the Delta table in folder ``table``, if any.

    Looked at are the commits that a reader replays, those since the newest checkpoint, and that
    checkpoint: whether they are JSON and Parquet, whole by their checksum files, without a gap.
    """
    log = table / "_delta_log"
    if not log.is_dir():
        return None
    commits = _versions(log, _COMMIT)
    checkpoints = _versions(log, _CHECKPOINT)
    newest = max((version for version, _ in checkpoints), default=-1)
    for version, file in checkpoints:
        found = _in_parquet(file) or _by_checksum(file)
        if version == newest and found is not None:
            is_spare = [number for number, _ in commits][: newest + 1] == list(range(newest + 1))
            return Damage(file=file, found=found, is_spare=is_spare)
    expected = None
    for version, file in commits:
        if version <= newest:
            continue
        if expected is not None and version != expected:
            gap = log / f"{expected:020}.json"
            return Damage(file=gap, found="it is missing, and later versions are there")
        expected = version + 1
        found = _in_json(file) or _by_checksum(file)
        if found is not None:
            return Damage(file=file, found=found)
    return None


def find_newest_damage(table: Path) -> Damage | None:
    """Return what is wrong with the newest commit of the table in folder ``table``, if anything.

    Delta does not look at it while a checksum file sums it up, and would write on: a glance before
    each update costs one small file.
    """
    log = table / "_delta_log"
    commits = _versions(log, _COMMIT) if log.is_dir() else []
    if not commits:
        return None
    _, file = commits[-1]
    found = _in_json(file) or _by_checksum(file)
    return None if found is None else Damage(file=file, found=found)


def _versions(log: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    found = ((pattern.fullmatch(file.name), file) for file in sorted(log.iterdir()))
    return [(int(match[1]), file) for match, file in found if match is not None]


def _in_json(file: Path) -> str | None:
    content = file.read_bytes()
    if not content.strip():
        return "it is empty"
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            json.loads(line)
        except ValueError as error:
            return f"line {number} is not JSON: {error}"
    return None


def _in_parquet(file: Path) -> str | None:
    content = file.read_bytes()
    if not content:
        return "it is empty"
    if content[:4] != _PARQUET or content[-4:] != _PARQUET:
        return "it is not a whole Parquet file"
    return None


def _by_checksum(file: Path) -> str | None:
    """Return what the checksum file beside ``file`` says, which Hadoop wrote and believes."""
    beside = file.with_name(f".{file.name}.crc")
    if not beside.is_file():
        return None
    sums = beside.read_bytes()
    if sums[:4] != _CHECKSUM_HEADER or len(sums) < 8:
        return None  # of another kind
    (size,) = struct.unpack(">i", sums[4:8])
    wanted = [each for (each,) in struct.iter_unpack(">I", sums[8:])]
    if list(_sums(file.read_bytes(), size)) == wanted:
        return None
    return "it is not what was written: its checksum differs"


def _sums(content: bytes, size: int) -> Iterator[int]:
    for start in range(0, len(content), size):
        yield zlib.crc32(content[start : start + size])
