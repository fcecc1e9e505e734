import dlt


@dlt.table
@dlt.expect_or_fail("valid_id", "id > 0")
def strict():
    return spark.readStream.table("orders")


@dlt.table
@dlt.expect("valid_id", "id > 0")
def lenient():
    return spark.readStream.table("orders")


@dlt.table
def after_strict():
    return dlt.read_stream("strict")
