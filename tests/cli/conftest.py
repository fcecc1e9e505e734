"""A tiny bundle that is not ours: one pipeline over inline rows, one job, one trigger."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from dlt_stub.cli.main import app

FILES = {
    "databricks.yml": """\
        bundle: {name: fruit}
        variables:
          schema: {default: fruit}
        resources:
          pipelines:
            fruit:
              catalog: main
              schema: ${var.schema}
              development: true
              libraries: [{file: {path: src/fruit.py}}]
          volumes:
            crates: {catalog_name: main, schema_name: fruit, name: crates}
          jobs:
            pick:
              name: pick
              parameters: [{name: basket, default: small}]
              trigger:
                file_arrival:
                  url: ${resources.volumes.crates.volume_path}/in/
                  wait_after_last_change_seconds: 90
              tasks:
                - task_key: refresh
                  pipeline_task: {pipeline_id: "${resources.pipelines.fruit.id}"}
                - task_key: say
                  depends_on: [{task_key: refresh}]
                  environment_key: serverless
                  spark_python_task:
                    python_file: src/say.py
                    parameters: ["{{job.parameters.basket}}"]
              environments:
                - environment_key: serverless
                  spec: {environment_version: "4"}
        targets:
          dev: {default: true}
        """,
    "src/fruit.py": """\
        import dlt

        @dlt.table
        @dlt.expect("named", "name <> ''")
        @dlt.expect_or_drop("ripe", "is_ripe")
        def basket():
            rows = "('fig', true), ('', true), ('plum', false)"
            return spark.sql(f"SELECT * FROM VALUES {rows} AS t(name, is_ripe)")
        """,
    "src/say.py": """\
        import sys

        print("the basket is", sys.argv[1])
        """,
}

Cli = Callable[..., Result]
Write = Callable[..., Path]


@pytest.fixture
def cli() -> Cli:
    """Return a function that runs one command line in this process."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return run


def write_bundle(root: Path, changed: dict[str, str]) -> Path:
    """Write the tiny bundle, some of its files changed, and return its folder."""
    for name, text in (FILES | changed).items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    return root


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", {})


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes the bundle with other content in some of its files."""
    return lambda changed: write_bundle(tmp_path / "bundle", changed)


@pytest.fixture(scope="session")
def picked(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle after one run of its job."""
    root = write_bundle(tmp_path_factory.mktemp("picked"), {})
    done = CliRunner().invoke(app, ["run", "pick", "--bundle", str(root)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return root
