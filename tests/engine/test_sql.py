import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.errors import ParseException
from pyspark.sql import SparkSession

from dlt_stub.engine.sql import (
    FunctionArgument,
    expand_variables,
    quote,
    relations,
    rewrite,
    splice,
    statements,
    table_functions,
    table_names,
)


def written(spark: SparkSession, sql: str) -> list[str]:
    """Return the text of each relation, exactly as it stands in the SQL."""
    return [sql[found.start : found.stop] for found in relations(spark, sql)]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM a.b JOIN LIVE.c ON true", ["a.b", "LIVE.c"]),
        ("SELECT '😀 FROM x' AS y FROM `t😀`.`b c` t", ["`t😀`.`b c`"]),
        ("SELECT * FROM a . /* LIVE.b */ b -- FROM c\n WHERE x", ["a . /* LIVE.b */ b"]),
        ("SELECT * FROM `we``ird`.`a.b`", ["`we``ird`.`a.b`"]),
        ("SELECT * FROM a.b.c.d", ["a.b.c.d"]),
        ("SELECT (SELECT max(x) FROM p), EXISTS(SELECT 1 FROM q) FROM r", ["p", "q", "r"]),
        ("SELECT * FROM a WHERE (x, y) IN (SELECT x, y FROM b)", ["a", "b"]),
        ("SELECT * FROM a LIMIT (SELECT count(*) FROM b)", ["a", "b"]),
        ("SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x)", ["a", "b"]),
        ("SELECT /*+ BROADCAST(a) */ * FROM a LATERAL VIEW explode(b) t AS c", ["a"]),
        ("SELECT * FROM a VERSION AS OF 3", ["a"]),
        ("SELECT * FROM a TABLESAMPLE (10 ROWS) AS b", ["a"]),
        ("SELECT * FROM a PIVOT (sum(x) FOR y IN (1, 2))", ["a"]),
        ("FROM a |> WHERE x > 1 |> JOIN b ON true", ["a", "b"]),
        ("TABLE a", ["a"]),
        ("EXPLAIN SELECT * FROM a", ["a"]),
        ("CREATE TABLE n AS SELECT * FROM a", ["a"]),
        ("CREATE OR REPLACE TEMP VIEW v AS WITH q AS (SELECT 1) SELECT * FROM q, z", ["z"]),
        ("SELECT a:b::long, transform(xs, x -> x + 1) FROM t WHERE d = :day", ["t"]),
        ("SELECT a FROM IDENTIFIER('a')", ["IDENTIFIER('a')"]),
        ("SELECT a FROM b JOIN STREAM(IDENTIFIER('a'))", ["b", "IDENTIFIER('a')"]),
        ("SELECT * FROM IDENTIFIER(:name)", []),
        ("SELECT * FROM VALUES (1) t", []),
        ("BEGIN SELECT * FROM a; SELECT * FROM b; END", ["a", "b"]),
        ("INSERT INTO into_it SELECT into_it.x FROM b", ["into_it", "b"]),
        ("CREATE TABLE x SHALLOW CLONE y.z", ["x", "y.z"]),
    ],
)
def test_relations_are_found_where_written(spark: SparkSession, sql: str, names: list[str]) -> None:
    assert written(spark, sql) == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("WITH c AS (SELECT * FROM a) SELECT * FROM c, b", ["a", "b"]),
        ("WITH C AS (SELECT 1) SELECT * FROM c JOIN s.c", ["s.c"]),
        ("WITH c AS (SELECT * FROM c) SELECT * FROM c", ["c"]),
        ("WITH c AS (SELECT 1), d AS (SELECT * FROM c) SELECT * FROM d", []),
        ("WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT * FROM c) SELECT * FROM c", []),
        ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a), a", ["a"]),
        ("WITH c AS (SELECT 1) SELECT * FROM t WHERE x IN (SELECT * FROM c)", ["t"]),
        ("WITH c AS (SELECT 1) INSERT INTO c SELECT * FROM c", ["c"]),
    ],
)
def test_cte_names_are_left_out_in_scope(spark: SparkSession, sql: str, names: list[str]) -> None:
    assert written(spark, sql) == names


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT * FROM STREAM(LIVE.a)", "LIVE.a"),
        ("SELECT * FROM STREAM LIVE.a AS b", "LIVE.a"),
        ("SELECT * FROM stream ( stream ) s", "stream"),
        ("SELECT * FROM STREAM(a) WATERMARK ts DELAY OF INTERVAL 1 MINUTE", "a"),
        ("SELECT * FROM STREAM a WITH ('skipChangeCommits' = 'true')", "a"),
    ],
)
def test_streams_enclose_the_name_alone(spark: SparkSession, sql: str, name: str) -> None:
    (found,) = relations(spark, sql)
    assert found.is_streaming
    assert sql[found.start : found.stop] == name
    assert found.start > sql.upper().index("STREAM")


def test_a_table_may_be_called_stream(spark: SparkSession) -> None:
    (found,) = relations(spark, "SELECT * FROM stream")
    assert (found.parts, found.is_streaming) == (("stream",), False)


def test_targets_of_writes_are_marked(spark: SparkSession) -> None:
    sql = "MERGE INTO t USING (SELECT * FROM s) s ON t.a = s.a WHEN MATCHED THEN DELETE"
    assert [(found.parts, found.is_written) for found in relations(spark, sql)] == [
        (("t",), True),
        (("s",), False),
    ]


