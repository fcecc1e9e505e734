from pathlib import Path

import pytest

from dlt_stub.engine.doctor import check_disk, check_ports, check_spark, examine, is_healthy
from dlt_stub.engine.jars import JAR_NAMES


def test_ports_of_this_machine_are_free() -> None:
    check = check_ports()
    assert (check.ok, check.mend) == (True, None)


def test_small_disk_says_how_much(tmp_path: Path) -> None:
    check = check_disk("cache", tmp_path / "not" / "yet", needed_bytes=2**62)
    assert not check.ok
    assert check.mend is not None
    assert str(tmp_path) in check.mend


def test_installed_spark_and_delta_fit() -> None:
    assert check_spark().ok


def test_missing_jars_fail_with_a_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_STUB_JARS", str(tmp_path))
    checks = {check.name: check for check in examine(tmp_path)}
    assert not checks["delta jars"].ok
    assert JAR_NAMES[0] in checks["delta jars"].found
    assert checks["delta jars"].mend is not None
    assert checks["java"].ok
    assert not is_healthy(tuple(checks.values()))
