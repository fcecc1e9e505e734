"""Where the files of a source and its archive are: on disk, and by what the bundle's jobs say."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dlt_stub.accounting.records import FoundFile
from dlt_stub.bundle import Bundle
from dlt_stub.paths import WorkspacePaths

_DAY = re.compile(r"(\d{4}/\d{2}/\d{2})/(.+)")
_STAMP = re.compile(r"\.\d{8}T\d{9}Z(?:\.\d+)?(?=(?:\.[^./]*)?$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What a task of the bundle that archives a source was told: the folder, and its record."""

    archive: Path
    record: str | None


def books_of(bundle: Bundle, paths: WorkspacePaths, source: str) -> Books | None:
    """Return where a job of the bundle archives what lands in ``source``, or None if none does.

    A task does that by its parameters: ``--source`` and ``--archive``, and ``--record`` for the
    table that has a row for each move.
    """
    for settings in bundle.jobs.values():
        for task in settings.tasks or []:
            script = task.spark_python_task
            told = _options(script.parameters or []) if script else {}
            if "--source" not in told or "--archive" not in told:
                continue
            if Path(paths.to_local(told["--source"])) == Path(source):
                archive = Path(paths.to_local(told["--archive"]))
                return Books(archive=archive, record=told.get("--record"))
    return None


def _options(parameters: Sequence[str]) -> dict[str, str]:
    return {name: value for name, value in pairwise(parameters) if name.startswith("--")}


def files_below(folder: Path) -> list[FoundFile]:
    """Return the files below a source folder; those with hidden names are no deliveries."""
    return [
        FoundFile(path=str(file), size=seen.st_size, modified_ms=_ms(seen), origin=str(file))
        for file, seen in _walk(folder, is_hidden)
    ]


def archived_below(archive: Path, source: str) -> list[FoundFile]:
    """Return the files of an archive with the names they landed under below ``source``.

    A file lies at ``<yyyy>/<mm>/<dd>/<name>``, or at ``name.<time>.ext`` where that was taken.
    """
    found = []
    for file, seen in _walk(archive, lambda name: name.startswith(".")):
        relative = file.relative_to(archive).as_posix()
        dated = _DAY.fullmatch(relative)
        name = dated[2] if dated else relative
        plain = _STAMP.sub("", name)
        found.append(
            FoundFile(
                path=str(file),
                size=seen.st_size,
                modified_ms=_ms(seen),
                origin=str(Path(source) / plain),
                day=dated[1] if dated else None,
            )
        )
    return found


def notes_below(archive: Path) -> int:
    """Return how many runs of the archive task have left a note of moves not recorded yet."""
    return len(list((archive / ".records").glob("*.json")))


def is_hidden(name: str) -> bool:
    """Return whether Spark and Auto Loader pass over a file or folder of that name."""
    return (
        name.startswith(".")
        or (name.startswith("_") and "=" not in name)
        or name.endswith("._COPYING_")
    )


def _walk(
    folder: Path, is_left_out: Callable[[str], bool]
) -> Iterator[tuple[Path, os.stat_result]]:
    if folder.is_file():
        yield folder, folder.stat()
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place).resolve()
        folders[:] = sorted(
            name
            for name in folders
            if not is_left_out(name)
            and not here.is_relative_to(Path(place, name).resolve())  # a link that leads upwards
        )
        for name in sorted(names):
            file = Path(place, name)
            try:
                seen = file.stat()
            except FileNotFoundError:  # gone since the folder was listed
                continue
            if stat.S_ISREG(seen.st_mode) and not is_left_out(name):
                yield file, seen


def _ms(seen: os.stat_result) -> int:
    return seen.st_mtime_ns // 1_000_000
