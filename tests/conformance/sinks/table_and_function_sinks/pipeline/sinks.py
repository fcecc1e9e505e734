from pyspark import pipelines as dp
from pyspark.sql.functions import lit

place = f"{spark.catalog.currentCatalog()}.{spark.catalog.currentDatabase()}"

dp.create_sink(name="exported", format="delta", options={"tableName": f"{place}.exported_orders"})


@dp.append_flow(name="export", target="exported")
def export():
    return spark.readStream.table("orders")


@dp.foreach_batch_sink(name="numbered")
def write_batch(df, batch_id):
    df.withColumn("batch", lit(batch_id)).write.mode("append").saveAsTable(f"{place}.batches")


@dp.append_flow(target="numbered")
def number():
    return spark.readStream.table("orders")
