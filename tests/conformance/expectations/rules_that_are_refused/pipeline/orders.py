import dlt


@dlt.table
@dlt.expect("cheaper_than_others", spark.conf.get("rule"))
def orders():
    return spark.readStream.table("given_orders")
