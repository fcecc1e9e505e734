"""Files whose rows are committed in the stage table have moved from ``source`` to ``archive``.

    archive_files.py --source DIR --archive DIR --stage TABLE --run-started INSTANT
                     [--record TABLE --quarantine TABLE --files TABLE]

A file is committed when its path, size and modification time stand in the stage table's columns.
A file without rows leaves no trace there: it counts once it was there before the run began, and is
read again to make sure. Every other file stays, with the reason printed, for the next run.

A file goes to ``<archive>/<yyyy>/<mm>/<dd>/`` by its modification date (UTC), under its own name or
``name.<modification time>.ext`` where that is taken. Nothing is ever overwritten. The task may stop
anywhere and be run again with the same outcome: a move gives the file a second name and takes the
first one away where the file system has links, and is otherwise a copy that is published only when
it is whole.

With ``--record`` each move leaves one row in a Delta table: the delivery's rows as its bytes have
them, as the stage, the quarantine and the counts by rule have them, whether these agree, where it
went and the digest of its content. A note of what is to move is on disk before anything moves, and
goes when the rows are committed: what an interrupted run did not record, the next one does.

One run at a time for an archive folder: a run says there that it is at work, then looks whether
another is, and then fails, having touched nothing. Two that begin at the same instant may both do
so. The sign of a run that died is ignored: at once on the machine it died on, else after an hour.
One source folder has one archive folder: runs with two do not see each other.

Producers write under a name that begins with ``.`` or ``_`` and rename: a file still being written
looks like any other.
"""

import argparse
import bz2
import ctypes
import errno
import functools
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import time
import uuid
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

