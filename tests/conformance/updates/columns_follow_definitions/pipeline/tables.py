import dlt


@dlt.table
def orders():
    return spark.readStream.table("given_orders").select("id")


@dlt.table
def counted():
    return dlt.read("orders").selectExpr("count(*) AS orders")
