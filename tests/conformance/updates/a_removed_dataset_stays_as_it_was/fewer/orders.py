import dlt


@dlt.table
def first():
    return spark.read.table("orders")
