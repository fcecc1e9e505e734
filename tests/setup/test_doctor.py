import socket
from pathlib import Path

import pytest

from dlt_stub.engine.doctor import check_disk, check_port, check_spark, examine, is_healthy
from dlt_stub.engine.jars import JAR_NAMES


def test_taken_port_offers_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        check = check_port(port)
    assert (check.ok, check.found) == (False, "in use")
    assert check.mend == f"dlt-stub serve --port {port + 1}"


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
