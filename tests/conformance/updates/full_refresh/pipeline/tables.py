import dlt


@dlt.table
def orders():
    return spark.readStream.option("skipChangeCommits", "true").table("given_orders")


@dlt.table(table_properties={"pipelines.reset.allowed": "false"})
def kept():
    return spark.readStream.option("skipChangeCommits", "true").table("given_orders")
