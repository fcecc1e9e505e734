import json
from decimal import Decimal
from pathlib import Path

from tests.cli.conftest import Cli


def test_event_log_is_a_table_function(cli: Cli, picked: Path) -> None:
    query = "SELECT event_type, count(*) AS n FROM event_log(TABLE(basket)) GROUP BY 1"
    done = cli("sql", query, "--json", "--bundle", picked)
    found = {row["event_type"]: row["n"] for row in map(json.loads, done.stdout.splitlines())}
    assert done.exit_code == 0
    assert found["create_update"] == 1
    assert found["flow_progress"] >= 3


def test_statements_share_one_session(cli: Cli, picked: Path) -> None:
    text = "CREATE TEMP VIEW v AS SELECT 1 AS a, ';' AS b; SELECT * FROM v; SELECT a + 1 FROM v"
    done = cli("sql", text, "--bundle", picked)
    assert done.exit_code == 0
    cells = [line.split() for line in done.stdout.splitlines()]
    assert ["1", ";"] in cells
    assert ["2"] in cells


def test_rows_beyond_the_limit_are_told(cli: Cli, picked: Path) -> None:
    done = cli("sql", "SELECT id FROM range(5)", "--limit", 2, "--json", "--bundle", picked)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"id": 0}, {"id": 1}]
    assert "the first 2 rows" in done.stderr


def test_wrong_sql_exits_one(cli: Cli, picked: Path) -> None:
    done = cli("sql", "SELECT * FROM nowhere", "--bundle", picked)
    assert done.exit_code == 1
    assert "TABLE_OR_VIEW_NOT_FOUND" in done.stderr
    assert "Traceback" not in done.stderr
    assert "at org.apache" not in done.stderr


def test_two_columns_of_one_name_are_refused(cli: Cli, picked: Path) -> None:
    done = cli("sql", "SELECT 1 AS a, 2 AS a", "--json", "--bundle", picked)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "several columns are called a" in done.stderr


def test_json_values_are_as_spark_writes(cli: Cli, picked: Path) -> None:
    query = (
        "SELECT CAST('1234567890123456.78' AS DECIMAL(18,2)) AS d, DATE'2026-01-05' AS day,"
        " TIMESTAMP'2026-01-05 10:00:00' AS at, NULL AS none, map('k', array(1)) AS m, X'00FF' AS b"
    )
    done = cli("sql", query, "--json", "--bundle", picked)
    assert json.loads(done.stdout, parse_float=Decimal) == {
        "d": Decimal("1234567890123456.78"),
        "day": "2026-01-05",
        "at": "2026-01-05T10:00:00.000Z",
        "none": None,
        "m": {"k": [1]},
        "b": "AP8=",
    }


def test_table_shows_what_spark_shows(cli: Cli, picked: Path) -> None:
    query = "SELECT TIMESTAMP'2026-01-05 10:00:00' AS a, X'00FF' AS a, NULL AS n, array(1, 2) AS l"
    done = cli("sql", query, "--bundle", picked)
    cells = [line.strip() for line in done.stdout.splitlines() if "2026" in line]
    assert [cell.split("  ") for cell in cells] == [
        ["2026-01-05 10:00:00", "00FF", "NULL", "[1, 2]"]
    ]


def test_show_tables_lists_the_workspace(cli: Cli, picked: Path) -> None:
    done = cli("sql", "SHOW TABLES", "--json", "--bundle", picked)
    tables = [json.loads(line)["tableName"] for line in done.stdout.splitlines()]
    assert "basket" in tables
