import dlt


@dlt.table
@dlt.expect_or_fail("is_positive", "amount > 0")
def checked():
    return spark.readStream.table("given_orders")


@dlt.table
def after_checked():
    return dlt.read_stream("checked")


@dlt.table
def after_that():
    return dlt.read("after_checked")


@dlt.table
def beside():
    return spark.readStream.table("given_orders")


@dlt.table
def after_beside():
    return dlt.read("beside").selectExpr("sum(amount) AS amount")
