import dlt


@dlt.create_view()
def old_view():
    return spark.readStream.table("changes")


@dlt.create_table()
def old_table():
    return spark.read.table("changes").groupBy().count()


dlt.create_target_table("old_target")
dlt.apply_changes(target="old_target", source="old_view", keys=["id"], sequence_by="seq")

dlt.create_streaming_live_table("old_live")


@dlt.append_flow(target="old_live")
def old_flow():
    return dlt.readStream("old_view")
