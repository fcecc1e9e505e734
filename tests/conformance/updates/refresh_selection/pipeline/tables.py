import dlt


@dlt.table
def orders():
    return spark.readStream.table("given_orders")


@dlt.table
def total():
    return dlt.read("orders").selectExpr("sum(amount) AS amount")


@dlt.table
def copies():
    return dlt.read_stream("orders")
