import dlt
from pyspark.sql.functions import count


@dlt.view
def source():
    return spark.readStream.table("changes")


dlt.create_streaming_table("current")
dlt.create_auto_cdc_flow(target="current", source="source", keys=["id"], sequence_by="seq")


@dlt.table
def followed():
    return spark.readStream.table("current")


@dlt.table
def skipped():
    return spark.readStream.option("skipChangeCommits", "true").table("current")


@dlt.table
def counted():
    return spark.read.table("current").agg(count("*").alias("rows"))
