import json
from pathlib import Path

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def no_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delta's jars are said to be in a folder that holds none."""
    (tmp_path / "jars").mkdir()
    monkeypatch.setenv("DLT_STUB_JARS", str(tmp_path / "jars"))


@pytest.mark.usefixtures("no_jars")
def test_health_is_told_as_json(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "--json", "--storage", tmp_path)
    found = json.loads(done.stdout)
    assert done.exit_code == 2
    assert found["healthy"] is False
    assert [check["name"] for check in found["checks"] if not check["ok"]] == ["delta jars"]


@pytest.mark.usefixtures("no_jars")
def test_wrong_things_come_with_a_mend(cli: Cli, tmp_path: Path) -> None:
    done = cli("doctor", "--storage", tmp_path)
    assert "ok    java: " in done.stdout
    assert "WRONG delta jars: " in done.stdout
    assert "mend it: " in done.stdout


def test_every_verb_has_an_example(cli: Cli) -> None:
    for verb in ("validate", "run", "watch", "events", "sql", "doctor"):
        assert f"Example: dlt-stub {verb}" in cli(verb, "--help").stdout
