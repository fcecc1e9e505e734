import pytest

from dlt_stub import DefinitionError, DltStubError
from dlt_stub.declare.records import Action, AutoCdcFlow
from tests.sql_sources.conftest import SqlPipeline
from tests.update.tables import counts, rows

SEED = {
    "seed.py": """
    import dlt

    @dlt.table
    def seed():
        return spark.createDataFrame(
            [(1, "a", 10), (2, "b", None), (3, None, 30)], "id int, name string, n int"
        )

    @dlt.table
    def from_sql():
        return spark.read.table("totals")
    """
}
SHOP = """
-- a comment; with a semicolon
SET least='1';
SET unit = kg;

CREATE OR REFRESH STREAMING TABLE clean (
  id INT NOT NULL COMMENT 'the key, of course',
  name STRING,
  n INT,
  extra MAP<STRING, ARRAY<INT>>,
  CONSTRAINT has_name EXPECT (name IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT `n, too` EXPECT (n > 0 AND n IN (10, 30)),
  CONSTRAINT pk PRIMARY KEY (id)
)
USING DELTA
CLUSTER BY (id)
COMMENT "it's clean"
TBLPROPERTIES ('quality' = 'silver', delta.appendOnly = true, "pipelines.reset.allowed" = "false")
AS /* one /* nested */ comment */ SELECT id, name, n, map('${unit}', array(1)) AS extra
FROM STREAM(LIVE.seed) WHERE id >= ${least} AND id < ${most} AND name <> ';';

CREATE MATERIALIZED VIEW totals PARTITIONED BY (half)
AS WITH t AS (SELECT * FROM clean) SELECT count(*) AS total, '${unit}' AS half FROM t, halves;
CREATE TEMPORARY VIEW halves (half COMMENT 'of n') COMMENT 'halves' AS SELECT n / 2 FROM clean;
CREATE LIVE TABLE legacy (
  CONSTRAINT small EXPECT (half IS NULL OR half < 9) ON VIOLATION FAIL UPDATE)
AS SELECT * FROM LIVE.halves;
CREATE OR REFRESH PRIVATE STREAMING TABLE both;
CREATE FLOW one COMMENT 'first' AS INSERT INTO both BY NAME SELECT id FROM STREAM clean;
CREATE FLOW two AS INSERT INTO ONCE both SELECT id + 100 AS id FROM seed;
SET spark.source; SET;
-- the end
"""


def test_statements_declare_a_whole_pipeline(sql_pipeline: SqlPipeline) -> None:
    pipeline = sql_pipeline(SHOP, files=SEED, configuration={"most": "3"})
    graph = pipeline.resolve()
    clean = graph.datasets["clean"].dataset
    assert clean.comment == "it's clean"
    assert clean.cluster_by == ("id",)
    assert dict(clean.table_properties) == {
        "quality": "silver",
        "delta.appendOnly": "true",
        "pipelines.reset.allowed": "false",
    }
    assert [(e.name, e.constraint, e.action) for e in clean.expectations] == [
        ("has_name", "name IS NOT NULL", Action.DROP),
        ("n, too", "n > 0 AND n IN (10, 30)", Action.WARN),
    ]
    assert (clean.origin.path, clean.origin.line) == ("main.sql", 6)
    assert graph.datasets["both"].dataset.is_private
    update = pipeline.update()
    update.raise_for_failure()
    notes = [event.message for event in update.events if "shows settings" in event.message]
    assert len(notes) == 2
    assert rows(pipeline, "clean") == [(1, "a", 10, {"kg": [1]}), (2, "b", None, {"kg": [1]})]
    assert counts(update, "clean") == {"has_name": (2, 0), "n, too": (1, 1)}
    assert rows(pipeline, "totals") == rows(pipeline, "from_sql") == [(4, "kg")]
    assert {row.half for row in pipeline.table("legacy").collect()} == {5.0, None}
    assert rows(pipeline, "both") == [(1,), (2,), (101,), (102,), (103,)]
    assert pipeline.table("clean").schema["id"].metadata == {"comment": "the key, of course"}


CHANGES = """
CREATE OR REFRESH STREAMING TABLE latest;
CREATE FLOW latest_flow AS AUTO CDC INTO latest
FROM stream(changes) KEYS (id)
IGNORE NULL UPDATES
APPLY AS DELETE WHEN op = 'DELETE' AND (seq > 0)
APPLY AS TRUNCATE WHEN op = 'TRUNCATE'
SEQUENCE BY struct(seq, id)
COLUMNS * EXCEPT (op, `odd_name`)
STORED AS SCD TYPE 1;

CREATE STREAMING LIVE TABLE history;
APPLY CHANGES INTO LIVE.history
FROM (SELECT *, 1 AS one FROM STREAM(LIVE.changes) WHERE seq < 9)
KEYS (id) APPLY AS DELETE WHEN op = "DELETE" SEQUENCE BY seq
COLUMNS (id, name, seq) STORED AS SCD TYPE 2 TRACK HISTORY ON * EXCEPT (seq);

CREATE OR REFRESH STREAMING TABLE inline
FLOW AUTO CDC FROM STREAM shop.changes KEYS (id) SEQUENCE BY seq;
"""
FEED = {
    "feed.py": """
    import dlt

    @dlt.table
    def changes():
        return spark.createDataFrame(
            [(1, "a", "I", 1, 0), (2, "b", "I", 1, 0), (1, "c", "U", 2, 0)]
            + [(2, None, "DELETE", 3, 0)],
            "id int, name string, op string, seq int, `odd_name` int",
        )
    """
}


