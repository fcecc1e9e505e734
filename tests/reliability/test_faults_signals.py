"""SIGTERM and Ctrl-C stop a run cleanly, and the next run makes good what is left.

The pipeline itself sends the signal, on cue: in the middle of its second batch, from a flow's
thread, to the process that runs it.
"""

import signal
import time
from pathlib import Path
from textwrap import dedent

import pytest
from databricks.sdk.service.jobs import RunResultState
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from dlt_stub.cli.main import app
from dlt_stub.cli.signals import GRACE_SECONDS
from dlt_stub.events import Event, read_events
from dlt_stub.jobs import JobRun, runs
from dlt_stub.locks import is_held
from dlt_stub.paths import WorkspacePaths
from tests.pipelines.shop import read_delta

BUNDLE = """\
    bundle: {name: mill}
    resources:
      volumes:
        sacks: {catalog_name: main, schema_name: mill, name: sacks}
      pipelines:
        mill:
          catalog: main
          schema: mill
          development: true
          libraries: [{file: {path: mill.py}}]
      jobs:
        grind:
          name: grind
          tasks:
            - task_key: refresh
              pipeline_task: {pipeline_id: "${resources.pipelines.mill.id}"}
            - task_key: after
              depends_on: [{task_key: refresh}]
              environment_key: serverless
              spark_python_task: {python_file: after.py}
          environments:
            - environment_key: serverless
              spec: {environment_version: "4"}
    targets:
      dev: {default: true}
    """
PIPELINE = """\
    import os
    import signal

    import dlt

    HERE = os.path.dirname(os.path.abspath(__file__))


    def cue(name):
        # Its version is that of the first batch: if it is committed, this is the second.
        said = os.path.join(HERE, name)
        if not os.path.exists(said):
            return False
        with open(said) as file:
            if not os.path.exists(os.path.join(LOG, f"{int(file.read()):020}.json")):
                return False
        os.unlink(said)
        return True


    LOG = "{log}"


    @dlt.table
    def grain():
        frame = (
            spark.readStream.format("cloudFiles")
            .option("cloudFiles.format", "csv")
            .option("cloudFiles.maxFilesPerTrigger", "1")
            .option("cloudFiles.schemaHints", "n INT")
            .load("/Volumes/main/mill/sacks/in")
        )
        for name in ("SIGTERM", "SIGINT"):
            if cue(name):
                os.kill(os.getpid(), getattr(signal, name))
        if cue("SLOW"):
            os.kill(os.getpid(), signal.SIGINT)
            endless = spark.range(10**14).selectExpr("sum(id * id % 7) AS total")
            frame = frame.crossJoin(endless).drop("total")
        return frame


    @dlt.table
    def flour():
        return spark.readStream.option("maxFilesPerTrigger", "1").table("grain")


    @dlt.on_event_hook
    def stop_the_stream(event):
        said = os.path.join(HERE, "STREAM")
        details = event["details"].get("flow_progress", {})
        is_flour = event["origin"].get("flow_name") == "flour"
        if is_flour and details.get("metrics") and os.path.exists(said):
            os.unlink(said)
            os.kill(os.getpid(), signal.SIGTERM)
    """
FILES = 4


class Mill:
    """A bundle of one pipeline and one job, run by the command line in this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = WorkspacePaths.at(root / ".dlt_stub")
        self.log = self.paths.root / "tables/main/mill/grain/_delta_log"
        texts = {
            "databricks.yml": BUNDLE,
            "mill.py": PIPELINE.replace("{log}", str(self.log)),
            "after.py": "print('ground')\n",
        }
        for name, text in texts.items():
            (root / name).write_text(dedent(text))
        self._landed = 0

    def land(self) -> None:
        folder = self.paths.root / "volumes/main/mill/sacks/in"
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(FILES):
            (folder / f"{self._landed}.csv").write_text(f"n\n{self._landed}\n")
            self._landed += 1

    def run(self, key: str, cue: str | None = None) -> Result:
        if cue is not None:
            commits = len([*self.log.glob("*.json")])
            (self.root / cue).write_text(str(commits or 1))
        done = CliRunner().invoke(app, ["run", key, "--bundle", str(self.root)])
        assert cue is None or not (self.root / cue).exists(), done.output
        return done

    def rows(self, table: str) -> list[int]:
        return sorted(read_delta(self.paths.root / f"tables/main/mill/{table}")["n"].to_pylist())

    @property
    def all_rows(self) -> list[int]:
        return list(range(self._landed))

    def last_update(self) -> list[Event]:
        (folder,) = self.paths.root.glob("pipelines/*/event_log")
        events = list(read_events(folder))
        update_id = events[-1].origin["update_id"]
        return [event for event in events if event.origin["update_id"] == update_id]

    def last_run(self) -> JobRun:
        return runs(self.paths, "dev.grind")[0]

    def held_locks(self) -> list[Path]:
        return [lock for lock in self.paths.root.rglob("*lock") if is_held(lock)]


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
