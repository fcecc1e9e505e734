"""What a test may write for rows, and how a difference is told."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from dlt_stub import UsageError
from dlt_stub.testing import RowsDiffer, assert_rows
from dlt_stub.testing.rows import row_differences

COLUMNS = ("id", "name", "city")


def test_alike_rows_are_told_together() -> None:
    found = [("1", "Ann", "Rome"), ("2", "Bob", None), ("9", "Zed", "Oslo")]
    expected = [("1", "Ann", "Bern"), ("2", "Bob", None), ("3", "Cat", "Paris")]
    assert row_differences(found, expected, columns=COLUMNS, key=()) == [
        "  row id='1', name='Ann': city is 'Rome', expected 'Bern'",
        "  missing row:    id='3', name='Cat', city='Paris'",
        "  unexpected row: id='9', name='Zed', city='Oslo'",
    ]


def test_key_pairs_rows_that_differ() -> None:
    lines = row_differences(
        [("1", "Ann", "Rome")], [("1", "Amy", None)], columns=COLUMNS, key=("ID",)
    )
    assert lines == ["  row id='1': name is 'Ann', expected 'Amy'; city is 'Rome', expected NULL"]


def test_rows_count_as_often_as_written() -> None:
    row = ("1", "Ann", "Rome")
    assert row_differences([row, row], [row], columns=COLUMNS, key=()) == [
        "  unexpected row: id='1', name='Ann', city='Rome'"
    ]
    assert row_differences([row, row], [row, row], columns=COLUMNS, key=()) == []


def test_many_differences_are_cut_short() -> None:
    rows = [(str(number), "x", "y") for number in range(30)]
    lines = row_differences(rows, [], columns=COLUMNS, key=())
    assert len(lines) == 21
    assert lines[-1] == "  ... and 10 more"


def test_values_are_compared_by_their_type(spark: SparkSession) -> None:
    frame = SparkSession.sql(
        spark,
        """SELECT 7 AS i, 1.50BD AS d, TIMESTAMP '2026-01-01 10:00:00' AS t,
        DATE '2026-01-02' AS day, true AS b, X'CAFE' AS raw, 1.0D AS f,
        named_struct('a', 1, 'n', CAST(NULL AS INT)) AS s,
        array('x', NULL) AS l, map('z', 2, 'k', 2) AS m, 'it''s \\\\' AS text,
        array(named_struct('m', map('b', 1, 'a', 2))) AS deep, concat('$', '{x}') AS set""",
    )
    written = {
        "i": "7",
        "d": "1.5",
        "t": "2026-01-01T12:00:00+02:00",
        "day": "2026-01-02",
        "b": "true",
        "raw": b"\xca\xfe",
        "f": "1",
        "s": '{"a": 1}',
        "l": ["x", None],
        "m": {"k": 2, "z": 2},
        "deep": [{"m": {"a": 2, "b": 1}}],
        "set": "${x}",
        "text": "it's \\",
    }
    assert_rows(frame, [written])
    python = {
        **written,
        "i": 7,
        "d": Decimal("1.50"),
        "t": datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        "day": date(2026, 1, 2),
        "b": True,
        "f": 1,
        "s": {"a": 1, "n": None},
    }
    assert_rows(frame, [python])
    assert_rows(frame, [[datetime(2026, 1, 1, 10, tzinfo=UTC)]], columns=["T"])
    with pytest.raises(RowsDiffer, match=r"the table does not hold.*\n.*i is '7', expected '8'"):
        assert_rows(frame, [{**python, "i": 8}])


def test_rows_that_cannot_fit_are_refused(spark: SparkSession) -> None:
    frame = spark.range(1).selectExpr("id", "'x' AS name")
    with pytest.raises(UsageError, match=r"(?s)no column 'nam'.*did you mean 'name'"):
        assert_rows(frame, [[0]], columns=["nam"])
    with pytest.raises(UsageError, match="does not say name"):
        assert_rows(frame, [{"id": 0}])
    with pytest.raises(UsageError, match="allowed: 2 values for id, name"):
        assert_rows(frame, [[0]])
    with pytest.raises(UsageError, match="no column 'other'"):
        assert_rows(frame, [{"id": 0, "name": "x", "other": 1}])


@pytest.mark.parametrize(
    ("sql", "written", "why"),
    [
        ("1.01BD", "1.005", "more than 2 decimal places"),
        ("DATE '2026-01-01'", "2026-01-01 10:00:00", "it is no date alone"),
        ("array(named_struct('a', 1))", [{"a": 1, "b": 2}], "no field 'b'; it has: a"),
        ("named_struct('a', 1)", "{a", "it is no JSON"),
        ("7", "7.9", "does not fit its columns: .*CAST_INVALID_INPUT"),
    ],
)
def test_values_that_would_be_changed_are_refused(
    spark: SparkSession, sql: str, written: object, why: str
) -> None:
    frame = SparkSession.sql(spark, f"SELECT {sql} AS v")
    with pytest.raises(UsageError, match=why):
        assert_rows(frame, [[written]])
