import dlt

dlt.create_streaming_table("orders", expect_all_or_drop={"has_amount": "amount IS NOT NULL"})
dlt.apply_changes(target="orders", source="order_changes", keys=["id"], sequence_by="seq")
