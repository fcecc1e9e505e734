"""Removes files whose rows are committed from the source: what ``cloudFiles.cleanSource`` asks."""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from dlt_stub.cloud_files.globs import literal_folder
from dlt_stub.cloud_files.listing import jvm, local_path, stat_file
from dlt_stub.cloud_files.options import CleanMode, CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.cloud_files.state import CloudFilesState
from dlt_stub.errors import NotEmulatedError, Origin, SourceError
from dlt_stub.failpoints import reach
from dlt_stub.paths import WorkspacePaths

_DELETE_AT_LEAST: Final = timedelta(days=7)
_MONTH_DAYS: Final = 31  # Spark's own length of a month where a duration is asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What is done with files of ``source`` once ``retention`` has passed since their commit."""

    mode: CleanMode
    retention: timedelta
    source: Path
    destination: Path | None

    def clean(self, spark: SparkSession, state: CloudFilesState, now: datetime) -> None:
        """Move or delete each committed file whose time has come, and note it in the ledger.

        A file that has changed since it was read, or whose place at the destination is taken, is
        left where it is. Folders below the source are kept below the destination (assumed).

        Raises:
            SourceError: a file cannot be moved or deleted.
        """
        done: list[tuple[FileEntry, str | None]] = []
        try:
            for file in state.committed_until(now - self.retention):
                found = stat_file(spark, file.path)
                if found is None and self._is_moved(file):
                    done.append((file, str(self._place(file))))  # by a process that was killed
                if found is None or found.version != file.version:
                    continue
                if self.destination is None:
                    Path(file.path).unlink()
                    done.append((file, None))
                    continue
                place = self._place(file)
                real = Path(os.path.realpath(place.parent))
                if not real.is_relative_to(os.path.realpath(self.destination)):
                    raise SourceError(
                        f"cloudFiles.cleanSource cannot clean: {str(place.parent)!r} leads out of "
                        "the destination by a symbolic link",
                        hint="remove the link",
                    )
                if not os.path.lexists(place):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(file.path, place)
                    reach("cloud_files.cleaned")
                    done.append((file, str(place)))
        except OSError as error:
            raise SourceError(f"cloudFiles.cleanSource cannot clean: {error}") from error
        finally:
            if done:
                state.archive(done, self.mode.value)

    def _place(self, file: FileEntry) -> Path:
        assert self.destination is not None
        return self.destination / Path(file.path).relative_to(self.source)

    def _is_moved(self, file: FileEntry) -> bool:
        if self.destination is None or not self._place(file).exists():
            return False
        return self._place(file).stat().st_size == file.size


def cleaning_of(
    spark: SparkSession,
    *,
    path: str,
    options: CloudFilesOptions,
    paths: WorkspacePaths,
    origin: Origin | None,
) -> Cleaning | None:
    """Return how the source at ``path`` is cleaned, or None if it is not.

    Source: Databricks, "Clean up processed files with Auto Loader", checked 2026-11-24.

    Raises:
        SourceError: the retention is too short or no interval, or the destination lies in the
            source or in another volume.
        NotEmulatedError: the source is not on this machine.
    """
    if options.clean_mode is CleanMode.OFF:
        return None
    retention = _interval(spark, options.clean_retention, origin)
    if options.clean_mode is CleanMode.DELETE and retention <= _DELETE_AT_LEAST:
        raise SourceError(
            f"option cloudFiles.cleanSource.retentionDuration = {options.clean_retention!r} is not "
            "more than 7 days, which cloudFiles.cleanSource = 'DELETE' needs",
            origin=origin,
            hint="give a longer one, or move the files: cloudFiles.cleanSource = 'MOVE'",
        )
    source = local_path(path)
    if source is None:
        raise NotEmulatedError(
            f"cloudFiles.cleanSource is not emulated on {path!r}: only local files are cleaned",
            origin=origin,
        )
    folder = Path(literal_folder(source))
    destination = None
    if options.clean_mode is CleanMode.MOVE:
        destination = _destination(folder, options.clean_destination, paths, origin)
    return Cleaning(
        mode=options.clean_mode, retention=retention, source=folder, destination=destination
    )


def _destination(
    source: Path, text: str | None, paths: WorkspacePaths, origin: Origin | None
) -> Path:
    name = "cloudFiles.cleanSource.moveDestination"
    if not text:
        raise SourceError(
            "cloudFiles.cleanSource = 'MOVE' needs an option that says where to",
            origin=origin,
            hint=f"add .option('{name}', '/Volumes/...')",
        )
    local = local_path(paths.to_local(text))
    if local is None:
        raise NotEmulatedError(f"option {name} = {text!r} is no local path", origin=origin)
    destination = Path(local)
    if destination.is_relative_to(source):
        raise SourceError(
            f"option {name} = {text!r} lies in the source folder, where moved files would be read "
            "again",
            origin=origin,
            hint="choose a folder beside the source",
        )
    if _volume(source, paths) != _volume(destination, paths):
        raise SourceError(
            f"option {name} = {text!r} is not in the volume of the source",
            origin=origin,
            hint="choose a folder of the same volume",
        )
    return destination


def _volume(path: Path, paths: WorkspacePaths) -> tuple[str, ...]:
    if not path.is_relative_to(paths.volumes):
        return ()
    return path.relative_to(paths.volumes).parts[:3]


def _interval(spark: SparkSession, text: str, origin: Origin | None) -> timedelta:
    java = jvm(spark).org.apache.spark
    found = java.sql.catalyst.util.IntervalUtils.safeStringToInterval(
        java.unsafe.types.UTF8String.fromString(text)
    )
    if found is None:
        raise SourceError(
            f"option cloudFiles.cleanSource.retentionDuration = {text!r} is no interval",
            origin=origin,
            hint="write it as '14 days' or '2 weeks'",
        )
    period, duration = found.extractAsPeriod(), found.extractAsDuration()
    days = period.toTotalMonths() * _MONTH_DAYS + period.getDays()
    return timedelta(days=days, seconds=duration.getSeconds())
