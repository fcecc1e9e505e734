import dlt
from pyspark.sql.functions import length


@dlt.table
def streamed():
    return spark.readStream.table("orders").select("id", length("name").alias("size"))


@dlt.table
def viewed():
    return spark.read.table("orders").select("id", length("name").alias("size"))
