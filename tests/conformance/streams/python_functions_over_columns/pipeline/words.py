import dlt
import pandas as pd
from pyspark.sql.functions import pandas_udf, udf


@udf("string")
def shout(word):
    return None if word is None else word.upper()


@pandas_udf("int")
def size(words: pd.Series) -> pd.Series:
    return words.str.len().astype("Int32")


def shouted(frame):
    return frame.withColumn("loud", shout("word")).withColumn("size", size("word"))


@dlt.table
def streamed():
    return shouted(spark.readStream.table("words"))


@dlt.table
def viewed():
    return shouted(spark.read.table("words"))
