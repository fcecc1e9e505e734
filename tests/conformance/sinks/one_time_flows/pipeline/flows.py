from pyspark import pipelines as dp

dp.create_streaming_table("all_orders")


@dp.append_flow(target="all_orders")
def arriving():
    return spark.readStream.table("orders")


@dp.append_flow(target="all_orders", once=True)
def backfill():
    return spark.read.table("old_orders")
