import dlt


@dlt.table
def known_items():
    return spark.read.table("items")


@dlt.table
def named():
    return dlt.read_stream("new_sales").join(dlt.read("known_items"), "item")


@dlt.view
def new_sales():
    return spark.readStream.table("sales")
