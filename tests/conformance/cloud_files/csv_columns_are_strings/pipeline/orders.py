import dlt


@dlt.table
def orders():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .load(f"{spark.conf.get('landing')}/in")
    )
