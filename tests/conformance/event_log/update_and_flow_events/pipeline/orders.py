import dlt
from pyspark.sql import functions as F


@dlt.table(comment="Orders as they come")
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
def orders():
    return spark.readStream.table("given_orders")


@dlt.table
def amount_by_status():
    return dlt.read("orders").groupBy("status").agg(F.sum("amount").alias("amount"))


dlt.create_streaming_table("latest")
dlt.apply_changes(target="latest", source="orders", keys=["id"], sequence_by="amount")
