import dlt
from pyspark.sql.functions import sum


@dlt.table
def total():
    return spark.read.table("orders").agg(sum("amount").alias("total"))


@dlt.table
def kept():
    return spark.readStream.option("skipChangeCommits", "true").table("orders")
