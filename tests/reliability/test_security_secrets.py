"""Secrets: found by whoever asks, seen by nobody: not in output, logs, records, events or tables.

The grep is over every byte that a failing run leaves: both streams of the process, whose JVM writes
to them too, and the whole workspace folder.
"""

import base64
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from databricks.sdk.service.jobs import RunLifeCycleState as Life
from databricks.sdk.service.jobs import RunResultState as Result
from pyspark.sql import SparkSession

from dlt_stub.cli.display import JsonDisplay, console_on
from dlt_stub.clock import SystemClock
from dlt_stub.dbutils import with_secret
from dlt_stub.errors import FlowError, NotEmulatedError, UsageError
from dlt_stub.events import EventLog, error_body
from dlt_stub.jobs.records import JobRun, State, TaskOutcome, TaskRun, TriggerInfo
from dlt_stub.jobs.store import RunStore
from dlt_stub.redaction import jvm_pattern, redact, redact_values, redacting
from dlt_stub.testing import WorkspaceUnderTest

NAME = "DLT_STUB_SECRET_SHOP_DB_PASSWORD"
SECRET = 'Zx9kQ"tT7wü/%Lm4'
PIECES = ("Zx9kQ", "tT7w", "Lm4")  # what every way of writing it keeps

BUNDLE = """
bundle: {name: shop}
resources:
  pipelines:
    fruit:
      catalog: main
      schema: shop
      development: true
      libraries: [{file: {path: fruit.py}}]
      configuration:
        db.password: "{{secrets/shop/db-password}}"
  jobs:
    nightly:
      name: nightly
      parameters: [{name: word, default: nothing}]
      tasks:
        - task_key: refresh
          pipeline_task: {pipeline_id: "${resources.pipelines.fruit.id}"}
        - task_key: say
          depends_on: [{task_key: refresh}]
          run_if: ALL_DONE
          environment_key: serverless
          spark_python_task:
            python_file: say.py
            parameters: ["{{secrets/shop/db-password}}"]
      environments:
        - environment_key: serverless
          spec: {environment_version: "4"}
targets: {dev: {default: true}}
"""
FRUIT = """
import dlt
from pyspark.sql import functions as F

secret = spark.conf.get("db.password")
print("the setting is", secret)

@dlt.table
@dlt.expect("is not it", f"name <> '{secret}'")
def good():
    print(f"in the query function: {secret}")
    spark.sql("SELECT 1 AS x").withColumn("y", F.lit(secret)).show(truncate=False)
    return spark.sql("SELECT 'fig' AS name").withColumn("length", F.lit(len(secret)))

@dlt.table
def bad():
    @F.udf
    def burn(number):
        raise ValueError(f"cannot log in with {secret}")
    return spark.range(1).select(burn("id").alias("x"))

@dlt.table
def wrong():
    error = F.raise_error(F.lit(f"jdbc:x?password={secret}"))
    return spark.range(1).select(error.cast("string").alias("x"))
"""
SAY = """
import json, sys, logging
word = dbutils.secrets.get("SHOP", "db-password")
print("given", sys.argv[1])
print(word, json.dumps({"it": word}), repr(word))
print(word, file=sys.stderr)
logging.error("logged: %s", word)
dbutils.jobs.taskValues.set("word", word)
spark._jvm.org.apache.logging.log4j.LogManager.getLogger("shop").error("the JVM says " + word)
raise RuntimeError(f"password={word}")
"""


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(NAME, SECRET)
    return SECRET


def write_bundle(root: Path) -> None:
    for name, text in (("databricks.yml", BUNDLE), ("fruit.py", FRUIT), ("say.py", SAY)):
        (root / name).write_text(dedent(text), encoding="utf-8")


def leaks(content: bytes) -> list[str]:
    return [piece for piece in PIECES if piece.encode() in content]


