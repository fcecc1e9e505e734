from pyspark import pipelines as dp

catalog, schema = spark.conf.get("catalog"), spark.conf.get("schema")

dp.create_sink(
    name="exported", format="delta", options={"tableName": f"{catalog}.{schema}.exported"}
)


@dp.table
@dp.expect_or_drop("has_id", "id IS NOT NULL")
def orders():
    return spark.readStream.table("given_orders")


@dp.append_flow(target="exported", name="export")
def export():
    return spark.readStream.table("orders")


@dp.foreach_batch_sink(name="batches")
def batches(frame, batch_id):
    counted = frame.groupBy().count().selectExpr("count AS orders")
    counted.write.mode("append").saveAsTable(f"{catalog}.{schema}.batch_sizes")


@dp.append_flow(target="batches", name="count_batches")
def count_batches():
    return spark.readStream.table("orders")
