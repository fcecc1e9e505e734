import dlt


@dlt.view
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
def checked():
    return spark.readStream.table("given_orders")


@dlt.view
@dlt.expect_or_fail("positive", "amount > 0")
def checked_twice():
    return dlt.read_stream("checked")


@dlt.table
def one():
    return dlt.read_stream("checked")


@dlt.table
def other():
    return dlt.read_stream("checked_twice")
