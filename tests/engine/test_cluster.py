"""The same bundle on this machine and on a standalone cluster of one master and two workers."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pyspark
import pytest
from pyspark.sql import SparkSession

from dlt_stub import Workspace
from dlt_stub.engine.java import find_java, spark_java_home
from dlt_stub.engine.session import MASTER

REPOSITORY = Path(__file__).parents[2]
FILES = {
    "databricks.yml": """\
        bundle: {name: grid}
        resources:
          pipelines:
            shop:
              catalog: main
              schema: grid
              development: true
              root_path: src
              libraries: [{file: {path: src/main.py}}]
              configuration: {landing: /Volumes/main/grid/landing}
          volumes:
            landing: {catalog_name: main, schema_name: grid, name: landing}
        targets:
          dev: {default: true}
        """,
    "src/helpers/__init__.py": "",
    "src/helpers/words.py": """\
        def shout(text):
            with open("/Volumes/main/grid/landing/mark.txt") as file:
                return text.upper() + file.read()
        """,
    "src/main.py": """\
        import dlt
        from helpers.words import shout
        from pyspark.sql import functions as F

        loud = F.udf(shout, "string")

        @dlt.table
        @dlt.expect_or_drop("known", "id IS NOT NULL")
        def bronze():
            return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
                .option("pathGlobFilter", "*.csv").option("header", "true")
                .option("cloudFiles.schemaHints", "id INT, at INT, name STRING")
                .load(spark.conf.get("landing")).drop("_rescued_data"))

        @dlt.view
        def loudly():
            return dlt.read_stream("bronze").repartition(4).withColumn("name", loud("name"))

        dlt.create_streaming_table("latest")
        dlt.apply_changes(target="latest", source="loudly", keys=["id"], sequence_by="at")

        @dlt.table
        def counts():
            return dlt.read("latest").groupBy("name").count()
        """,
}
ROWS = {"1.csv": ["1,1,ann", "2,1,bob", ",1,x"], "2.csv": ["1,2,cy", "3,1,bob"]}
WORKERS = ("one", "two")
COUNTS = [("BOB!", 2), ("CY!", 1)]


def bundle_in(folder: Path) -> Path:
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return folder


def land_in(storage: Path) -> None:
    landing = storage / "volumes/main/grid/landing"
    landing.mkdir(parents=True)
    (landing / "mark.txt").write_text("!", encoding="utf-8")
    for name, lines in ROWS.items():
        (landing / name).write_text("\n".join(["id,at,name", *lines]) + "\n", encoding="utf-8")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Start a master and two workers, one core each, and give the master's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    package = "org.apache.spark.deploy"
    here = ["--host", "127.0.0.1", "--webui-port", "0"]
    started: list[subprocess.Popen[str]] = []
    try:
        started.append(
            daemon(folder, f"{package}.master.Master", *here, "--port", str(port), until="ALIVE")
        )
        for name in WORKERS:
            size = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / name)]
            worker = f"{package}.worker.Worker"
            started.append(
                daemon(folder, worker, *here, *size, url, until="Successfully registered")
            )
        yield url
    finally:
        for process in reversed(started):
            process.kill()
            process.communicate()


def daemon(folder: Path, *command: str, until: str) -> subprocess.Popen[str]:
    """Start one process of Spark's and return it once it has said ``until``."""
    home = Path(pyspark.__file__).parent
    environ = {**os.environ, "JAVA_HOME": str(spark_java_home(find_java()))}
    environ |= {"SPARK_HOME": str(home), "SPARK_DAEMON_MEMORY": "256m"}
    process = subprocess.Popen(
        [str(home / "bin/spark-class"), *command],
        env=environ,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if until in line:
            return process
    raise AssertionError(f"{command[0]} ended with {process.wait()}: {''.join(said)}")


@pytest.mark.slow
def test_cluster_gives_what_one_machine_gives(spark: SparkSession, tmp_path: Path) -> None:
    bundle = bundle_in(tmp_path / "bundle")
    tables: dict[str, list[list[tuple[object, ...]]]] = {}
    for kind in ("local", "cluster"):
        land_in(tmp_path / kind)
    Workspace.open(bundle, storage=tmp_path / "local", spark=spark).pipeline(
        "shop"
    ).update().raise_for_failure()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/spark-defaults.conf").write_text(
        "spark.executor.memory 512m\nspark.sql.shuffle.partitions 2\n"
    )
    with cluster(tmp_path) as url:
        command = [sys.executable, "-m", "dlt_stub.cli.main", "run", "shop", "--json"]
        command += ["--bundle", str(bundle), "--storage", str(tmp_path / "cluster")]
        environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        environ |= {"SPARK_CONF_DIR": str(tmp_path / "conf")}
        done = subprocess.run(
            [*command, "--master", url], env=environ, capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
    for kind in ("local", "cluster"):
        workspace = Workspace.open(bundle, storage=tmp_path / kind, spark=spark)
        pipeline = workspace.pipeline("shop")
        tables[kind] = [
            sorted(tuple(row) for row in pipeline.table(name).collect())
            for name in ("bronze", "latest", "counts")
        ]
    assert tables["cluster"] == tables["local"]
    assert tables["cluster"][2] == COUNTS
    for worker in WORKERS:
        assert list((tmp_path / worker).glob("app-*/*/stderr")), f"worker {worker} had no executor"


def test_master_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt_stub.cli.place import use_master

    monkeypatch.setenv(MASTER, "local[3]")
    use_master(None)
    assert os.environ[MASTER] == "local[3]"
    use_master("spark://somewhere:7077")
    assert os.environ[MASTER] == "spark://somewhere:7077"
