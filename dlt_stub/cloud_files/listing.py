"""Finds the files below a source path: plain folders by the system, all else by Hadoop."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from dlt_stub.cloud_files.globs import has_pattern, literal_folder, prefix_pattern
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry, Refused
from dlt_stub.errors import Origin, SourceError


def jvm(spark: SparkSession) -> Any:  # Py4J has no types
    """Return Spark's Py4J view of the JVM."""
    return spark._jvm


def local_path(path: str) -> str | None:
    """Return ``path`` as a path of this machine, or None if it lies elsewhere."""
    scheme, colon, rest = path.partition(":")
    if path.startswith("/"):
        return path
    if colon and scheme == "file":
        return "/" + rest.lstrip("/")
    return None if colon and "/" not in scheme else str(Path(path).absolute())


def list_files(
    spark: SparkSession,
    path: str,
    options: CloudFilesOptions,
    origin: Origin | None,
    refused: Refused,
) -> list[FileEntry]:
    """Return every file below ``path`` that the source takes, oldest first, then by path.

    What it would take but cannot, because of its name or because it is a link out of the folder or
    to nowhere, is added to ``refused``: storage has no links (assumed), and what lies outside was
    not delivered.

    Subfolders are always searched. Names that begin with ``_`` or ``.`` are skipped, folders so
    named too, as Spark does. A pattern in ``path`` means what ``prefix_pattern`` says, or, with
    ``cloudFiles.useStrictGlobber``, what it means to Spark's other file sources.

    Raises:
        SourceError: the path does not exist or cannot be listed.
    """
    root = local_path(path)
    where = path if root is None else root
    is_loose = has_pattern(where) and not options.is_strict_globber
    base = literal_folder(where) if is_loose else where
    if root is not None and not has_pattern(base):
        found = _walk(Path(os.path.normpath(base)), path, origin, refused)
    else:
        found = _walk_hadoop(spark, base, origin)
    if is_loose:
        begins = prefix_pattern(where, origin).match
        found = (each for each in found if begins(each[1].path))
    selects = _Selection(spark, options, origin, refused)
    try:
        files = [file for relative, file in found if selects(relative, file)]
    except Py4JJavaError as error:
        raise SourceError(
            f"cannot list {path!r}: {error.java_exception.getMessage()}",
            origin=origin,
            hint="a cloud path needs its Hadoop file system on Spark's class path, and credentials",
        ) from error
    return sorted(files, key=lambda file: (file.modified_ms, file.path))


def stat_file(spark: SparkSession, path: str) -> FileEntry | None:
    """Return what lies at ``path`` now, or None if nothing does."""
    local = local_path(path)
    if local is not None:
        try:
            return _entry(local, Path(local).stat())
        except FileNotFoundError:
            return None
    hadoop_path = jvm(spark).org.apache.hadoop.fs.Path(path)
    filesystem = hadoop_path.getFileSystem(hadoop_configuration(spark))
    if not filesystem.exists(hadoop_path):
        return None
    status = filesystem.getFileStatus(hadoop_path)
    return FileEntry(path=path, size=status.getLen(), modified_ms=status.getModificationTime())


def hadoop_configuration(spark: SparkSession) -> Any:  # Py4J has no types
    """Return the session's Hadoop configuration, its ``spark.hadoop.*`` settings included."""
    return spark._jsparkSession.sessionState().newHadoopConf()


def _entry(path: str, status: os.stat_result) -> FileEntry:
    return FileEntry(path=path, size=status.st_size, modified_ms=status.st_mtime_ns // 1_000_000)


def _walk(
    root: Path, path: str, origin: Origin | None, refused: Refused
) -> Iterator[tuple[str, FileEntry]]:
    if not root.exists():
        raise _missing(path, origin)
    if root.is_file():
        yield root.name, _entry(str(root), root.stat())
        return

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a folder may go while it is looked at
            raise SourceError(f"cannot list {path!r}: {error}", origin=origin) from error

    inside = root.resolve()

    def leads_out(link: Path) -> bool:
        if not link.is_symlink() or (link.exists() and link.resolve().is_relative_to(inside)):
            return False
        where = "leads out of the source folder" if link.exists() else "leads nowhere"
        refused.add(
            str(link),
            SourceError(
                f"{str(link)!r} is a link that {where}: only what lies in the folder is delivered",
                hint="put the file itself there",
            ),
        )
        return True

    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=refuse):
        subfolders[:] = [
            name
            for name in subfolders
            if not _is_hidden(name)
            and not _leads_upwards(root, Path(folder, name))
            and not leads_out(Path(folder, name))
        ]
        for name in names:
            file = Path(folder, name)
            if not _is_hidden(name) and leads_out(file):
                continue
            try:
                found = file.stat()
            except FileNotFoundError:  # gone since the folder was listed
                continue
            if stat.S_ISREG(found.st_mode):
                yield str(file.relative_to(root)), _entry(str(file), found)


