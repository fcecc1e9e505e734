import dlt


@dlt.view
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
@dlt.expect("known_status", "status IN ('NEW', 'PAID')")
def checked():
    return spark.readStream.table("order_changes")


dlt.create_streaming_table("orders")
dlt.apply_changes(target="orders", source="checked", keys=["id"], sequence_by="seq")
