from pathlib import Path

import pytest

from dlt_stub import ExpectationViolation
from dlt_stub.events import UpdateState
from tests.update.conftest import PipelineOf
from tests.update.tables import counts, land, rows, versions, with_counts

CLOUD = """
def files():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT, amount INT").option("header", "true")
        .option("cloudFiles.maxFilesPerTrigger", "1")
        .load(spark.conf.get("shop.landing")).drop("_rescued_data"))
"""
LADDER = (
    CLOUD
    + """
@dlt.table(name="bronze")
@dlt.expect("has_amount", "amount > 0")
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
def bronze():
    return files()

@dlt.view(name="cheap")
@dlt.expect_or_drop("is_cheap", "amount < 100")
def cheap():
    return dlt.read_stream("bronze")

@dlt.table
@dlt.expect_all({"even": "id % 2 = 0", "small": F.col("amount") <= 10})
def silver():
    return dlt.read_stream("cheap")

@dlt.table
@dlt.expect_or_drop("popular", "n > 1")
def gold():
    return dlt.read("silver").groupBy("amount").agg(F.count("*").alias("n"))

@dlt.table
def also_cheap():
    return dlt.read_stream("cheap").select("id")
"""
)


def test_counts_are_exact_at_every_step(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "1.csv", "id,amount", "1,5", "2,", ",7", "4,500")
    land(landing, "2.csv", "id,amount", "6,5", "7,-1", "8,20")
    pipeline = pipeline_of(LADDER, configuration={"shop.landing": str(landing)})
    result = pipeline.update()
    result.raise_for_failure()
    # NULL > 0 is NULL, which is not met; the row without an id is dropped and counted
    assert counts(result, "bronze") == {"has_amount": (5, 2), "has_id": (6, 1)}
    assert result.flows["bronze"].metrics == {"num_output_rows": 6}
    assert result.flows["bronze"].dropped_records == 1
    assert len(with_counts(result, "bronze")) == 2  # one event for each file batch
    # amount NULL is not < 100 either, so two rows go
    assert counts(result, "silver") == {"is_cheap": (4, 2), "even": (2, 2), "small": (3, 1)}
    assert result.flows["silver"].dropped_records == 2
    assert counts(result, "also_cheap") == {"is_cheap": (4, 2)}
    assert counts(result, "gold") == {"popular": (1, 2)}
    assert rows(pipeline, "gold") == [(5, 2)]
    assert rows(pipeline, "also_cheap") == [(1,), (6,), (7,), (8,)]

    land(landing, "3.csv", "id,amount", "10,20")
    again = pipeline.update()
    assert counts(again, "bronze") == {"has_amount": (1, 0), "has_id": (1, 0)}
    assert counts(again, "silver") == {"is_cheap": (1, 0), "even": (1, 0), "small": (0, 1)}
    assert rows(pipeline, "gold") == [(5, 2), (20, 2)]


