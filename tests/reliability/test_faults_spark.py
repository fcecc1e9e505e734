"""Spark's Java process is killed under a run: it is said, nothing is lost, and what to do next."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import RunResultState as Result
from pyspark.sql import SparkSession

from dlt_stub.engine.session import MORE_JAVA_OPTIONS
from tests.reliability.mill import Mill

pytestmark = pytest.mark.slow


def test_killed_java_is_said_and_made_good(tmp_path: Path, spark: SparkSession) -> None:
    mill = Mill(tmp_path)
    mill.land()
    mill.give("KILL")
    # Without the gateway of this process: a Java of its own is to be killed.
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYSPARK_GATEWAY")}
    own[MORE_JAVA_OPTIONS] = "-XX:TieredStopAtLevel=1"

    done = subprocess.run(
        mill.command("run", "mill"),
        env=own,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "[SPARK_LOST] Spark's Java process" in done.stderr
    assert "was killed by SIGKILL; what was committed stays" in done.stderr
    assert "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert mill.rows("grain") == [0]
    assert mill.last_update()[-1].body["state"] == "FAILED"
    assert mill.held_locks() == []

    mill.give("KILL")
    said: list[str] = []
    with subprocess.Popen(
        mill.command("watch", "grind", "--wait-seconds", "0"),
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watch:
        assert watch.stdout is not None
        for line in watch.stdout:
            is_first = not any("trigger WAITING" in earlier for earlier in said)
            said.append(line)
            if is_first and "trigger WAITING" in line:  # the run is over, and nothing is new
                watch.send_signal(signal.SIGINT)
    text = "".join(said)
    assert watch.returncode == 0, text
    assert "[SPARK_LOST]" in text
    assert "starting Spark anew; the run is repeated" in text
    assert "job grind SUCCESS" in text
    assert "Traceback" not in text
    assert [run.state.result for run in mill.runs()] == [Result.SUCCESS, Result.FAILED]
    assert mill.held_locks() == []

    assert mill.rows("grain") == mill.all_rows
    assert mill.run("grind").exit_code == 0
    assert mill.rows("grain") == mill.rows("flour") == mill.all_rows
