import json
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.cli.conftest import FILES, Cli, Write


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "pic"], "no job or pipeline 'pic'\n  Hint: did you mean 'pick'?"),
        (["run", "zzz"], "Hint: it has: pick, fruit"),
        (["run", "pick", "--refresh", "basket"], "'pick' is a job; --refresh"),
        (["run", "pick", "--validate-only"], "'pick' is a job"),
        (["run", "pick", "--reset-checkpoint-selection", "basket"], "'pick' is a job"),
        (["run", "fruit", "--param", "basket=big"], "--param is for jobs"),
        (["run", "fruit", "--var", "schema"], "--var 'schema' is not name=value"),
        (["watch", "picc"], "did you mean 'pick'?"),
        (["events", "fruits"], "did you mean 'fruit'?"),
    ],
)
def test_wrong_words_exit_two(cli: Cli, bundle: Path, words: list[str], said: str) -> None:
    done = cli(*words, "--bundle", bundle)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_folder_without_bundle_is_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("run", "pick")
    assert done.exit_code == 2
    assert f"no databricks.yml in {tmp_path}" in done.stderr


def test_broken_bundle_exits_one(cli: Cli, bundle: Path) -> None:
    done = cli("run", "pick", "--bundle", bundle, "--target", "prd")
    assert done.exit_code == 1
    assert "target 'prd' is not defined" in done.stderr


@pytest.mark.usefixtures("spark")
def test_pipeline_is_shown_as_lines(cli: Cli, bundle: Path) -> None:
    done = cli("run", "fruit", "--bundle", bundle)
    assert done.exit_code == 0
    assert re.search(r"(?m)^\d\d:\d\d:\d\d flow basket RUNNING 2 rows, 1 dropped$", done.stdout)
    assert re.search(r"(?m)^ +basket +COMPLETED +2 +1 +[\d.]+ *$", done.stdout)
    rules = [line.split() for line in re.findall(r"basket +(?:named|ripe) .*", done.stdout)]
    assert rules == [["basket", "named", "WARN", "2", "1"], ["basket", "ripe", "DROP", "2", "1"]]


@pytest.mark.usefixtures("spark")
def test_job_is_written_as_json(cli: Cli, bundle: Path) -> None:
    done = cli("run", "pick", "--bundle", bundle, "--json", "--param", "basket=big")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert "the basket is big" in done.stderr
    events = [record for record in records if "event_type" in record]
    assert {e["event_type"] for e in events} >= {"create_update", "flow_progress"}
    assert events[0]["details"]["create_update"]["cause"] == "JOB_TASK"
    changes = [r["run_event"]["task_key"] for r in records if "run_event" in r]
    assert {"refresh", "say"} <= set(changes)
    result = records[-1]["result"]
    assert result["state"]["result_state"] == "SUCCESS"
    assert result["job_parameters"] == [{"name": "basket", "value": "big"}]


@pytest.mark.usefixtures("spark")
def test_failed_flow_says_why(cli: Cli, write: Write) -> None:
    source = FILES["src/fruit.py"].replace("expect_or_drop", "expect_or_fail")
    done = cli("run", "pick", "--bundle", write({"src/fruit.py": source}))
    assert done.exit_code == 1
    assert "ripe" in done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"refresh +pipeline +FAILED", done.stdout)
    assert re.search(r"say +spark_python +UPSTREAM_FAILED", done.stdout)


@pytest.mark.usefixtures("spark")
def test_failed_script_shows_its_trace(cli: Cli, write: Write) -> None:
    done = cli("run", "pick", "--bundle", write({"src/say.py": "1 / 0\n"}))
    assert done.exit_code == 1
    assert "task say: say.py:1: ZeroDivisionError: division by zero" in done.stderr


@pytest.mark.usefixtures("spark")
def test_validate_only_writes_no_table(cli: Cli, bundle: Path) -> None:
    done = cli("run", "fruit", "--validate-only", "--bundle", bundle)
    assert done.exit_code == 0
    assert "fruit is valid; nothing was run" in done.stdout
    assert not (bundle / ".dlt_stub" / "tables").exists()


@pytest.mark.usefixtures("spark")
def test_unknown_dataset_to_refresh_is_refused(cli: Cli, bundle: Path) -> None:
    done = cli("run", "fruit", "--refresh", "baskt", "--json", "--bundle", bundle)
    assert done.exit_code == 2
    result = json.loads(done.stdout.splitlines()[-1])["result"]
    assert result["succeeded"] is False
    assert result["error"]["hint"] == "did you mean 'basket'?"


def test_tables_outlive_the_process(cli: Cli, picked: Path, spark: SparkSession) -> None:
    (log,) = (picked / ".dlt_stub" / "tables" / "main" / "fruit").glob("basket")
    assert spark.read.format("delta").load(str(log)).count() == 2
    done = cli("sql", "SELECT name FROM basket ORDER BY name", "--json", "--bundle", picked)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"name": ""},
        {"name": "fig"},
    ]
