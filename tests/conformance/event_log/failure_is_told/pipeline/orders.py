import dlt
from pyspark.sql import functions as F


@dlt.table
def orders():
    return spark.readStream.table("given_orders").withColumn("number", F.col("text").cast("int"))


@dlt.table
def after():
    return dlt.read_stream("orders")
