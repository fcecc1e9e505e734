import dlt


@dlt.table
@dlt.expect_all({"has_id": "id IS NOT NULL", "is_small": "amount < 100"})
def orders():
    return spark.readStream.table("given_orders")
