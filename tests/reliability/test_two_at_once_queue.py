"""Runs that wait for another: first come, first served; who is gone is passed by."""

import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from dlt_stub.clock import SystemClock
from dlt_stub.errors import BusyError
from dlt_stub.jobs import RunStore
from dlt_stub.locks import exclusive
from dlt_stub.paths import WorkspacePaths
from tests.reliability.processes import Process, hear, start
from tests.reliability.watching import watch


def queued(process: Process) -> int:
    """Wait until the run of a process stands in the queue and return its id."""
    run_id, state = hear(process).split()
    assert state == "PENDING"
    assert hear(process) == f"{run_id} QUEUED"
    return int(run_id)


def test_queue_is_first_come_first_served(tmp_path: Path) -> None:
    store = RunStore.of(WorkspacePaths.at(tmp_path), "etl")
    runs: dict[str, int] = {}
    processes: dict[str, Process] = {}
    with ExitStack() as stack:
        with exclusive(store.slot(0), what="a long run"):
            for name in ("interrupted", "second", "killed", "last"):
                processes[name] = stack.enter_context(start("queueing", str(tmp_path), name))
                runs[name] = queued(processes[name])
            processes["interrupted"].send_signal(signal.SIGINT)
            assert hear(processes["interrupted"]) == f"{runs['interrupted']} TERMINATED"
            processes["killed"].kill()
            processes["killed"].wait()
        for name in ("second", "last"):
            heard = [hear(processes[name]) for _ in range(3)]
            assert heard == [f"{runs[name]} RUNNING", f"{runs[name]} TERMINATED", ""]
    assert (tmp_path / "ran").read_text() == "second last "
    store.settle_abandoned(clock=SystemClock())
    ended = {name: store.load(run_id).state for name, run_id in runs.items()}
    assert {name: state.result.value for name, state in ended.items() if state.result} == {
        "interrupted": "CANCELED",
        "second": "SUCCESS",
        "killed": "FAILED",
        "last": "SUCCESS",
    }
    assert ended["killed"].life_cycle.value == "INTERNAL_ERROR"
    assert list((store.folder / "queue").iterdir()) == []


def test_second_watch_names_the_first(tmp_path: Path) -> None:
    with start("watching", str(tmp_path)) as first:
        assert hear(first) == "watching"
        with pytest.raises(BusyError, match=rf"watch of .* runs in process {first.pid} on .*"):
            watch(tmp_path)
        first.kill()
        first.wait()
        with start("watching", str(tmp_path)) as next_one:
            assert hear(next_one) == "watching"
            next_one.kill()
