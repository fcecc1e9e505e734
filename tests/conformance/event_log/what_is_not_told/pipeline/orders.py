import dlt


@dlt.table
def orders():
    return spark.readStream.table("given_orders")
