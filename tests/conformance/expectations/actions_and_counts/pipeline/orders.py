import dlt


@dlt.table
@dlt.expect("has_amount", "amount IS NOT NULL")
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
def kept():
    return spark.readStream.table("orders")


@dlt.view
@dlt.expect_all_or_drop({"has_id": "id IS NOT NULL", "is_positive": "amount > 0"})
def positive():
    return spark.readStream.table("orders")


@dlt.table
@dlt.expect_all({"is_small": "amount < 100"})
def from_view():
    return dlt.read_stream("positive")


@dlt.table
@dlt.expect_all_or_fail({"adds_up": "total = 105"})
@dlt.expect_or_fail("one_row", "total IS NOT NULL")
def total():
    return dlt.read("from_view").selectExpr("sum(amount) AS total")
