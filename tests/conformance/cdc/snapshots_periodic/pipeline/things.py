import dlt


@dlt.view
def snapshot():
    return spark.read.table("current_things")


for target, scd_type in (("things_now", 1), ("things_history", 2)):
    dlt.create_streaming_table(target)
    dlt.apply_changes_from_snapshot(
        target=target, source="snapshot", keys=["id"], stored_as_scd_type=scd_type
    )
