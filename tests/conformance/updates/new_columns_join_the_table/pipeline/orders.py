import dlt


@dlt.table
def streamed():
    return spark.readStream.table("orders")


@dlt.table
def viewed():
    return spark.read.table("orders")
