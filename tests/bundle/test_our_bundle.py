"""The bundle this repository deploys: it reads cleanly, and faults put into it are told."""

import shutil
from pathlib import Path

import pytest

from dlt_stub.bundle import pipeline_source_files, read_bundle

ROOT = Path(__file__).parents[2]
FOLDERS = ("resources", "pipelines", "expectations")
JOB = "resources/order_ingest.job.yml"
PIPELINE = "resources/orders.pipeline.yml"
STORAGE = "resources/orders.storage.yml"
DASHBOARD = "resources/order_quality.dashboard.yml"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "databricks.yml", tmp_path)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_our_bundle_reads_without_diagnostics(target: str) -> None:
    reading = read_bundle(ROOT, target=target, user_name="ada@example.com")
    assert [d.render() for d in reading.diagnostics] == []
    assert reading.bundle is not None
    sources = pipeline_source_files(reading.bundle.pipelines["orders"])
    assert sources == tuple(sorted((ROOT / "pipelines" / "orders").glob("*.py")))
    assert ROOT / "pipelines" / "orders" / "orders_stage_load.py" in sources


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "summary"),
    [
        (PIPELINE, "serverless: true", "servreless: true", "servreless", "unknown field"),
        (PIPELINE, "orders/**", "orders/*.py", "../pipelines/orders/*.py", "has a form Databricks"),
        (PIPELINE, "orders/**", "order/**", "../pipelines/order/**", "matches no source file"),
        (PIPELINE, "catalog: ${var.catalog}\n      schema", "catalog: ${var.c}\n      schema",
         "${var.c}", "reference ${var.c} does not exist"),
        (JOB, "max_concurrent_runs: 1", "max_concurrent_runs: one", "one\n", "expected an integer"),
        (JOB, "- task_key: refresh\n          run_if", "- task_key: refrsh\n          run_if",
         "refrsh", "depends on unknown task 'refrsh'"),
        (JOB, "y: serverless\n          spark", "y: none\n          spark", "none",
         "environment_key 'none' is not defined"),
        (JOB, "triggers_seconds: 60", "triggers_seconds: 59", "59", "is 59, the least is 60"),
        (JOB, "/source/\n", "/source/*\n", "${resources.volumes.landing.volume_path}/source/*",
         "holds a wildcard"),
        (JOB, "run_if: ALL_SUCCESS", "run_if: ALL_SUCESS", "ALL_SUCESS", "is no RunIf"),
        (JOB, "archive_files.py", "archive.py", "../pipelines/tasks/archive.py", "does not exist"),
        (JOB, "      email_notifications", "      continuous: {}\n      email_notifications",
         "{}", "a job has only one of trigger, schedule and continuous"),
        (STORAGE, "volume_type: MANAGED", "volume_type: EXTERNAL", "volume_type: EXTERNAL",
         "is EXTERNAL and has no storage_location"),
        (DASHBOARD, "file_path: order", "file_path: older", "older_quality", "does not exist"),
        ("databricks.yml", "default: incremental_load", "defualt: incremental_load", "defualt",
         "unknown field 'defualt'"),
        ("databricks.yml", "mode: development", "mode: developement", "developement",
         "is no Mode"),
    ],
)  # fmt: skip
def test_fault_in_our_bundle_is_placed(
    file: str, old: str, new: str, place: str, summary: str, ours: Path
) -> None:
    text = (ours / file).read_text()
    assert text.count(old) == 1, f"{old!r} must stand once in {file}"
    text = text.replace(old, new)
    (ours / file).write_text(text)
    before = text[: text.index(place, max(0, text.index(new) - len(place)))]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")

    reading = read_bundle(ours, user_name="ada@example.com")

    assert reading.bundle is None
    told = [(str(d.origin), d.summary) for d in reading.diagnostics]
    assert any(where == f"{file}:{line}:{column}" and summary in said for where, said in told), told
