import dlt


@dlt.table
@dlt.expect("warned", "amount > 0")
def warned():
    return spark.readStream.table("orders")


@dlt.table
@dlt.expect_or_drop("dropped", "amount > 0")
def dropped():
    return spark.readStream.table("orders")