def test_event_log_gives_its_table(spark: SparkSession) -> None:
    sql = "SELECT `é`, '😀' FROM event_log( TABLE ( LIVE . `or ders` ) ) e JOIN c"
    (call,) = table_functions(spark, sql)
    assert sql[call.start : call.stop] == "event_log( TABLE ( LIVE . `or ders` ) )"
    (argument,) = call.arguments
    assert argument == FunctionArgument(
        text="TABLE ( LIVE . `or ders` )", table=("LIVE", "or ders")
    )


def test_event_log_gives_its_pipeline_id(spark: SparkSession) -> None:
    (call,) = table_functions(spark, r"SELECT * FROM event_log('a\'b')")
    assert call.name == ("event_log",)
    assert call.arguments[0].string == "a'b"


def test_named_arguments_keep_names_and_text(spark: SparkSession) -> None:
    sql = (
        "SELECT * FROM STREAM read_files('/x', format => 'csv', n => f(1, array(2, 3)[0])) WHERE y"
    )
    (call,) = table_functions(spark, sql)
    assert call.is_streaming
    assert sql[call.start : call.stop].startswith("read_files(")
    assert [(each.name, each.string, each.text) for each in call.arguments] == [
        (None, "/x", "'/x'"),
        ("format", "csv", "'csv'"),
        ("n", None, "f(1, array(2, 3)[0])"),
    ]


def test_functions_are_found_everywhere(spark: SparkSession) -> None:
    sql = """WITH c AS (SELECT * FROM cloud_files_state(TABLE(a)))
        SELECT (SELECT count(*) FROM range(10)), x FROM c, f() WHERE y IN (SELECT 1 FROM g(:p))"""
    assert [call.name[0] for call in table_functions(spark, sql)] == [
        "cloud_files_state",
        "range",
        "f",
        "g",
    ]


def test_rewrite_keeps_every_other_character(spark: SparkSession) -> None:
    sql = (
        "-- FROM LIVE.x\nSELECT 'LIVE.x' , *\n"
        " FROM STREAM(LIVE.x) s JOIN event_log(TABLE(LIVE.x)) e"
    )
    new = rewrite(
        spark,
        sql,
        relation=lambda found: quote(("m", "s", found.parts[-1])),
        function=lambda call: f"`log_{len(call.arguments)}`",
    )
    assert new == (
        "-- FROM LIVE.x\nSELECT 'LIVE.x' , *\n FROM STREAM(`m`.`s`.`x`) s JOIN `log_1` e"
    )


def test_rewrite_expands_variables_of_its_session(spark: SparkSession) -> None:
    own, other = spark.newSession(), spark.newSession()
    own.conf.set("my.table", "LIVE.orders")
    other.conf.set("my.table", "LIVE.other")
    sql = "SELECT * FROM ${my.table} WHERE y"
    assert expand_variables(own, sql) == "SELECT * FROM LIVE.orders WHERE y"
    assert rewrite(own, sql, relation=lambda _: "b") == "SELECT * FROM b WHERE y"
    with pytest.raises(ValueError, match="expand_variables"):
        relations(own, sql)


def test_the_active_session_is_put_back(spark: SparkSession) -> None:
    assert spark._jvm is not None
    sessions = spark._jvm.org.apache.spark.sql.classic.SparkSession
    sessions.setActiveSession(spark._jsparkSession)
    before = SparkSession.getActiveSession()
    relations(spark.newSession(), "SELECT * FROM a")
    assert SparkSession.getActiveSession() is before
    assert sessions.getActiveSession().get().equals(spark._jsparkSession)


def test_statements_are_cut_as_spark_cuts(spark: SparkSession) -> None:
    text = "SELECT ';' AS a; -- one; two\nSELECT 2 /* ; */;\n\n-- the end;\n; SELECT `;`"
    assert statements(spark, text) == (
        "SELECT ';' AS a",
        "-- one; two\nSELECT 2 /* ; */",
        "SELECT `;`",
    )


def test_two_statements_are_refused(spark: SparkSession) -> None:
    with pytest.raises(ParseException, match="PARSE_SYNTAX_ERROR"):
        relations(spark, "SELECT * FROM a; SELECT * FROM b")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("DESCRIBE EXTENDED a.b", {("a", "b")}),
        ("DESCRIBE HISTORY a.b", {("a", "b")}),
        ("OPTIMIZE a.b", {("a", "b")}),
        ("ALTER TABLE a.b ADD COLUMN x INT", {("a", "b")}),
        ("DROP TABLE a", {("a",)}),
        ("CREATE VIEW v AS SELECT * FROM a, a", {("v",), ("a",)}),
    ],
)
def test_commands_give_their_names(
    spark: SparkSession, sql: str, names: set[tuple[str, ...]]
) -> None:
    assert set(table_names(spark, sql)) == names


def test_overlapping_replacements_are_refused() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        splice("abcdef", [(0, 3, "x"), (2, 4, "y")])
    with pytest.raises(ValueError, match="leaves the text"):
        splice("abc", [(2, 9, "x")])


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=8), st.text(max_size=3))
def test_splice_changes_only_its_ranges(text: str, cuts: list[int], new: str) -> None:
    bounds = sorted({min(cut, len(text)) for cut in cuts})
    ranges = list(zip(bounds[::2], bounds[1::2], strict=False))
    kept, done = "", 0
    for start, stop in ranges:
        kept += text[done:start] + new
        done = stop
    assert splice(text, [(start, stop, new) for start, stop in reversed(ranges)]) == (
        kept + text[done:]
    )
