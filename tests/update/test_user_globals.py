from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.update.conftest import PipelineOf

SOURCE = """
import json, os
from os import listdir
import pandas as pd
from pyspark.sql.functions import pandas_udf
from pathlib import Path as P
from databricks.sdk.runtime import dbutils as imported, spark as theirs
from pyspark.dbutils import DBUtils

LANDING = "/Volumes/main/shop/landing"
dbutils.widgets.text("suffix", "_x")
assert imported is dbutils is DBUtils(spark)
assert theirs is spark
with open(f"{LANDING}/tables.json") as content:
    names = json.load(content)
assert P(LANDING, "tables.json").exists()

listed = [each.name[:-5] for each in dbutils.fs.ls(LANDING)]
for name in names + [name for name in listed if name not in names]:
    def rows(name=name):
        display(spark.range(1))
        return spark.read.text(f"{LANDING}/{name}.json")
    dlt.table(rows, name=name + dbutils.widgets.get("suffix"))

@dlt.table
def folders():
    return spark.createDataFrame([(each,) for each in os.listdir(LANDING)], "name string")

@F.udf("string")
def seen(name):
    with open(f"{LANDING}/{name}") as content:
        first = content.readline().strip()
    return f"{first} {sorted(listdir(LANDING))} {os.path.exists(LANDING)} {P(LANDING).is_dir()}"

@pandas_udf("long")
def lines(names: pd.Series) -> pd.Series:
    return names.map(lambda name: len(pd.read_csv(f"{LANDING}/{name}", header=None)))

@dlt.table
def seen_by_workers():
    names = spark.createDataFrame([("other.json",)], "name string")
    return names.select(seen("name").alias("seen"), lines("name").alias("lines"))
"""


def test_volumes_and_dbutils_work_in_sources(pipeline_of: "PipelineOf", tmp_path: Path) -> None:
    pipeline = pipeline_of(SOURCE)
    landing = Path(pipeline.paths.to_local("/Volumes/main/shop/landing"))
    landing.mkdir(parents=True)
    (landing / "tables.json").write_text('["other"]', encoding="utf-8")
    (landing / "other.json").write_text("1\n2\n", encoding="utf-8")
    update = pipeline.update()
    update.raise_for_failure()
    assert set(update.flows) == {"other_x", "tables_x", "folders", "seen_by_workers"}
    assert pipeline.table("other_x").count() == 2
    names = {row.name for row in pipeline.table("folders").collect()}
    assert names == {"tables.json", "other.json"}
    (row,) = pipeline.table("seen_by_workers").collect()
    assert tuple(row) == ("1 ['other.json', 'tables.json'] True True", 2)
