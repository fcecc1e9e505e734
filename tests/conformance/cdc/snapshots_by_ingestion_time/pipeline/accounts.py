import dlt


@dlt.view
def accounts_now():
    return spark.read.table("accounts")


dlt.create_streaming_table("current")
dlt.apply_changes_from_snapshot(
    target="current", source="accounts_now", keys=["key"], stored_as_scd_type=1
)

dlt.create_streaming_table("history")
dlt.apply_changes_from_snapshot(
    target="history", source="accounts_now", keys=["key"], stored_as_scd_type=2
)
