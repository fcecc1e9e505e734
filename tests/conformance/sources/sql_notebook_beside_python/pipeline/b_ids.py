import dlt


@dlt.table
def paid_ids():
    return dlt.read("paid_orders").select("id")
