import dlt


@dlt.table
def first():
    return spark.read.table("orders")


@dlt.table
def second():
    return spark.read.table("orders")
