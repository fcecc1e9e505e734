from pathlib import Path

import pytest

from dlt_stub import DltStubError, NotEmulatedError
from tests.update.conftest import PipelineOf
from tests.update.tables import land, rows


def test_sql_reads_datasets_by_every_name(pipeline_of: PipelineOf) -> None:
    pipeline_of("dlt.table(lambda: spark.range(3), name='outside')\n", name="other").update()
    source = """
    @dlt.table
    def report():
        return spark.sql('''
            WITH big AS (SELECT * FROM LIVE.numbers WHERE numbers.id > 1)
            SELECT big.id, shop.doubles.two, main.shop.outside.id AS three, t.n
            FROM big
            JOIN shop.doubles ON doubles.id = big.id -- comment with LIVE.nothing
            JOIN main.shop.outside ON outside.id = big.id
            JOIN (SELECT id, count(*) AS n FROM numbers GROUP BY id) AS t ON t.id = big.id
            WHERE big.id IN (SELECT id FROM IDENTIFIER(:name)) AND big.id <= :most
            ''', args={"name": "LIVE.small", "most": 9})

    @dlt.view
    def small():
        frame = dlt.read("numbers")
        frame.createOrReplaceTempView("tmp")
        spark.range(5).createOrReplaceTempView("other")
        least = spark.sql("SELECT tmp.* FROM tmp JOIN other USING (id)")
        return spark.sql("SELECT * FROM {frame} WHERE id < 3 AND id >= {n}", frame=least, n=0)

    @dlt.table
    def doubles():
        return spark.table("numbers").selectExpr("id", "id * 2 AS two")

    spark.range(7).createOrReplaceTempView("everywhere")

    @dlt.table
    def streamed():
        return spark.sql("SELECT s.id FROM STREAM(LIVE.numbers) WITH (SKIPCHANGECOMMITS) AS s "
                         "JOIN everywhere ON everywhere.id = s.id")

    dlt.create_streaming_table("numbers")

    @dlt.append_flow(target="numbers")
    def more():
        return spark.sql("SELECT id FROM STREAM seed WHERE seed.id < 4")

    dlt.table(lambda: spark.range(9), name="seed")
    """
    pipeline = pipeline_of(source)
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "report") == [(2, 4, 2, 1)]
    assert rows(pipeline, "streamed") == [(0,), (1,), (2,), (3,)]
    graph = pipeline.resolve()
    assert graph.datasets["report"].flows[0].analysis.inputs == (
        "numbers",
        "doubles",
        "small",
    )
    assert graph.datasets["streamed"].is_streaming
    assert not graph.datasets["report"].is_streaming


def test_sql_over_files_reads_each_batch(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    folder = tmp_path / "workspace/volumes/main/shop/landing"
    source = """
    @dlt.view
    def files():
        raw = (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
            .option("header", "true").option("cloudFiles.maxFilesPerTrigger", 1)
            .load("/Volumes/main/shop/landing"))
        raw.createOrReplaceTempView("raw")
        return spark.sql("SELECT id, _metadata.file_name AS file FROM STREAM raw")

    @dlt.table
    def bronze():
        return spark.sql("SELECT files.id, file, number FROM STREAM(LIVE.files) "
                         "LEFT JOIN names ON names.id = files.id")

    @dlt.table
    def names():
        return spark.createDataFrame([("1", "one")], "id string, number string")
    """
    land(folder, "a.csv", "id", "1")
    land(folder, "b.csv", "id", "2")
    pipeline = pipeline_of(source)
    pipeline.update().raise_for_failure()
    land(folder, "c.csv", "id", "1")
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "bronze") == [
        ("1", "a.csv", "one"),
        ("1", "c.csv", "one"),
        ("2", "b.csv", None),
    ]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM mising", "reads 'mising', which is neither"),
        ("INSERT INTO t SELECT 1", "the statement INSERT"),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", "the statement CREATE"),
        ("SELECT * FROM numbers VERSION AS OF 1", "AS OF a version or time"),
        ("SELECT * FROM STREAM numbers WITH (withEventTimeOrder = true)", "withEventTimeOrder"),
        ("SELECT * FROM event_log(TABLE(numbers))", "event_log"),
        ("SELECT nope FROM numbers", "UNRESOLVED_COLUMN"),
    ],
)
def test_sql_is_refused_aloud(pipeline_of: PipelineOf, query: str, said: str) -> None:
    source = f"""
    dlt.table(lambda: spark.range(2), name="numbers")

    @dlt.table
    def t():
        return spark.sql("{query}")
    """
    result = pipeline_of(source).update(validate_only=True)
    assert isinstance(result.error, DltStubError)
    assert said in str(result.error)
    assert "main.py" in str(result.error)


def test_view_named_as_dataset_is_refused(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.table
    def numbers():
        spark.range(2).createOrReplaceTempView("numbers")
        return spark.sql("SELECT * FROM numbers")
    """
    result = pipeline_of(source).update(validate_only=True)
    assert isinstance(result.error, NotEmulatedError)
    assert "both dataset 'numbers' and a temporary view" in str(result.error)


def test_view_other_functions_see_is_refused(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.table
    def numbers():
        spark.range(2).createOrReplaceGlobalTempView("shared")
        return spark.range(1)
    """
    result = pipeline_of(source).update(validate_only=True)
    assert isinstance(result.error, NotEmulatedError)
    assert "other functions would see what may not be made yet" in str(result.error)


def test_use_in_python_is_refused(pipeline_of: PipelineOf) -> None:
    result = pipeline_of("spark.sql('USE SCHEMA shop')\nspark.sql('USE SCHEMA other')\n").update()
    assert isinstance(result.error, NotEmulatedError)
    assert "USE by spark.sql in a pipeline" in str(result.error)
