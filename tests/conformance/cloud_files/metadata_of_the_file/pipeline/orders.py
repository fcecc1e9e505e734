import dlt


@dlt.table
def orders():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .load(f"{spark.conf.get('landing')}/in")
        .select(
            "id",
            "_metadata.file_name",
            "_metadata.file_size",
            "_metadata.file_modification_time",
        )
    )
