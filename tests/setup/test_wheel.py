"""The wheel, beside databricks-dlt in an environment of its own, runs a bundle that is not ours."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUNDLE = """
bundle: {name: parcels}
resources:
  pipelines:
    parcels:
      name: parcels
      catalog: main
      schema: logistics
      serverless: true
      libraries: [{file: {path: parcels.py}}]
      configuration: {parcels.landing: /Volumes/main/logistics/landing/in}
  volumes:
    landing: {catalog_name: main, schema_name: logistics, name: landing}
  jobs:
    daily:
      name: daily
      tasks:
        - task_key: is_monday
          condition_task: {op: EQUAL_TO, left: monday, right: monday}
        - task_key: load
          depends_on: [{task_key: is_monday, outcome: "true"}]
          pipeline_task: {pipeline_id: "${resources.pipelines.parcels.id}"}
targets:
  dev: {default: true}
"""
PIPELINE = """
import dlt
from pyspark.sql import functions as F

@dlt.table
@dlt.expect_or_drop("has_weight", "weight IS NOT NULL")
def parcels():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
            .option("cloudFiles.schemaHints", "weight DOUBLE")
            .load(spark.conf.get("parcels.landing")))

@dlt.table
def weight_by_city():
    return dlt.read("parcels").groupBy("city").agg(F.sum("weight").alias("weight"))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with our wheel and databricks-dlt, and this one's other packages."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True, cwd=folder
    )
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    wheel = next(folder.glob("dlt_stub-*.whl"))
    install = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*install, "--no-deps", str(wheel), "databricks-dlt==0.3.0"], check=True)
    # Spark is 400 MB: what both depend on is taken from here, behind the environment's own.
    site = next((folder / "venv" / "lib").glob("python3*/site-packages"))
    (site / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "venv"


def run(environment: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    settings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=cwd,
        env=settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_wheel_holds_no_top_level_dlt(environment: Path, tmp_path: Path) -> None:
    shown = run(
        environment,
        "python",
        "-c",
        "import dlt, dlt_stub; print(dlt.__file__); print(dlt_stub.__file__)",
        cwd=tmp_path,
    )
    assert shown.returncode == 0, shown.stderr
    databricks, ours = (Path(line) for line in shown.stdout.splitlines())
    assert databricks.parent.name == "dlt"
    assert ours.is_relative_to(environment)


@pytest.mark.slow
def test_wheel_runs_a_bundle_not_ours(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "databricks.yml").write_text(BUNDLE, encoding="utf-8")
    (tmp_path / "parcels.py").write_text(PIPELINE, encoding="utf-8")
    landing = tmp_path / ".dlt_stub/volumes/main/logistics/landing/in"
    landing.mkdir(parents=True)
    (landing / "a.csv").write_text("id,city,weight\n1,Bonn,2.5\n2,Bonn,1\n3,Ulm,\n", "utf-8")
    ended = run(environment, "dlt-stub", "run", "daily", "--json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    asked = run(
        environment, "dlt-stub", "sql", "SELECT * FROM weight_by_city", "--json", cwd=tmp_path
    )
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout.splitlines()[-1]) in (
        {"city": "Bonn", "weight": 3.5},
        [{"city": "Bonn", "weight": 3.5}],
    )


@pytest.mark.slow
def test_wheel_brings_the_pytest_plugin(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "parcels.py").write_text(PIPELINE, encoding="utf-8")
    case = "says: It holds.\npipeline: parcels.py\nsteps: [{}]\n"
    (tmp_path / "weights.dlt.yml").write_text(case, encoding="utf-8")
    listed = run(environment, "python", "-m", "pytest", "--collect-only", "-q", cwd=tmp_path)
    assert "weights.dlt.yml::weights" in listed.stdout, listed.stderr
    fixtures = run(environment, "python", "-m", "pytest", "--fixtures", cwd=tmp_path)
    assert "dlt_pipeline" in fixtures.stdout
