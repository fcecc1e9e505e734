"""The replay script of a case: its shell is sound, and its SQL says what the case says."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub import UsageError
from dlt_stub.testing import read_case
from dlt_stub.testing.case import GivenTable
from dlt_stub.testing.replay import Place, check_sql, given_sql, replay_script
from dlt_stub.testing.rows import ExpectedRows

CASES = Path(__file__).parents[1] / "conformance"
PLACE = Place(catalog="tests", schema="case_1", warehouse="abc")


INSERT = (
    "INSERT INTO `given_orders` SELECT CAST(c0 AS int) AS `amount` "
    "FROM VALUES ('1'), ('2') AS t(c0)"
)


def statements(script: str) -> list[str]:
    """Return the SQL of a script, as the shell hands it over."""
    requests = [
        word
        for line in script.splitlines()
        if line.startswith(("statement ", "holds "))
        for word in shlex.split(line)
        if word.startswith("{")
    ]
    assert all(json.loads(each)["warehouse_id"] == "abc" for each in requests)
    return [json.loads(each)["statement"] for each in requests]


def test_script_replays_every_step(tmp_path: Path, spark: SparkSession) -> None:
    case = read_case(CASES / "updates" / "full_refresh" / "case.yml")
    script = replay_script(case, PLACE, storage=tmp_path / "workspace")
    (tmp_path / "replay.sh").write_text(script, encoding="utf-8")
    checked = subprocess.run(
        ["bash", "-n", tmp_path / "replay.sh"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert re.findall(r"^update .*", script, re.MULTILINE) == [
        "update COMPLETED",
        "update COMPLETED",
        "update COMPLETED --full-refresh kept",
        "update COMPLETED --full-refresh-all",
    ]
    assert script.count("databricks bundle deploy\n") == 1
    assert "BUNDLE_VAR_case=updates/full_refresh" in script
    sql = statements(script)
    assert sql[:2] == [
        "CREATE TABLE `given_orders` (`amount` int)",
        INSERT,
    ]
    assert "DELETE FROM given_orders WHERE amount = 1" in sql
    assert len(sql) == 3 + 2 * 4


def test_check_returns_the_rows_that_differ(spark: SparkSession) -> None:
    schema = StructType.fromDDL("id INT, at TIMESTAMP, tags ARRAY<STRING>, s STRUCT<a: INT>")
    assert isinstance(schema, StructType)
    rows = ([1, "2026-01-01 10:00:00", ["x"], {"a": None}], [2, None, None, None])
    (_, insert) = given_sql(
        GivenTable(name="t", schema=None, rows=rows, properties={}, replace=False),
        schema,
        is_new=True,
    )
    query = insert.removeprefix("INSERT INTO `t` ")
    for given, differences in (
        (rows, []),
        (rows[:1], [("unexpected", "2")]),
        ((*rows, rows[1]), [("missing", "2")]),
        ((), [("unexpected", "1"), ("unexpected", "2")]),
    ):
        sql = check_sql(query, ExpectedRows(rows=tuple(given)), schema, name="t")
        assert sorted(tuple(row[:2]) for row in spark.sql(sql).collect()) == differences
    named = ExpectedRows(rows=(["1"], ["2"]), columns=("id",))
    assert spark.sql(check_sql(query, named, schema, name="t")).collect() == []


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    case = read_case(CASES / "expectations" / "cdc_target_rules_are_refused" / "case.yml")
    with pytest.raises(UsageError, match="says something of dlt_stub alone"):
        replay_script(case, PLACE, storage=tmp_path)