def _leads_upwards(root: Path, folder: Path) -> bool:
    if not folder.is_symlink():
        return False
    above = [parent for parent in folder.parents if parent.is_relative_to(root)]
    return folder.resolve() in [parent.resolve() for parent in above]


def _walk_hadoop(
    spark: SparkSession, path: str, origin: Origin | None
) -> Iterator[tuple[str, FileEntry]]:
    pattern = jvm(spark).org.apache.hadoop.fs.Path(path)
    filesystem = pattern.getFileSystem(hadoop_configuration(spark))
    roots = filesystem.globStatus(pattern)
    if not roots:
        raise _missing(path, origin)
    for root in roots:
        base = root.getPath().toString()
        files = filesystem.listFiles(root.getPath(), True)
        while files.hasNext():
            status = files.next()
            name = status.getPath().toString()
            relative = name.removeprefix(base).lstrip("/") or root.getPath().getName()
            yield (
                relative,
                FileEntry(
                    path=local_path(name) or name,
                    size=status.getLen(),
                    modified_ms=status.getModificationTime(),
                ),
            )


def _missing(path: str, origin: Origin | None) -> SourceError:
    return SourceError(
        f"the source path {path!r} does not exist",
        origin=origin,
        hint="create the folder, or correct the path given to load()",
    )


def _is_hidden(name: str) -> bool:
    # Spark's own rule (HadoopFSUtils.shouldFilterOutPathName).
    return (
        name.startswith(".")
        or (name.startswith("_") and "=" not in name)
        or name.endswith("._COPYING_")
    )


@dataclass(slots=True, init=False)
class _Selection:
    """Says of each listed file whether the options let it in."""

    _glob: Any  # Hadoop's GlobPattern, which Py4J does not type
    _after_ms: float
    _before_ms: float
    _options: CloudFilesOptions
    _origin: Origin | None
    _refused: Refused

    def __init__(
        self,
        spark: SparkSession,
        options: CloudFilesOptions,
        origin: Origin | None,
        refused: Refused,
    ) -> None:
        self._options = options
        self._origin = origin
        self._refused = refused
        pattern = options.path_glob_filter
        self._glob = jvm(spark).org.apache.hadoop.fs.GlobPattern(pattern) if pattern else None
        zone = options.reader.get("timeZone") or spark.conf.get("spark.sql.session.timeZone")
        self._after_ms = self._instant(options.modified_after, zone, float("-inf"))
        self._before_ms = self._instant(options.modified_before, zone, float("inf"))

    def __call__(self, relative: str, file: FileEntry) -> bool:
        """Return whether the file belongs to the source."""
        *folders, name = relative.split("/")
        if any(_is_hidden(part) for part in (*folders, name)):
            return False
        if self._glob is not None and not self._glob.matches(name):
            return False
        if not self._after_ms < file.modified_ms < self._before_ms:
            return False
        try:
            self._check(file, name)
        except SourceError as error:
            self._refused.add(file.path, error)
            return False
        return True

    def _check(self, file: FileEntry, name: str) -> None:
        if file.path != file.path.encode("utf-8", "ignore").decode():
            raise SourceError(
                f"file {file.path!r} cannot be read: its name is not UTF-8",
                origin=self._origin,
                hint="rename the file",
            )
        if ":" in name and local_path(file.path) is not None:
            raise SourceError(
                f"file {file.path!r} cannot be read: Hadoop's local file system allows no colon "
                "in a file's name",
                origin=self._origin,
                hint="rename the file",
            )

    def _instant(self, text: str | None, zone: str | None, default: float) -> float:
        if text is None:
            return default
        try:
            instant = datetime.fromisoformat(text)
        except ValueError as error:
            raise SourceError(
                f"{text!r} is not a timestamp such as 2026-01-31T00:00:00", origin=self._origin
            ) from error
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
        return instant.timestamp() * 1000
