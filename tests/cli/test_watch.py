import signal
import sys
from pathlib import Path

import pytest

from dlt_stub.cli.display import Display, console_on
from dlt_stub.cli.place import Place
from dlt_stub.cli.watch import watch_runs
from dlt_stub.clock import SystemClock
from dlt_stub.jobs import WatchEvent
from tests.cli.conftest import FILES, Cli, Write

LANDING = Path(".dlt_stub/volumes/main/fruit/crates/in")


def land(bundle: Path) -> None:
    folder = bundle / LANDING
    folder.mkdir(parents=True)
    (folder / "crate.csv").write_text("fig\n")


@pytest.mark.usefixtures("spark")
def test_arrived_file_fires_one_run(cli: Cli, bundle: Path) -> None:
    land(bundle)
    done = cli("watch", "pick", "--wait-seconds", 0, "--runs", 1, "--bundle", bundle)
    assert done.exit_code == 0
    assert "/Volumes/main/fruit/crates/in/" in done.stdout
    assert "for this watch only: the trigger waits 0 s" in done.stdout
    assert "deployed, it has wait_after_last_change_seconds 90 s" in done.stdout
    assert "trigger FIRED 1 file new" in done.stdout
    assert "job pick SUCCESS" in done.stdout


@pytest.mark.usefixtures("spark")
def test_failed_run_ends_with_one(cli: Cli, write: Write) -> None:
    bundle = write({"src/say.py": "raise SystemExit(3)\n"})
    land(bundle)
    done = cli("watch", "pick", "--wait-seconds", 0, "--runs", 1, "--bundle", bundle)
    assert done.exit_code == 1
    assert "task say: say.py exited with 3" in done.stderr
    assert "dlt-stub run pick repeats the run now" in done.stdout


def test_job_without_trigger_is_refused(cli: Cli, write: Write) -> None:
    lines = FILES["databricks.yml"].splitlines(keepends=True)
    trigger = next(number for number, line in enumerate(lines) if line.strip() == "trigger:")
    del lines[trigger : trigger + 4]
    done = cli("watch", "pick", "--bundle", write({"databricks.yml": "".join(lines)}))
    assert done.exit_code == 2
    assert "has no file-arrival trigger" in done.stderr


class Interrupting(Display):
    """Somebody who types Ctrl-C at the first word of the trigger."""

    def watch_event(self, event: WatchEvent) -> None:
        super().watch_event(event)
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("spark")
def test_interrupt_stops_between_two_runs(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    display = Interrupting(console_on(sys.stdout), console_on(sys.stderr), clock=SystemClock())
    assert watch_runs(Place(bundle=bundle).open(), "pick", display) == []
    assert "trigger WAITING no new file" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
