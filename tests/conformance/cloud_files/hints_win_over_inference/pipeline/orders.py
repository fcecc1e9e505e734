import dlt


@dlt.table
def orders():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id BIGINT, sold_on DATE")
        .load(f"{spark.conf.get('landing')}/in")
    )
