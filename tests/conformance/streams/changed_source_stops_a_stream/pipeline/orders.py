import dlt


@dlt.table
def strict():
    return spark.readStream.table("orders")


@dlt.table
def lenient():
    return spark.readStream.option("skipChangeCommits", "true").table("orders")
