import dlt

dlt.create_streaming_table("all_orders")


@dlt.append_flow(target="all_orders", name="second")
def orders_flow():
    return spark.readStream.table("orders")
