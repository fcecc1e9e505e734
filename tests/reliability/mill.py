"""A small bundle whose pipeline does harm to its own process, on cue.

The cue is a file beside it that holds a version of the table ``grain``: the harm is done once that
version is committed, in the middle of the batch after it.
"""

import sys
from pathlib import Path
from textwrap import dedent

from typer.testing import CliRunner, Result

from dlt_stub.cli.main import app
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
          trigger: {file_arrival: {url: /Volumes/main/mill/sacks/in/}}
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
    from pyspark import SparkContext

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
        if cue("KILL"):
            os.kill(SparkContext._gateway.proc.pid, signal.SIGKILL)
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
            self.give(cue)
        done = CliRunner().invoke(app, ["run", key, "--bundle", str(self.root)])
        assert cue is None or not (self.root / cue).exists(), done.output
        return done

    def give(self, cue: str) -> None:
        """Let the second batch of the next run do harm; the first one, if it is the only one."""
        commits = len([*self.log.glob("*.json")])
        (self.root / cue).write_text(str(commits or 1))

    def command(self, *words: str) -> list[str]:
        """Return the command line of a process of its own."""
        return [sys.executable, "-m", "dlt_stub.cli.main", *words, "--bundle", str(self.root)]

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
        return self.runs()[0]

    def runs(self) -> tuple[JobRun, ...]:
        return runs(self.paths, "dev.grind")

    def held_locks(self) -> list[Path]:
        return [lock for lock in self.paths.root.rglob("*lock") if is_held(lock)]
