import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import FILES, Cli, Write

ROOT = Path(__file__).parents[2]
TWO_FAULTS = (
    FILES["databricks.yml"]
    .replace("libraries:", "libaries:")
    .replace("[{task_key: refresh}]", "[{task_key: refrsh}]")
)


def test_every_fault_is_printed_with_its_place(cli: Cli, write: Write) -> None:
    done = cli("validate", "--bundle", write({"databricks.yml": TWO_FAULTS}))
    assert done.exit_code == 1
    assert "databricks.yml:10:7: error: " in done.stdout
    assert "databricks.yml:25:35: error: task 'say' depends on unknown task 'refrsh'" in done.stdout
    assert "did you mean 'libraries'?" in done.stdout
    assert "Validation OK" not in done.stdout


def test_broken_bundle_is_told_as_json(cli: Cli, write: Write) -> None:
    done = cli("validate", "--json", "--bundle", write({"databricks.yml": TWO_FAULTS}))
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["valid"] is False
    assert ("databricks.yml", 25, 35, "error") in [
        (d["file"], d["line"], d["column"], d["severity"]) for d in found["diagnostics"]
    ]


def test_broken_bundle_starts_no_spark(write: Write, tmp_path: Path) -> None:
    root = write({"databricks.yml": TWO_FAULTS})
    no_jars = tmp_path / "no_jars"
    no_jars.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "dlt_stub.cli.main", "validate"],
        cwd=root / "src",  # the bundle is found above it
        env={**os.environ, "DLT_STUB_JARS": str(no_jars), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "unknown task 'refrsh'" in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("spark")
def test_sound_bundle_shows_what_it_holds(cli: Cli, bundle: Path) -> None:
    done = cli("validate", "--bundle", bundle)
    assert done.exit_code == 0
    assert "Name: fruit\nTarget: dev\n" in done.stdout
    assert "Job pick: refresh -> say" in done.stdout
    assert "Pipeline fruit: main.fruit\n  basket  MATERIALIZED_VIEW" in done.stdout
    assert done.stdout.endswith("Validation OK!\n")
    assert not (bundle / ".dlt_stub" / "tables").exists()


@pytest.mark.usefixtures("spark")
def test_query_that_cannot_run_is_diagnosed(cli: Cli, write: Write) -> None:
    source = FILES["src/fruit.py"].replace("AS t(name, is_ripe)", "AS t(name, is_rpe)")
    done = cli("validate", "--bundle", write({"src/fruit.py": source}))
    assert done.exit_code == 1
    assert "src/fruit.py:" in done.stdout
    assert ": error: " in done.stdout
    assert "is_ripe" in done.stdout
    assert "Found 1 error" in done.stdout


def test_variables_reach_the_bundle(cli: Cli, write: Write) -> None:
    broken = TWO_FAULTS.replace("default: fruit}", "description: where}")
    without = cli("validate", "--bundle", write({"databricks.yml": broken}))
    given = cli("validate", "--bundle", write({"databricks.yml": broken}), "--var", "schema=fruit")
    assert "variable 'schema'" in without.stdout
    assert "variable 'schema'" not in given.stdout


@pytest.mark.usefixtures("spark")
def test_validation_is_told_as_json(cli: Cli, write: Write) -> None:
    source = FILES["src/fruit.py"] + '\n        print("a note of the pipeline")\n'
    done = cli("validate", "--json", "--bundle", write({"src/fruit.py": source}))
    found = json.loads(done.stdout)
    assert found["valid"] is True
    assert found["jobs"] == {"pick": ["refresh", "say"]}
    (basket,) = found["pipelines"]["fruit"]
    assert basket["columns"] == {"name": "string", "is_ripe": "boolean"}
    assert "a note of the pipeline" in done.stderr


@pytest.mark.usefixtures("spark")
def test_our_bundle_is_sound_unused(cli: Cli, tmp_path: Path) -> None:
    done = cli("validate", "--bundle", ROOT, "--storage", tmp_path)
    assert done.exit_code == 0, done.output
    assert "orders_target      STREAMING_TABLE  <- orders_accepted" in done.stdout
    assert "Job order_ingest: refresh -> archive" in done.stdout