def test_changes_are_applied_from_sql(sql_pipeline: SqlPipeline) -> None:
    pipeline = sql_pipeline(CHANGES, files=FEED)
    flow = pipeline.resolve().datasets["latest"].flows[0].flow
    assert isinstance(flow, AutoCdcFlow)
    assert flow.name == "latest_flow"
    assert flow.keys == ("id",)
    assert flow.sequence_by == "struct(seq, id)"
    assert flow.apply_as_deletes == "op = 'DELETE' AND (seq > 0)"
    assert flow.apply_as_truncates == "op = 'TRUNCATE'"
    assert flow.ignore_null_updates
    assert flow.except_column_list == ("op", "odd_name")
    assert flow.origin.line == 3
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "latest") == [(1, "c", 2)]
    assert rows(pipeline, "history") == [
        (1, "a", 1, 1, 2),
        (1, "c", 2, 2, None),
        (2, "b", 1, 1, 3),
    ]
    assert [row[0] for row in rows(pipeline, "inline")] == [1, 2]


def test_use_completes_names_after_it(sql_pipeline: SqlPipeline) -> None:
    sql = """
    CREATE MATERIALIZED VIEW here AS SELECT 1 AS a;
    USE SCHEMA other;
    CREATE MATERIALIZED VIEW there AS SELECT a + 1 AS a FROM shop.here;
    CREATE MATERIALIZED VIEW third AS SELECT there.a + 1 AS a FROM there;
    USE CATALOG main;
    CREATE MATERIALIZED VIEW fourth AS SELECT other.third.a + 1 AS a FROM other.third;
    """
    pipeline = sql_pipeline(sql)
    assert set(pipeline.resolve().datasets) == {
        "here",
        "other.there",
        "other.third",
        "main.default.fourth",
    }
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "main.default.fourth") == [(4,)]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE STREAMING TABLE t LOCATION '/x' AS SELECT 1", "main.sql:2: LOCATION"),
        ("CREATE STREAMING TABLE t AS SELECT 1 AS a", "main.sql:2: flow 't' is a batch query"),
        ("CREATE MATERIALIZED VIEW t", "found the end; allowed: AS and a query"),
        ("CREATE MATERIALIZED VIEW t (a INT, b) AS SELECT 1, 2", "column 'b' has no type"),
        ("CREATE TABLE t AS SELECT 1", "the statement CREATE TABLE T"),
        ("CREATE VIEW v AS SELECT 1", "the statement CREATE VIEW V"),
        ("SELECT 1", "the statement SELECT 1"),
        ("CREATE STREAMING TABLE t (a INT MASK f) AS SELECT 1", "MASK of column 'a'"),
        (
            "CREATE MATERIALIZED VIEW t (CONSTRAINT c EXPECT (true) ON VIOLATION SKIP) AS SELECT 1",
            "found 'ON'; allowed: ON VIOLATION DROP ROW",
        ),
        ("CREATE STREAMING TABLE t;\nAUTO CDC INTO t FROM s KEYS (a)", "lacks SEQUENCE BY"),
        (
            "CREATE STREAMING TABLE t;\nAUTO CDC INTO t FROM s KEYS (a) SEQUENCE BY b",
            "main.sql:3: flow 't': source data for AUTO CDC must be a streaming query",
        ),
        ("CREATE MATERIALIZED VIEW t AS SELECT a FROM missing", "main.sql:2: flow 't' reads"),
        ("CREATE MATERIALIZED VIEW t AS SELECT FROM WHERE", "main.sql:2: the query of flow 't'"),
        ("CREATE MATERIALIZED VIEW t AS SELECT '${unknown}' x y", "main.sql:2: the query"),
        (
            "CREATE STREAMING TABLE t;\nAUTO CDC INTO t FROM SNAPSHOT s KEYS (a)",
            "main.sql:3: AUTO CDC FROM SNAPSHOT",
        ),
        (
            "SET spark.sql.ansi.enabled = false;\nCREATE TEMPORARY VIEW v AS SELECT 1 AS a",
            "main.sql:3: SET spark.sql.ansi.enabled before view 'v'",
        ),
    ],
)
def test_statement_is_refused_where_it_stands(
    sql_pipeline: SqlPipeline, sql: str, said: str
) -> None:
    error = sql_pipeline(f"-- first line\n{sql};\n").update(validate_only=True).error
    assert isinstance(error, DltStubError)
    assert said in str(error)


def test_doubled_name_names_both_lines(sql_pipeline: SqlPipeline) -> None:
    sql = "CREATE STREAMING TABLE t;\n\nCREATE MATERIALIZED VIEW t AS SELECT 1 AS a;\n"
    error = sql_pipeline(sql).update(validate_only=True).error
    assert isinstance(error, DefinitionError)
    assert "main.sql:3: dataset 't' is defined twice, first at main.sql:1" in str(error)
