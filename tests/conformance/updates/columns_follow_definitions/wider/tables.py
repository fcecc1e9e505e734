import dlt


@dlt.table
def orders():
    return spark.readStream.table("given_orders").select("id", "amount")


@dlt.table
def counted():
    return dlt.read("orders").selectExpr("sum(amount) AS amount", "count(*) AS orders")