def test_no_byte_of_secrets_is_left(tmp_path: Path) -> None:
    write_bundle(tmp_path)
    words = [sys.executable, "-m", "dlt_stub.cli.main", "run", "nightly", "--param"]
    done = subprocess.run(
        [*words, f"word={SECRET}", "--bundle", tmp_path],
        env={**os.environ, NAME: SECRET},
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 1, said
    assert leaks(done.stdout + done.stderr) == [], said
    for words_said in (
        "the setting is [REDACTED]",
        "in the query function: [REDACTED]",
        "cannot log in with [REDACTED]",
        "logged: [REDACTED]",
        "given {{secrets/shop/db-password}}",  # no dynamic value reference of a job
        "the JVM says [REDACTED]",
        "RuntimeError: password=[REDACTED]",
    ):
        assert words_said in said
    left = [file for file in (tmp_path / ".dlt_stub").rglob("*") if file.is_file()]
    assert {file: found for file in left if (found := leaks(file.read_bytes()))} == {}
    (log,) = (tmp_path / ".dlt_stub").glob("pipelines/*/event_log")
    events = "".join(file.read_text() for file in sorted(log.glob("*.json")))
    assert "name <> '[REDACTED]'" in events
    assert "cannot log in with [REDACTED]" in events
    assert "jdbc:x?password=[REDACTED]" in events
    (record,) = (tmp_path / ".dlt_stub").glob("jobs/*/runs/*.json")
    run = json.loads(record.read_text())
    assert run["parameters"] == {"word": "[REDACTED]"}
    assert run["tasks"][1]["values"] == {"word": "[REDACTED]"}
    # The flow that did not fail had the real one.
    (table,) = (tmp_path / ".dlt_stub").glob("tables/main/shop/good")
    assert any(f'"length\\":{len(SECRET)}' in f.read_text() for f in table.rglob("*.json"))


def test_missing_secret_is_named(spark: SparkSession, tmp_path: Path) -> None:
    write_bundle(tmp_path)
    workspace = WorkspaceUnderTest(tmp_path, storage=tmp_path / "ws", spark=spark)
    says = rf"configuration 'db.password' of pipeline .*'shop', key 'db-password'\n.*{NAME}$"
    with pytest.raises(UsageError, match=says):
        workspace.workspace.pipeline("fruit").update()


@pytest.mark.parametrize(
    "value", ["x{{secrets/shop/db-password}}", "{{ secrets/shop/db-password}}", "{{secrets/shop}}"]
)
def test_references_amid_text_are_refused(value: str) -> None:
    with pytest.raises(NotEmulatedError, match=r"only where it is the whole value"):
        with_secret(value, what="x")


def test_other_values_are_left_alone(secret: str) -> None:
    assert with_secret("{{job.id}} secrets/a/b", what="x") == "{{job.id}} secrets/a/b"
    assert with_secret("{{secrets/Shop/DB-password}}", what="x") == secret


def test_every_way_of_writing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "-----BEGIN KEY-----\nAbCdEfGh12345678\nxyz\n"
    for name, value in (("A", SECRET), ("B", "Zx9"), ("C", key), ("D", SECRET + "longer")):
        monkeypatch.setenv(f"DLT_STUB_SECRET_{name}", value)
    assert redact(SECRET + "longer") == redact(SECRET) == "[REDACTED]"
    for form in (json.dumps(SECRET), json.dumps(SECRET, ensure_ascii=False), repr(SECRET)):
        assert redact(form)[1:-1] == "[REDACTED]"
    assert redact("a=Zx9kQ%22tT7w%C3%BC%2F%25Lm4&b") == "a=[REDACTED]&b"
    assert redact("line\nAbCdEfGh12345678\n") == "line\n[REDACTED]\n"
    # The limits that are documented: too short, in pieces, in another alphabet.
    assert redact("Zx9") == "Zx9"
    assert redact(SECRET[:9]) == SECRET[:9]
    coded = base64.b64encode(SECRET.encode()).decode()
    assert redact(coded) == coded


def test_names_are_not_taken_for_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_STUB_SECRET_DB_USER", "orders")
    event = {"name": "orders", "dataset": "orders", "options": {"name": "orders", "n": 1}}
    assert redact_values({"x": [event]}) == {
        "x": [{**event, "options": {"name": "[REDACTED]", "n": 1}}]
    }


def test_every_writer_hides_secrets(
    secret: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    error = FlowError(f"it says {secret}", hint=f"not {secret}")
    error.__cause__ = ValueError(secret)
    assert leaks(f"{error} {error.args}".encode()) == []
    log = EventLog(tmp_path / "log", clock=SystemClock(), origin={}, listener=None)
    log.emit("x", secret, body={"a": [secret]}, error=error_body(error, fatal=True))
    log.flush()
    state = State(life_cycle=Life.TERMINATED, result=Result.FAILED, message=secret)
    task = TaskRun(task_key="t", kind="x", run_id=2, state=state, error_trace=secret)
    run = JobRun(
        job_key="j", job_id=1, run_id=1, run_name="j", state=state, start_time_ms=0,
        trigger=TriggerInfo(), tasks=(task,), parameters={"name": secret},
    )  # fmt: skip
    outcome = TaskOutcome(result=Result.FAILED, message=secret, error_trace=secret)
    assert (outcome.message, outcome.error_trace) == ("[REDACTED]", "[REDACTED]")
    store = RunStore(tmp_path / "job")
    store.save(run)
    assert store.load(1).tasks[0].error_trace == "[REDACTED]"
    files = [file for file in tmp_path.rglob("*.json") if file.is_file()]
    assert len(files) == 2
    assert [leaks(file.read_bytes()) for file in files] == [[], []]
    display = JsonDisplay(console_on(sys.stdout), console_on(sys.stderr), clock=SystemClock())
    display.result({"error": secret})
    with redacting():
        sys.stdout.writelines([secret, "\n"])
        logging.getLogger("x").addHandler(handler := logging.StreamHandler(sys.stderr))
        logging.getLogger("x").error("oh %s", secret)
    logging.getLogger("x").removeHandler(handler)
    shown = capsys.readouterr()
    assert leaks(f"{shown.out}{shown.err}".encode()) == []
    assert "oh [REDACTED]" in shown.err


def test_jvm_pattern_is_plain_ascii(secret: str) -> None:
    assert jvm_pattern().startswith("\\u005a\\u0078\\u0039")
    assert all(part in "\\u|0123456789abcdef" for part in jvm_pattern())
