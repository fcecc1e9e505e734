import dlt


@dlt.table
def orders():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "xml")
        .option("cloudFiles.inferColumnTypes", "true")
        .option("rowTag", "order")
        .load(f"{spark.conf.get('landing')}/in")
        .drop("_rescued_data")
    )