STAGING = ".archiving"
WHOLE = ".whole"
TAKEN = ".taken"
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}
READ_BYTES = 1 << 20
STAGED_NAME = re.compile(r"(?:(.+)\.)?(\d{1,18})\.(-?\d{1,15})", re.DOTALL)
NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
AT_FDCWD, RENAME_NOREPLACE = -100, 1  # Linux
# Where a file system, or what /Volumes stands for, knows no rename that does not replace.
NO_NEW_RENAME = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.ENOENT}
NAME_BYTES = 255  # of a name of a file, on most file systems
AT_WORK = ".at-work-"
DEAD_SECONDS = 3600
RENEW_SECONDS = 60
NOTES = ".records"
BLANKS = bytes(range(33))  # what Spark trims from a line before it calls it blank
UNREAD = {".deflate", ".lz4", ".snappy", ".xz", ".zst", ".zstd"}  # Spark reads them; we not
RECORD = """
    file STRING, source_file STRING, source_file_size BIGINT, modified_at TIMESTAMP, day DATE,
    rows_in_file BIGINT, rows_read BIGINT, accepted BIGINT, quarantined BIGINT, rescued BIGINT,
    balances BOOLEAN, archived_to STRING, archived_at TIMESTAMP, sha256 STRING
"""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One content of one file, as Spark tells it: path below source, size, modification time."""

    path: str
    size_bytes: int
    modified_ms: int

    @property
    def day(self) -> str:
        """The UTC date of the modification as nested folders."""
        return f"{self._modified_at:%Y/%m/%d}"

    @property
    def stamp(self) -> str:
        """The modification time as part of a file name."""
        return f"{self._modified_at:%Y%m%dT%H%M%S}{self.modified_ms % 1000:03d}Z"

    @property
    def _modified_at(self) -> datetime:
        return datetime.fromtimestamp(self.modified_ms // 1000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file; ``moved_to`` is its path below archive."""

    path: str
    reason: str
    moved_to: str | None = None
    failed: bool = False

    def __str__(self) -> str:
        """Return the line that is printed; it is one, and steers no terminal."""
        if self.moved_to is not None:
            line = f"moved  {self.path} -> {self.moved_to}: {self.reason}"
        else:
            line = f"{'FAILED' if self.failed else 'left  '} {self.path}: {self.reason}"
        return NOT_PRINTED.sub(lambda found: ascii(found[0])[1:-1], line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """The tables that accounts are kept in and made from; the last two may be missing."""

    record: str
    quarantine: str | None = None
    files: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of one delivery when it moves; None where nobody can say.

    ``rows_in_file`` is counted in the bytes, the others in the tables: ``accepted`` is what the
    rules said when the rows were read, ``quarantined`` the rows that are in quarantine.
    """

    path: str
    size_bytes: int
    modified_ms: int
    sha256: str
    rows_in_file: int | None
    source_file: str | None = None
    rows_read: int = 0
    rescued: int | None = None
    accepted: int | None = None
    quarantined: int | None = None

    @property
    def version(self) -> Version:
        """The delivery."""
        return Version(self.path, self.size_bytes, self.modified_ms)

    @property
    def balances(self) -> bool:
        """Whether every row of the file was read, and is either accepted or quarantined."""
        split = None
        if self.accepted is not None and self.quarantined is not None:
            split = self.accepted + self.quarantined
        return all(n is None or n == self.rows_read for n in (self.rows_in_file, split))

    def __str__(self) -> str:
        """Return the numbers as they are printed."""
        return (
            f"{_number(self.rows_in_file)} rows in the file, {self.rows_read} read,"
            f" {_number(self.accepted)} accepted, {_number(self.quarantined)} quarantined"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What Spark and the stage table say of the files that are there."""

    present: dict[str, Version]
    committed: set[Version]
    run_started_ms: int


def archive(
    spark: SparkSession,
    *,
    source: Path,
    archive: Path,
    stage: str,
    run_started: datetime,
    books: Books | None = None,
) -> list[Outcome]:
    """Move what is committed and return what became of every file below ``source``.

    Raises:
        ValueError: one of the two folders lies in the other, or they are in two volumes.
        RuntimeError: another run is at work on the archive.
    """
    check_folders(source, archive)
    with alone(archive) as sign:
        outcomes = finish_interrupted(source, archive)
        outcomes += settle_all(spark, source, archive, stage, run_started, sign, books)
        if books is not None:
            record_moves(spark, books, archive)
    return outcomes


def settle_all(
    spark: SparkSession,
    source: Path,
    archive: Path,
    stage: str,
    run_started: datetime,
    sign: "AtWork",
    books: Books | None,
) -> list[Outcome]:
    """Move what is committed and return what became of every file that is there."""
    # The order matters: a file replaced after the snapshot differs from it when it is to be moved,
    # and one replaced before it is no longer the version that the stage table has.
    snapshot = snapshot_files(source)
    if not snapshot:
        return []
    present = versions_of_empty(snapshot) | versions_in_folder(spark, source)
    known = Known(
        present=present,
        committed=versions_in_stage(spark, stage, source, present.values()),
        run_started_ms=int(run_started.timestamp() * 1000),
    )
    stays = {path: reason_to_stay(source / path, path, s, known) for path, s in snapshot.items()}
    accounts: dict[str, Account] = {}
    unread: dict[str, str] = {}
    if books is not None:
        leaving = [present[path] for path, reason in stays.items() if reason is None]
        accounts, unread = accounts_of(spark, books, stage, source, leaving, sign)
        write_note(archive, accounts.values())
    outcomes = []
    for path, seen in snapshot.items():
        sign.renew()
        if path in unread:
            outcomes.append(Outcome(path=path, reason=unread[path], failed=True))
        elif (reason := stays[path]) is not None:
            outcomes.append(Outcome(path=path, reason=reason))
        else:
            outcomes.append(settle(source, archive, path, seen, known, accounts.get(path)))
    return outcomes


class AtWork:
    """The sign of one run in the staging folder; its name says whose it is.

    A name, and not what a file holds: a name is there whole or not at all.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._renewed = time.monotonic()

    @classmethod
    def of_this_run(cls, archive: Path) -> "AtWork":
        """Return the sign of a run of this process, which is not put up yet."""
        pid = os.getpid()
        words = (str(pid), process_mark(pid) or "", uuid.uuid4().hex, socket.gethostname())
        return cls(archive / STAGING / (AT_WORK + "-".join(words)))

    @property
    def owner(self) -> str:
        """The process that put it up, in words."""
        pid, _, _, host = self._words
        return f"process {pid} on {host}"

    @property
    def _words(self) -> tuple[str, str, str, str]:
        words = self.file.name.removeprefix(AT_WORK).split("-", 3)
        if len(words) != 4 or not words[0].isdecimal():
            return "0", "", "", "a machine of no name"  # nobody's sign; its age counts
        pid, mark, unique, host = words
        return pid, mark, unique, host

    def put_up(self) -> None:
        """Let other runs see the sign, and that it is fresh."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        with suppress(OSError):  # a full disk takes the name, which is the sign
            self.file.write_text(f"{datetime.now(UTC).isoformat()}\n", encoding="utf-8")
        self._renewed = time.monotonic()

    def renew(self) -> None:
        """Keep the sign fresh.

        Raises:
            RuntimeError: another run took it for a dead one's and is at work now.
        """
        if not self.file.exists():
            raise RuntimeError(
                f"the sign of this run, {self.file}, was taken away: another run may be at work"
            )
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            self.put_up()

    def is_alive(self) -> bool:
        """Return whether the run may still be at work."""
        try:
            age_seconds = time.time() - self.file.stat().st_mtime
        except FileNotFoundError:  # it ended just now
            return False
        pid, mark, _, host = self._words
        if host == socket.gethostname() and process_mark(int(pid)) != mark:
            return False
        return age_seconds < DEAD_SECONDS


@contextmanager
def alone(archive: Path) -> Iterator[AtWork]:
    """Let no other run work on ``archive`` while the block runs.

    Put up the sign, then look: of two runs the later one to look sees the other, whatever the file
    system knows of locks.

    Raises:
        RuntimeError: another run is at work, or nothing can be written into the archive.
    """
    sign = AtWork.of_this_run(archive)
    try:
        sign.put_up()
    except OSError as error:
        raise RuntimeError(
            f"the archive {archive} cannot be written: {error.strerror}. Nothing was moved; make "
            "it writable and run the job again"
        ) from error
    try:
        for file in sorted(sign.file.parent.glob(f"{AT_WORK}*")):
            other = AtWork(file)
            if file == sign.file:
                continue
            if other.is_alive():
                raise RuntimeError(
                    f"{other.owner} is archiving to {archive}: nothing was moved, the next run "
                    f"takes it. If that process is gone, delete {file} or wait an hour"
                )
            file.unlink(missing_ok=True)
        yield sign
    finally:
        sign.file.unlink(missing_ok=True)


def process_mark(pid: int) -> str | None:
    """Return what tells a process from others that had its number, or None if there is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # it is there, and another user's
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no Linux: the number has to do
    state, *numbers = facts.rpartition(")")[2].split()
    return None if state in "ZX" else numbers[18]  # dead, not yet buried; else when it started


def settle(
    source: Path,
    archive: Path,
    path: str,
    seen: os.stat_result,
    known: Known,
    account: Account | None = None,
) -> Outcome:
    """Move one file that is done with; say what was done and why."""
    version = known.present[path]
    try:
        moved_to = move(source / path, archive, version, seen)
    except (OSError, ValueError, OverflowError) as error:  # a time may lie beyond all calendars
        return Outcome(path=path, reason=str(error), failed=True)
    if moved_to is None:
        return Outcome(path=path, reason="it changed meanwhile; the next run takes it")
    reason = "committed" if version in known.committed else "it has no rows"
    if account is not None and not account.balances:
        reason = f"{reason}, and DOES NOT BALANCE: {account}"
    return Outcome(path=path, reason=reason, moved_to=moved_to.relative_to(archive).as_posix())


def reason_to_stay(file: Path, path: str, seen: os.stat_result, known: Known) -> str | None:
    """Return why a file is not to be moved, or None if it is done with."""
    if not stat.S_ISREG(seen.st_mode):
        return "it is not a regular file"
    version = known.present.get(path)
    if version is None:
        return "hidden names are not ingested" if is_hidden(path) else "it arrived just now"
    if version in known.committed:
        return None
    if version.modified_ms >= known.run_started_ms:
        return "it came or was replaced while the run went on; the next run takes it"
    try:
        if has_no_rows(file):
            return None
    except OSError as error:
        return f"it cannot be read ({error.strerror}); the next run takes it"
    return "its rows are not in the stage table; the next run takes it"


def snapshot_files(source: Path) -> dict[str, os.stat_result]:
    """Return every entry below ``source`` that is not a folder; links are not followed."""
    files = (
        Path(folder) / name
        for folder, folders, names in os.walk(source)
        for name in [*names, *folders]
    )
    found = {}
    for file in sorted(files):
        with suppress(FileNotFoundError):  # it went while the folder was looked at
            if file.is_symlink() or not file.is_dir():
                found[file.relative_to(source).as_posix()] = file.lstat()
    return found


def is_hidden(path: str) -> bool:
    """Return whether Spark and Auto Loader pass over a file of that name."""
    return any(
        part.startswith(".")
        or (part.startswith("_") and "=" not in part)
        or part.endswith("._COPYING_")
        for part in path.split("/")
    )


def versions_of_empty(snapshot: dict[str, os.stat_result]) -> dict[str, Version]:
    """Return the versions of files without a byte, which Spark does not list."""
    return {
        path: Version(path, 0, seen.st_mtime_ns // 1_000_000)
        for path, seen in snapshot.items()
        if seen.st_size == 0 and not is_hidden(path)
    }


def versions_in_folder(spark: SparkSession, source: Path) -> dict[str, Version]:
    """Return the files below ``source`` as Spark lists them, without reading them.

    Spark's listing and not ours: the stage table's times come from it, and a file system may tell
    one time to Spark and a coarser one to Python.
    """
    listed = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .option("ignoreMissingFiles", "true")
        .load(_literal_path(source))
        .select(
            "_metadata.file_path",
            "_metadata.file_size",
            F.unix_millis("_metadata.file_modification_time"),
        )
        .collect()
    )
    versions = (version_of(source, *row) for row in listed)
    return {version.path: version for version in versions if version is not None}


def versions_in_stage(
    spark: SparkSession, stage: str, source: Path, present: Iterable[Version]
) -> set[Version]:
    """Return the versions that the stage table holds, of files modified when those present were.

    The bounds let Delta skip the history: what this reads does not grow with the table.
    """
    versions = list(present)
    if not versions:
        return set()
    modified_at = F.col("source_file_modified_at")
    rows = (
        spark.read.table(stage)
        .where(_within(modified_at, versions))
        .select("source_file", "source_file_size", F.unix_millis(modified_at))
        .distinct()
        .collect()
    )
    found = (version_of(source, *row) for row in rows)
    return {version for version in found if version is not None}


def version_of(source: Path, uri: str, size_bytes: int, modified_ms: int) -> Version | None:
    """Return the version a Spark row tells of, or None if the file is not below ``source``."""
    path = "/" + unquote(uri.partition(":")[2]).lstrip("/")
    root = f"{source.as_posix().rstrip('/')}/"
    if not path.startswith(root):
        return None
    return Version(path.removeprefix(root), size_bytes, modified_ms)


def has_no_rows(file: Path) -> bool:
    """Return whether a CSV file holds at most one line that is not blank: its header.

    What is no text, or cannot be unpacked, is not known to be without rows.
    """
    return rows_in(file, enough=1) == 0 and is_text(file)


def is_text(file: Path) -> bool:
    """Return whether a file is text in UTF-8."""
    try:
        with opened(file) as content:
            return all("\0" not in line.decode() for line in content)
    except (OSError, EOFError, UnicodeError):
        return False


def rows_in(file: Path, *, enough: int | None = None) -> int | None:
    """Return how many rows the bytes of a CSV file have: its lines but for the blank and the first.

    Counting stops at ``enough``. None means that the compression cannot be read here. No quotes are
    looked at: with ``multiLine`` off, as the stage reads, every line is a row (Spark ends a line at
    any of LF, CR and CRLF).
    """
    suffix = file.suffix.lower()
    if suffix in UNREAD:
        return None
    lines = 0
    with opened(file) as content:
        try:
            for line in content:
                lines += sum(bool(part.strip(BLANKS)) for part in line.split(b"\r"))
                if enough is not None and lines > enough:
                    break
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return None
        except OSError as error:
            if error.errno is None:  # bz2 says so of what is no bzip2
                return None
            raise
    return max(lines - 1, 0)


def opened(file: Path) -> IO[bytes]:
    """Return a file's bytes, unpacked."""
    suffix = file.suffix.lower()
    if suffix == ".gz":
        return gzip.open(file)  # type: ignore[return-value] # reads bytes
    return bz2.open(file) if suffix == ".bz2" else file.open("rb")


def move(file: Path, archive: Path, version: Version, seen: os.stat_result) -> Path | None:
    """Move ``file`` into the archive and return where, or None if it is no longer what was seen."""
    if not is_unchanged(file, seen):
        return None
    for target in free_or_same(file, archive, version):
        make_folder(archive, target.parent)
        try:
            link(file, target)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return move_by_copy(file, archive, version, seen)
        return take(file, target, archive, version, seen)
    raise AssertionError("names in the archive are without end")


def link(file: Path, target: Path) -> None:
    """Give ``file`` a second name, unless an interrupted run has already done so."""
    if not (target.exists() and target.samefile(file)):
        os.link(file, target, follow_symlinks=False)


def take(
    file: Path, target: Path, archive: Path, version: Version, seen: os.stat_result
) -> Path | None:
    """Take the first name away from a file that has a second one, ``target``.

    The name is moved aside and looked at before it goes: a file that a producer put there in the
    last instant is put back.
    """
    if not is_unchanged(target, seen):
        target.unlink()  # another file took the name between the look and the link
        return None
    taken = staging_name(archive, version, TAKEN)
    file.rename(taken)
    finish_take(file, taken)
    return target


def finish_take(file: Path, taken: Path) -> None:
    """Remove ``taken`` if its file has another name; else it was not ours: put it back."""
    if taken.stat().st_nlink == 1 and not os.path.lexists(file):
        os.link(taken, file)
    taken.unlink()


def move_by_copy(file: Path, archive: Path, version: Version, seen: os.stat_result) -> Path | None:
    """Move ``file`` where the file system has no links.

    A copy grows under a staging name, is compared, takes the name that says it is whole, and only
    then the original goes. ``finish_interrupted`` takes up whatever of that is left.
    """
    staged = staging_name(archive, version)
    copy_whole(file, staged)
    if not is_unchanged(file, seen):
        staged.unlink()
        return None
    whole = staging_name(archive, version, WHOLE)
    staged.rename(whole)
    file.unlink()
    return publish(whole, archive, version)


def copy_whole(file: Path, staged: Path) -> None:
    """Copy ``file`` to ``staged``, safe on disk and equal, byte for byte.

    Raises:
        OSError: what was written is not what was read.
    """
    try:
        with file.open("rb") as original, staged.open("wb") as copy:
            shutil.copyfileobj(original, copy, READ_BYTES)
            copy.flush()
            os.fsync(copy.fileno())
        if digest(file) != digest(staged):
            raise OSError(f"the copy of {file} differs from it")
    except OSError:
        staged.unlink(missing_ok=True)  # on a full disk half a copy takes another file's room
        raise


def publish(whole: Path, archive: Path, version: Version) -> Path:
    """Give a whole copy its name in the archive, the first that is free."""
    for target in archive_names(archive, version):
        make_folder(archive, target.parent)
        try:
            rename_new(whole, target)
        except FileExistsError:
            continue
        return target
    raise AssertionError("names in the archive are without end")


def rename_new(file: Path, target: Path) -> None:
    """Rename ``file`` to a name that is free: looked up and taken in one step where Linux can.

    Elsewhere ``alone`` keeps other runs out of the gap between the two.

    Raises:
        FileExistsError: the name is taken.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        names = AT_FDCWD, os.fsencode(file), AT_FDCWD, os.fsencode(target)
        if rename(*names, RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in NO_NEW_RENAME:
            raise OSError(code, os.strerror(code), str(file), None, str(target))
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    file.rename(target)


def make_folder(archive: Path, folder: Path) -> None:
    """Make ``folder`` where it is missing; it is in the archive, not where a link leads.

    Raises:
        OSError: a link in the archive leads out of it.
    """
    if not is_inside(archive, folder):
        raise OSError(f"folder {folder} of the archive leads out of it by a symbolic link")
    folder.mkdir(parents=True, exist_ok=True)


@functools.cache
def is_inside(archive: Path, folder: Path) -> bool:
    """Return whether ``folder`` truly lies in ``archive``; asked once, for a look is not free."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(archive))


def finish_interrupted(source: Path, archive: Path) -> list[Outcome]:
    """Finish what an interrupted run left in the staging folder, and return what that moved."""
    outcomes = []
    staging = archive / STAGING
    for left in sorted(file for file in staging.rglob("*") if file.is_file()):
        if left.name.startswith(AT_WORK):
            continue
        staged = parse_staging_name(left.relative_to(staging))
        if staged is None or left.is_symlink():
            path = left.relative_to(archive).as_posix()
            outcomes.append(Outcome(path=path, reason="this task did not put it there"))
            continue
        try:
            moved = finish_staged(source, archive, left, *staged)
        except OSError as error:
            moved = Outcome(path=staged[0].path, reason=str(error), failed=True)
        if moved is not None:
            outcomes.append(moved)
    return outcomes


def finish_staged(
    source: Path, archive: Path, left: Path, version: Version, state: str
) -> Outcome | None:
    """Finish one interrupted move, or undo it; return what was moved, if anything."""
    original = source / version.path
    if state == TAKEN:
        finish_take(original, left)
    elif state != WHOLE or holds_version(original, left, version):
        left.unlink()  # the move is done again, from the start
    else:
        moved_to = publish(left, archive, version).relative_to(archive).as_posix()
        reason = "an interrupted run had copied it"
        return Outcome(path=version.path, reason=reason, moved_to=moved_to)
    return None


def holds_version(original: Path, copy: Path, version: Version) -> bool:
    """Return whether ``original`` is still there and is the version that was copied."""
    try:
        modified_seconds = int(original.lstat().st_mtime)
    except FileNotFoundError:
        return False
    # Whole seconds: Python may see a coarser time than Spark.
    return modified_seconds == version.modified_ms // 1000 and digest(original) == digest(copy)


def staging_name(archive: Path, version: Version, state: str = "") -> Path:
    """Return the name that a file has on its way, in a folder that exists.

    Where a file's own name leaves no room for more, a folder has it.
    """
    name = archive / STAGING / version.path
    more = f"{version.size_bytes}.{version.modified_ms}{state}"
    if len(os.fsencode(f"{name.name}.{more}")) > NAME_BYTES:
        make_folder(archive, name)
        return name / more
    make_folder(archive, name.parent)
    return name.with_name(f"{name.name}.{more}")


def parse_staging_name(name: Path) -> tuple[Version, str] | None:
    """Return the version and the state that ``staging_name`` put into a name, or None."""
    state = next((s for s in (WHOLE, TAKEN) if name.name.endswith(s)), "")
    found = STAGED_NAME.fullmatch(name.name.removesuffix(state))
    if found is None or (found[1] is None and not name.parent.name):
        return None
    path = name.with_name(found[1]) if found[1] else name.parent
    return Version(path.as_posix(), int(found[2]), int(found[3])), state


def free_or_same(file: Path, archive: Path, version: Version) -> Iterator[Path]:
    """Return the names to try: those that are free, or are this very file under a second name."""
    return (
        name
        for name in archive_names(archive, version)
        if not os.path.lexists(name) or (name.is_file() and name.samefile(file))
    )


def archive_names(archive: Path, version: Version) -> Iterator[Path]:
    """Return the names a version may have in the archive, best first, without end."""
    plain = archive / version.day / version.path
    yield plain
    yield plain.with_name(fitting(plain.stem, f".{version.stamp}{plain.suffix}"))
    number = 2
    while True:
        yield plain.with_name(fitting(plain.stem, f".{version.stamp}.{number}{plain.suffix}"))
        number += 1


def fitting(stem: str, ending: str) -> str:
    """Return ``stem`` and ``ending``, the stem cut where a file system has no longer names."""
    room = NAME_BYTES - len(os.fsencode(ending))
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + ending


def is_unchanged(file: Path, seen: os.stat_result) -> bool:
    """Return whether ``file`` is still what was seen: same file, size and modification time."""
    try:
        now = file.lstat()
    except FileNotFoundError:
        return False
    return (now.st_ino, now.st_size, now.st_mtime_ns) == (
        seen.st_ino,
        seen.st_size,
        seen.st_mtime_ns,
    )


def digest(file: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def accounts_of(
    spark: SparkSession,
    books: Books,
    stage: str,
    source: Path,
    versions: Collection[Version],
    sign: "AtWork",
) -> tuple[dict[str, Account], dict[str, str]]:
    """Return path -> account of the versions about to move, and path -> why it cannot be read."""
    counts = counts_in_tables(spark, books, stage, source, versions)
    accounts, unread = {}, {}
    for version in versions:
        sign.renew()
        file = source / version.path
        try:
            _ = version.day  # a time may lie beyond all calendars: such a file cannot move
            account = Account(**asdict(version), sha256=digest(file), rows_in_file=rows_in(file))
        except FileNotFoundError:
            continue  # gone since the snapshot: there is nothing to move
        except OSError as error:
            unread[version.path] = f"it cannot be read: {error}"
        except (ValueError, OverflowError) as error:
            unread[version.path] = str(error)
        else:
            accounts[version.path] = replace(account, **counts.get(version, counts[None]))
    return accounts, unread


def counts_in_tables(
    spark: SparkSession, books: Books, stage: str, source: Path, versions: Collection[Version]
) -> dict[Version | None, dict[str, Any]]:
    """Return what the tables say of each version; the key None is for what they do not name.

    One query, bounded by the modification times as ``versions_in_stage`` is.
    """
    names = ("rows_read", "rescued", "accepted", "quarantined")
    parts: list[DataFrame] = []
    known = {"rows_read"}

    def add(table: str, at: str, **counted: Column) -> None:
        rows = spark.read.table(table).where(_within(F.col(at), versions))
        nothing = F.lit(None).cast("bigint")
        columns = [counted.get(name, nothing).cast("bigint").alias(name) for name in names]
        version = ("source_file", "source_file_size", F.unix_millis(at).alias("modified_ms"))
        parts.append(rows.select(*version, *columns))
        known.update(counted)

    if versions:
        one = F.lit(1)
        counted = {"rows_read": one}
        if "_rescued_data" in spark.read.table(stage).columns:
            counted["rescued"] = F.when(F.col("_rescued_data").isNotNull(), 1).otherwise(0)
        add(stage, "source_file_modified_at", **counted)
        if books.quarantine is not None:
            add(books.quarantine, "source_file_modified_at", quarantined=one)
        if books.files is not None:
            add(books.files, "modified_at", accepted=F.col("accepted"))
    found: dict[Version | None, dict[str, Any]] = {  # Any: fields of an account
        None: {name: 0 if name in known else None for name in names}
    }
    if not parts:
        return found
    union = parts[0]
    for part in parts[1:]:
        union = union.unionAll(part)
    summed = union.groupBy("source_file", "source_file_size", "modified_ms").agg(
        *(F.sum(name).alias(name) for name in names)
    )
    for row in summed.collect():
        version = version_of(source, *row[:3])
        if version is not None:  # None lies below another folder
            sums = {name: row[name] or found[None][name] for name in names}
            found[version] = {"source_file": row["source_file"], **sums}
    return found


def write_note(archive: Path, accounts: Collection[Account]) -> None:
    """Put what is about to move on disk, safely, so that no move is forgotten."""
    if not accounts:
        return
    note = archive / NOTES / f"{uuid.uuid4().hex}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    begun = note.with_suffix(".part")
    with begun.open("w", encoding="utf-8") as file:
        json.dump([asdict(account) for account in accounts], file)
        file.flush()
        os.fsync(file.fileno())
    begun.replace(note)


def record_moves(spark: SparkSession, books: Books, archive: Path) -> None:
    """Append every move of the notes that is not in the record yet, in one commit; drop the notes.

    An account whose file is not in the archive did not move: it is written down again when it does.
    """
    notes = sorted((archive / NOTES).glob("*.json"))
    accounts = [Account(**each) for note in notes for each in json.loads(note.read_text("utf-8"))]
    found = ((account, find_archived(archive, account)) for account in accounts)
    moved = {
        file.relative_to(archive).as_posix(): account for account, file in found if file is not None
    }
    for done in recorded(spark, books, moved):
        del moved[done]
    if moved:
        now = datetime.now(UTC)
        rows = [_record(account, moved_to, now) for moved_to, account in moved.items()]
        frame = spark.createDataFrame(rows, RECORD).coalesce(1)
        frame.write.format("delta").mode("append").saveAsTable(books.record)
    for note in notes:
        note.unlink()


def find_archived(archive: Path, account: Account) -> Path | None:
    """Return the file that holds a delivery in the archive, if it is there."""
    same = [
        name
        for name in islice(archive_names(archive, account.version), 20)
        if name.is_file()
        and name.stat().st_size == account.size_bytes
        and digest(name) == account.sha256
    ]
    # The same content may have been delivered twice in a day; links keep the time, copies do not.
    same.sort(key=lambda name: name.stat().st_mtime_ns // 1_000_000 != account.modified_ms)
    return same[0] if same else None


def recorded(spark: SparkSession, books: Books, moved: Mapping[str, Account]) -> list[str]:
    """Return which of ``moved`` stand in the record."""
    if not moved or not spark.catalog.tableExists(books.record):
        return []
    within = _within(F.col("modified_at"), [account.version for account in moved.values()])
    rows = spark.read.table(books.record).where(within).select("archived_to").collect()
    return [row[0] for row in rows if row[0] in moved]


def _record(account: Account, moved_to: str, now: datetime) -> tuple[object, ...]:
    modified_at = datetime.fromtimestamp(account.modified_ms / 1000, UTC)
    return (
        account.path,
        account.source_file,
        account.size_bytes,
        modified_at,
        modified_at.date(),
        account.rows_in_file,
        account.rows_read,
        account.accepted,
        account.quarantined,
        account.rescued,
        account.balances,
        moved_to,
        now,
        account.sha256,
    )


def _within(modified_at: Column, versions: Collection[Version]) -> Column:
    """Return a condition on the modification time that lets Delta skip the history."""
    times_ms = [version.modified_ms for version in versions]
    return (modified_at >= F.timestamp_millis(F.lit(min(times_ms)))) & (
        modified_at < F.timestamp_millis(F.lit(max(times_ms) + 1))
    )


def _number(count: int | None) -> str:
    return "unknown" if count is None else str(count)


def check_folders(source: Path, archive: Path) -> None:
    """Return if ``archive`` can be the archive of ``source``.

    Raises:
        ValueError: one lies in the other, they are in two volumes, or a link leads out of them.
    """
    if not is_inside(archive, archive / STAGING):
        raise ValueError(f"{archive / STAGING} leads out of the archive by a symbolic link")
    if source == archive or source in archive.parents or archive in source.parents:
        raise ValueError(f"source {source} and archive {archive} must not lie in one another")
    volumes = {folder.parts[2:5] for folder in (source, archive) if folder.parts[1] == "Volumes"}
    if len(volumes) > 1:
        raise ValueError(f"source {source} and archive {archive} are in two volumes")


def _literal_path(folder: Path) -> str:
    """Return ``folder`` for Spark, which would take some characters for a pattern."""
    return "".join(f"\\{c}" if c in "*?[]{}\\" else c for c in folder.as_posix())


def _folder(text: str) -> Path:
    return Path(os.path.abspath(text.removeprefix("dbfs:")))  # noqa: PTH100 - links stay links, as Spark names them


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the task's parameters."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=_folder, required=True, help="folder that files land in")
    parser.add_argument("--archive", type=_folder, required=True, help="folder they are moved to")
    parser.add_argument("--stage", required=True, help="catalog.schema.table that has their rows")
    parser.add_argument(
        "--run-started", type=_instant, required=True, help="when the run began, ISO 8601, UTC"
    )
    parser.add_argument("--record", help="catalog.schema.table that each move leaves a row in")
    parser.add_argument("--quarantine", help="catalog.schema.table of the rows that were held back")
    parser.add_argument("--files", help="catalog.schema.table of the rows accepted by file")
    return parser.parse_args(arguments)


def current_session() -> SparkSession:
    """Return the session that was handed to this file, or else the process' own."""
    try:
        handed: SparkSession = spark  # type: ignore[name-defined] # in some tasks a global
    except NameError:
        return SparkSession.builder.getOrCreate()
    return handed


def main() -> None:
    """Archive, print what became of every file, and fail if a move failed."""
    given = parse_arguments()
    books = None
    if given.record:
        books = Books(record=given.record, quarantine=given.quarantine, files=given.files)
    outcomes = archive(
        current_session(),
        source=given.source,
        archive=given.archive,
        stage=given.stage,
        run_started=given.run_started,
        books=books,
    )
    for outcome in outcomes:
        print(outcome)
    moved = sum(outcome.moved_to is not None for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"archive: {moved} moved, {len(outcomes) - moved - failed} left, {failed} failed")
    if failed:
        raise RuntimeError(f"{failed} files could not be moved; see the lines above")


if __name__ == "__main__":
    main()
