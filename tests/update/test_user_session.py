import json
from pathlib import Path

import pytest

from dlt_stub import DefinitionError, FlowError, NotEmulatedError, UsageError
from tests.update.conftest import PipelineOf
from tests.update.tables import rows

HELPER = """
from pyspark.sql import functions as F

def shout(text):
    return text.upper() + "{mark}"

shout_udf = F.udf(shout, "string")
"""


def test_helper_function_runs_in_python_workers(pipeline_of: PipelineOf) -> None:
    source = """
    from helpers.words import shout_udf

    @dlt.table
    def loud():
        return spark.createDataFrame([("a",)], "t string").select(shout_udf("t").alias("t"))
    """
    for mark in ("!", "?!"):
        pipeline = pipeline_of(source, files={"helpers/words.py": HELPER.format(mark=mark)})
        pipeline.update().raise_for_failure()
        assert rows(pipeline, "loud") == [(f"A{mark}",)]


def test_configuration_and_session_are_the_pipelines(
    pipeline_of: PipelineOf, tmp_path: Path
) -> None:
    source = """
    import json
    from pyspark.sql import SparkSession

    built = SparkSession.builder.config("shop.built", "yes").getOrCreate()
    told = {
        "path": spark.conf.get("shop.path"),
        "same": built is spark and SparkSession.getActiveSession() is spark,
        "built": spark.conf.get("shop.built"),
        "ansi": spark.conf.get("spark.sql.ansi.enabled"),
        "database": spark.catalog.currentCatalog() + "." + spark.catalog.currentDatabase(),
        "name": __name__,
    }

    @dlt.table
    def seen():
        inside = SparkSession.getActiveSession().conf.get("shop.path") == told["path"]
        return spark.createDataFrame([(json.dumps({**told, "inside": inside}),)], "t string")
    """
    configuration = {"shop.path": "/Volumes/main/shop/landing/in/"}
    pipeline = pipeline_of(source, configuration=configuration)
    before = pipeline.spark.conf.get("shop.built", "no")
    pipeline.update().raise_for_failure()
    ((text,),) = rows(pipeline, "seen")
    assert json.loads(text) == {
        "path": f"{tmp_path}/workspace/volumes/main/shop/landing/in/",
        "same": True,
        "built": "yes",
        "ansi": "true",
        "database": "main.shop",
        "name": "__main__",
        "inside": True,
    }
    assert pipeline.spark.conf.get("shop.built", "no") == before == "no"


def test_volume_paths_are_local_everywhere(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    folder = tmp_path / "workspace/volumes/main/shop/landing"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("1\n", encoding="utf-8")
    source = """
    place = "/Volumes/main/shop/landing"
    ways = [
        lambda: spark.read.csv(place),
        lambda: spark.read.format("csv").load(f"dbfs:{place}/a.csv"),
        lambda: spark.read.format("csv").option("path", place).load(),
        lambda: spark.read.load([f"{place}/a.csv"], format="csv"),
        lambda: spark.readStream.schema("_c0 string").csv(place),
        lambda: spark.readStream.format("csv").schema("_c0 string").options(path=place).load(),
    ]
    for at, way in enumerate(ways):
        dlt.table(way, name=f"t{at}")
    """
    pipeline = pipeline_of(source)
    pipeline.update().raise_for_failure()
    assert [rows(pipeline, f"t{at}") for at in range(6)] == [[("1",)]] * 6


def test_tables_of_other_pipelines_are_read(pipeline_of: PipelineOf) -> None:
    first = pipeline_of("dlt.table(lambda: spark.range(2), name='numbers')\n", name="first")
    source = """
    exists = [spark.catalog.tableExists(n) for n in ("main.shop.numbers", "numbers", "number")]
    assert exists == [True, True, False], exists
    assert spark.sql("SELECT count(*) FROM numbers").first()[0] == 2

    @dlt.table
    def doubled():
        return dlt.read("main.shop.numbers").select(F.col("id") * 2)
    """
    second = pipeline_of(
        source.replace('F.col("id") * 2', '(F.col("id") * 2).alias("id")'), name="second"
    )
    first.update().raise_for_failure()
    second.update().raise_for_failure()
    assert rows(second, "doubled") == [(0,), (2,)]
    stealing = pipeline_of("dlt.table(lambda: spark.range(9), name='numbers')\n", name="third")
    result = stealing.update(full_refresh=True)
    assert isinstance(result.error, UsageError)
    assert "main.shop.numbers is already managed by pipeline" in str(result.error)
    assert rows(first, "numbers") == [(0,), (1,)]


def test_workspaces_with_same_names_stay_apart(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = """
    import os
    @dlt.table
    def numbers():
        return spark.range(int(spark.conf.get("shop.count")))

    if spark.catalog.tableExists("numbers"):
        found = spark.sql("SELECT count(*) FROM main.shop.numbers").first()[0]
        assert found == int(spark.conf.get("shop.count")), found
    """
    pipelines = [
        pipeline_of(source, storage=tmp_path / f"w{n}", configuration={"shop.count": str(n)})
        for n in (1, 2)
    ]
    for _ in range(2):
        for pipeline in pipelines:
            pipeline.update().raise_for_failure()
    assert [pipeline.table("numbers").count() for pipeline in pipelines] == [1, 2]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('spark.sql("CREATE TABLE made AS SELECT 1 AS a")', "CreateTableAsSelect"),
        ('spark.sql("DROP TABLE IF EXISTS made")', "DropTable"),
        ("spark.catalog.listTables()", "spark.catalog.listTables"),
        ("dbutils.fs.mounts()", "dbutils.fs.mounts is not run locally"),
        ("import os; os.path.exists('/dbfs/tmp/x')", "/dbfs/tmp/x lies in the DBFS mount"),
    ],
)
def test_what_would_be_forgotten_is_refused(
    pipeline_of: PipelineOf, statement: str, said: str
) -> None:
    result = pipeline_of(f"{statement}\n").update()
    assert isinstance(result.error, NotEmulatedError)
    assert said in str(result.error)


def test_static_setting_is_refused_by_name(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of("", configuration={"spark.sql.warehouse.dir": "x"})
    with pytest.raises(
        UsageError, match=r"configuration 'spark\.sql\.warehouse\.dir' of pipeline 'shop'"
    ):
        pipeline.update()


def test_swallowed_error_hides_no_dependency(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.table
    def reader():
        try:
            return dlt.read("later")
        except Exception:
            return spark.range(0)

    @dlt.table
    def later():
        return spark.range(2)
    """
    pipeline = pipeline_of(source)
    result = pipeline.update()
    result.raise_for_failure()
    assert rows(pipeline, "reader") == [(0,), (1,)]


def test_helper_line_is_named_in_errors(pipeline_of: PipelineOf) -> None:
    source = """
    from helpers.deep import rows_of

    @dlt.table
    def t():
        return rows_of(spark)
    """
    deep = "def rows_of(spark):\n    return spark.range(1).select('nope')\n"
    result = pipeline_of(source, files={"helpers/deep.py": deep}).update()
    assert isinstance(result.error, DefinitionError)
    assert "helpers/deep.py:2: the query of flow 't' cannot be analysed" in str(result.error)
    late = "def rows_of(spark):\n    return spark.range(2).selectExpr('1 DIV id AS n')\n"
    result = pipeline_of(source, files={"helpers/deep.py": late}).update()
    assert isinstance(result.error, FlowError)
    assert "[DIVIDE_BY_ZERO]" in str(result.error)
