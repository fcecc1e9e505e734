import dlt

dlt.create_streaming_table(
    "orders",
    expect_all={"is_small": "amount < 100"},
    expect_all_or_drop={"has_id": "id IS NOT NULL"},
    expect_all_or_fail={"is_not_negative": "amount >= 0"},
)


@dlt.append_flow(target="orders", name="from_shop")
def from_shop():
    return spark.readStream.table("shop_orders")


@dlt.append_flow(target="orders", name="from_web")
def from_web():
    return spark.readStream.table("web_orders")
