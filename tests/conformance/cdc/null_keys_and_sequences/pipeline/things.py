import dlt

dlt.create_streaming_table("things")
dlt.apply_changes(target="things", source="thing_changes", keys=["id"], sequence_by="seq")
