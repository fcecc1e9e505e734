import dlt


@dlt.view
def changes():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT, seq INT")
        .load("/Volumes/main/default/landing/changes")
    )


of_changes = {
    "source": "changes",
    "keys": ["id"],
    "sequence_by": "seq",
    "except_column_list": ["_rescued_data"],
}
dlt.create_streaming_table("latest", expect_all={"no_x": "v IS NULL OR v <> 'x'"})
dlt.apply_changes("latest", **of_changes)
dlt.create_streaming_table("history")
dlt.apply_changes("history", **of_changes, stored_as_scd_type=2)
dlt.create_streaming_table("filled")
dlt.apply_changes("filled", **of_changes, ignore_null_updates=True)
