import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlt_stub.engine.sql_json import run_with_paths
from dlt_stub.errors import NotEmulatedError

RAW = (
    '{"Who": {"name": "amy", "tags": ["a", {"b": 1}]}, "two": 1, "TWO": 2, "a b": true, "n": null}'
)
TABLE = f"(SELECT '{RAW}' AS raw, parse_json('{RAW}') AS v, 1 AS n) AS t"


def test_paths_give_values_and_names(spark: SparkSession) -> None:
    frame = run_with_paths(
        spark,
        "SELECT raw:who.name, t.raw:WHO:Name::string, raw :who :tags[1] :b::int b, raw:`A B` AS ab,"
        " raw:['who'] AS none, raw:who.tags[*], raw:n, v:Who.name::string AS v, v:who AS vn,"
        f" upper(raw:who.name) AS up FROM {TABLE} WHERE raw:who.name = 'amy'",
        None,
    )
    assert frame.columns == ["name", "Name", "b", "ab", "none", "tags", "n", "v", "vn", "up"]
    assert [tuple(row) for row in frame.collect()] == [
        ("amy", "amy", 1, "true", None, '["a",{"b":1}]', None, "amy", None, "AMY")
    ]


def test_paths_group_and_order(spark: SparkSession) -> None:
    query = (
        "SELECT raw:who.name, count(*) AS c FROM {0} WHERE n IN (SELECT n FROM {0} WHERE "
        "raw:n IS NULL) GROUP BY raw:who.name HAVING count(*) > 0 ORDER BY raw:who.name"
    )
    frame = run_with_paths(spark, query.format(TABLE), None)
    assert [tuple(row) for row in frame.collect()] == [("amy", 1)]
    assert frame.columns == ["name", "c"]


def test_field_of_two_cases_is_an_error(spark: SparkSession) -> None:
    frame = run_with_paths(spark, f"SELECT raw:Two FROM {TABLE}", None)
    with pytest.raises(PySparkException, match="more than one field of the JSON is called Two"):
        frame.collect()
    exact = run_with_paths(spark, f"SELECT raw:['two'] FROM {TABLE}", None)
    assert exact.collect()[0][0] == "1"


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("raw:who.tags[*].b", "the path in"),
        ("upper(raw:who.name)", "has no name"),
    ],
)
def test_what_paths_cannot_say_is_refused(spark: SparkSession, column: str, said: str) -> None:
    with pytest.raises(NotEmulatedError, match=said):
        run_with_paths(spark, f"SELECT {column} FROM {TABLE}", None)
