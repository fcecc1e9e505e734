import dlt


@dlt.table
def orders():
    return spark.readStream.table("given_orders")


@dlt.table
def after():
    return dlt.read(spark.conf.get("source"))