def test_nothing_new_commits_nothing(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    land(landing, "1.csv", "id,amount", "1,5")
    streams_only = LADDER.replace("def gold", "def _gold").replace('dlt.read("silver")', "None")
    streams_only = streams_only.split('@dlt.table\n@dlt.expect_or_drop("popular"')[0]
    pipeline = pipeline_of(streams_only, configuration={"shop.landing": str(landing)})
    pipeline.update().raise_for_failure()
    before = versions(pipeline)
    again = pipeline.update()
    assert again.succeeded
    assert versions(pipeline) == before
    assert set(before) == {"bronze", "silver"}
    assert again.flows["bronze"].metrics == {}


FAIL = """
dlt.create_streaming_table("strict", expect_all_or_fail={"positive": "id > 0"},
    expect_all={"small": "id < 100"})

@dlt.append_flow(target="strict", name="into_strict")
def into_strict():
    return spark.readStream.format("delta").load(spark.conf.get("shop.source"))

@dlt.table
def after():
    return dlt.read_stream("strict")

@dlt.table
def beside():
    return spark.readStream.format("delta").load(spark.conf.get("shop.source"))

@dlt.table
@dlt.expect_or_fail("none", "id IS NULL")
def snapshot():
    return spark.read.format("delta").load(spark.conf.get("shop.source"))
"""


def test_broken_fail_rule_commits_nothing(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = tmp_path / "source"
    pipeline = pipeline_of(FAIL, configuration={"shop.source": str(source)})
    frame = pipeline.spark.createDataFrame(
        [(1, "it's"), (-2, 'a "b"} SQLSTATE |')], "id int, s string"
    )
    frame.coalesce(1).write.format("delta").save(str(source))
    result = pipeline.update()
    assert result.state is UpdateState.FAILED
    failed = result.flows["into_strict"]
    assert isinstance(failed.error, ExpectationViolation)
    assert (
        "[EXPECTATION_VIOLATION.VERBOSITY_ALL] Flow 'into_strict' failed to meet the expectation. "
        "Violated expectations: 'positive'. Input data: "
        '\'{"id":-2,"s":"a \\"b\\"} SQLSTATE |"}\'' in str(failed.error)
    )
    assert rows(pipeline, "strict") == []
    assert versions(pipeline)["strict"] == 1
    assert failed.expectations == ()
    assert with_counts(result, "into_strict") == []
    assert result.flows["after"].status == "SKIPPED"
    assert rows(pipeline, "beside") == [(-2, 'a "b"} SQLSTATE |'), (1, "it's")]
    assert isinstance(result.flows["snapshot"].error, ExpectationViolation)
    assert rows(pipeline, "snapshot") == []

    way_out = pipeline_of(
        FAIL.replace("expect_all_or_fail", "expect_all_or_drop"),
        configuration={"shop.source": str(source)},
    )
    again = way_out.update(refresh=["strict"], full_refresh_selection=["after"])
    again.raise_for_failure()
    assert rows(pipeline, "strict") == [(1, "it's")]
    assert rows(pipeline, "after") == [(1, "it's")]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("id + 1", "is of type int; allowed: a SQL boolean"),
        ("id IN (SELECT 1)", "holds a subquery"),
        ("count(*) > 1", "holds an aggregate or window function"),
        ("count(*) OVER () > 1", "holds an aggregate or window function"),
        ("nope > 1", "cannot be evaluated: 'nope > 1'"),
        ("id >", "cannot be evaluated: 'id >'"),
    ],
)
def test_rule_that_is_none_is_refused(pipeline_of: PipelineOf, rule: str, said: str) -> None:
    source = f"""
    @dlt.table
    @dlt.expect("rule", "{rule}")
    def t():
        return spark.createDataFrame([(1, 'subquery Project')], "id int, kind string")
    """
    result = pipeline_of(source).update()
    assert result.state is UpdateState.FAILED
    assert said in str(result.error)
    assert "main.py:5" in str(result.error)


def test_words_in_rules_are_no_subqueries(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.table
    @dlt.expect("rule", "kind <> 'Project' AND kind NOT LIKE '%subquery%'")
    @dlt.expect("as_column", ~F.col("kind").rlike("^\\\\d+$") & (F.col("`odd.name`") > 0))
    def t():
        found = [(1, "b", 1), (2, "12", 2)]
        return spark.createDataFrame(found, "id int, kind string, `odd.name` int")
    """
    result = pipeline_of(source).update()
    result.raise_for_failure()
    assert counts(result, "t") == {"rule": (2, 0), "as_column": (1, 1)}


def test_rows_no_plan_needs_count_as_none(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.view
    @dlt.expect("rule", "id > 1")
    def numbers():
        return spark.range(3)

    @dlt.table
    def t():
        return dlt.read("numbers").where("false")
    """
    pipeline = pipeline_of(source)
    result = pipeline.update()
    result.raise_for_failure()
    assert counts(result, "t") == {"rule": (0, 0)}
    assert rows(pipeline, "t") == []
