"""SIGTERM and Ctrl-C stop a run cleanly, and the next run makes good what is left.

The pipeline itself sends the signal, on cue: in the middle of its second batch, from a flow's
thread, to the process that runs it.
"""

import signal
import time
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import RunResultState
from pyspark.sql import SparkSession

from dlt_stub.cli.signals import GRACE_SECONDS
from dlt_stub.events import Event
from tests.reliability.mill import Mill


def states(events: list[Event], kind: str, key: str, flow: str | None = None) -> list[str]:
    return [
        event.body[key]
        for event in events
        if event.event_type == kind and flow in (None, event.origin.get("flow_name"))
    ]


@pytest.fixture
def mill(tmp_path: Path, spark: SparkSession) -> Mill:
    return Mill(tmp_path)


def test_signals_stop_between_two_batches(mill: Mill) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    mill.land()
    done = mill.run("mill", cue="SIGTERM")
    assert done.exit_code == 143, done.output
    assert "stopping: nothing new begins" in done.stdout
    assert "what was committed stays, the same command goes on from there" in done.stderr
    assert mill.rows("grain") == [0, 1]  # the batch under way was brought to its end
    events = mill.last_update()
    assert states(events, "update_progress", "state")[-1] == "CANCELED"
    assert states(events, "flow_progress", "status", "grain")[-1] == "STOPPED"
    assert states(events, "flow_progress", "status", "flour") == ["QUEUED"]
    assert mill.held_locks() == []
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    mill.land()
    done = mill.run("grind", cue="SIGINT")
    assert done.exit_code == 130, done.output
    assert mill.rows("grain") == [0, 1, 2, 3]
    run = mill.last_run()
    assert run.state.result is RunResultState.CANCELED
    assert [task.state.result for task in run.tasks] == [
        RunResultState.CANCELED,
        RunResultState.UPSTREAM_CANCELED,
    ]
    assert mill.held_locks() == []

    done = mill.run("mill", cue="STREAM")
    assert done.exit_code == 143, done.output
    assert mill.rows("grain") == mill.all_rows
    assert 0 < len(mill.rows("flour")) < len(mill.all_rows)
    assert states(mill.last_update(), "flow_progress", "status", "flour")[-1] == "STOPPED"

    done = mill.run("grind")
    assert done.exit_code == 0, done.output
    assert mill.rows("grain") == mill.rows("flour") == mill.all_rows


def test_endless_batch_is_cut_off(mill: Mill) -> None:
    mill.land()
    done = mill.run("grind", cue="SLOW")
    seconds = time.time() - mill.root.stat().st_mtime  # since the cue was taken away
    assert done.exit_code == 130, done.output
    assert GRACE_SECONDS <= seconds < 10
    assert mill.rows("grain") == [0]
    assert states(mill.last_update(), "update_progress", "state")[-1] == "CANCELED"
    assert states(mill.last_update(), "flow_progress", "status", "grain")[-1] == "STOPPED"
    assert mill.last_run().state.result is RunResultState.CANCELED
    assert mill.held_locks() == []
    done = mill.run("grind")
    assert done.exit_code == 0, done.output
    assert mill.rows("grain") == mill.rows("flour") == mill.all_rows
