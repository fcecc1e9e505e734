import dlt


@dlt.table
@dlt.expect("valid", "id IS NOT NULL")
@dlt.expect_or_drop("valid", "id > 0")
def orders():
    return spark.readStream.table("given_orders")
