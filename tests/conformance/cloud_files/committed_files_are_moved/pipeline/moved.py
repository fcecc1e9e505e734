import dlt


@dlt.table
def moved():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.cleanSource", "MOVE")
        .option("cloudFiles.cleanSource.retentionDuration", "0 seconds")
        .option("cloudFiles.cleanSource.moveDestination", f"{spark.conf.get('landing')}/done")
        .load(f"{spark.conf.get('landing')}/in")
        .select("id")
    )
