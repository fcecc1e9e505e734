import json
import os
from pathlib import Path

import dlt
from pyspark.sql import functions as F
from utilities.marks import MARKS

SETTINGS = f"{spark.conf.get('landing')}/settings"

with open(f"{SETTINGS}/tables.json") as settings:
    NAMES = json.load(settings)["names"]
assert Path(SETTINGS, "words.txt").exists()


def declare(name):
    @dlt.table(name=name)
    def words():
        from utilities.late import mark_udf

        word = F.col("value")
        frame = spark.read.text(f"{SETTINGS}/words.txt")
        return frame.select(mark_udf(word, F.lit(MARKS[name])).alias("word"))


for name in NAMES:
    declare(name)


@dlt.table
def listed():
    assert sorted(os.listdir(SETTINGS)) == ["tables.json", "words.txt"]
    rows = [(each.name, str(each.size)) for each in dbutils.fs.ls(SETTINGS)]
    return spark.createDataFrame(rows, "name string, size string")
