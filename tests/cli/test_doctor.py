import json
import socket
from pathlib import Path

from tests.cli.conftest import Cli


def test_health_is_told_as_json(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("doctor", "--json", "--storage", tmp_path, "--port", port)
    found = json.loads(done.stdout)
    assert done.exit_code == 2
    assert found["healthy"] is False
    wrong = [check for check in found["checks"] if not check["ok"]]
    assert [(check["name"], check["found"]) for check in wrong] == [(f"port {port}", "in use")]


def test_wrong_things_come_with_a_mend(cli: Cli, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = cli("doctor", "--storage", tmp_path, "--port", taken.getsockname()[1])
    assert "ok    java: " in done.stdout
    assert "mend it: dlt-stub serve --port" in done.stdout


def test_every_verb_has_an_example(cli: Cli) -> None:
    for verb in ("validate", "run", "watch", "events", "sql", "doctor"):
        assert f"Example: dlt-stub {verb}" in cli(verb, "--help").stdout
