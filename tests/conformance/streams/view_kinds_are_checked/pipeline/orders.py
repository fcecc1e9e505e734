import dlt


@dlt.view
def some_orders():
    return spark.read.table("orders")


@dlt.table
def streamed():
    return dlt.read_stream("some_orders")
