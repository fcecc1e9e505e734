import dlt


@dlt.table
def late():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.includeExistingFiles", "false")
        .option("header", "true")
        .schema("id STRING")
        .load(f"{spark.conf.get('landing')}/in")
    )
