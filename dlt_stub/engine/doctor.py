"""What a machine needs, checked one by one; ``dlt-stub doctor`` prints the answers."""

import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dlt_stub.engine.jars import DELTA_VERSION, JAR_NAMES, NEEDED_BYTES, delta_jars
from dlt_stub.engine.java import find_java
from dlt_stub.errors import SetupError
from dlt_stub.paths import cache_folder

_LOOPBACK = "127.0.0.1"
_SPARK = (4, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing a machine needs: what was found, and the command that mends it if it is not ok."""

    name: str
    ok: bool
    found: str
    mend: str | None = None


def examine(workspace: Path = Path(".dlt_stub")) -> tuple[Check, ...]:
    """Return every check, those that fail included; Delta's jars are fetched if they are missing.

    No Spark is started: the whole list takes a second once the jars are there.
    """
    return (
        check_python(),
        _from_setup("java", _describe_java),
        check_spark(),
        _from_setup("delta jars", _describe_jars),
        check_disk("cache", cache_folder()),
        check_disk("workspace", workspace.absolute()),
        check_disk("scratch", Path(tempfile.gettempdir())),
        check_ports(),
    )


def is_healthy(checks: Sequence[Check]) -> bool:
    """Return whether every check is ok."""
    return all(check.ok for check in checks)


def check_python() -> Check:
    """Return whether this Python is new enough."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info >= (3, 11)
    return Check(name="python", ok=ok, found=found, mend=None if ok else "install Python 3.11")


def check_spark() -> Check:
    """Return whether pyspark and delta-spark are installed in the versions that go together."""
    try:
        spark, delta = version("pyspark"), version("delta-spark")
    except PackageNotFoundError as error:
        return Check(name="spark", ok=False, found=f"no {error.name}", mend="pip install dlt-stub")
    major_minor = tuple(int(part) for part in spark.split(".")[:2])
    ok = major_minor == _SPARK and delta == DELTA_VERSION
    mend = f"pip install 'pyspark=={_SPARK[0]}.{_SPARK[1]}.*' 'delta-spark=={DELTA_VERSION}'"
    found = f"pyspark {spark}, delta-spark {delta}"
    return Check(name="spark", ok=ok, found=found, mend=None if ok else mend)


def check_disk(name: str, folder: Path, needed_bytes: int = NEEDED_BYTES) -> Check:
    """Return whether ``needed_bytes`` are free where ``folder`` is or will be."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free_bytes = shutil.disk_usage(existing).free
    ok = free_bytes >= needed_bytes
    mend = f"free {(needed_bytes - free_bytes) // 2**20 + 1} MB: du -xh {existing} | sort -h | tail"
    found = f"{free_bytes // 2**20} MB free at {existing}"
    return Check(name=f"disk ({name})", ok=ok, found=found, mend=None if ok else mend)


def check_ports() -> Check:
    """Return whether Spark can listen on this machine's own address, where its parts talk."""
    with socket.socket() as probe:
        try:
            probe.bind((_LOOPBACK, 0))
        except OSError as error:
            found = f"no port on {_LOOPBACK}: {error.strerror}"
            return Check(name="ports", ok=False, found=found, mend="ip link set lo up")
    return Check(name="ports", ok=True, found=f"free ports on {_LOOPBACK}")


def _describe_java() -> str:
    java = find_java()
    return f"{java.version} at {java.executable} (by {java.found_by})"


def _describe_jars() -> str:
    folder = delta_jars()[0].parent
    return f"{len(JAR_NAMES)} jars of Delta {DELTA_VERSION} in {folder}"


def _from_setup(name: str, describe: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, found=describe())
    except SetupError as error:
        return Check(name=name, ok=False, found=error.message, mend=error.hint)
