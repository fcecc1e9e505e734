from pyspark import pipelines as dp

dp.create_streaming_table(
    "users",
    expect_all={"has_age": "age IS NOT NULL"},
    expect_all_or_drop={"has_id": "id IS NOT NULL"},
    expect_all_or_fail={"is_no_giant": "coalesce(age, 0) < 200"},
)
dp.create_auto_cdc_flow(
    target="users",
    source="user_changes",
    keys=["id"],
    sequence_by="seq",
    apply_as_deletes="op = 'DELETE'",
    column_list=["id", "age"],
    stored_as_scd_type=1,
)
