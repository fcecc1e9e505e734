import dlt


def files():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.inferColumnTypes", "true")
    )


@dlt.table
def typed():
    return files().load(f"{spark.conf.get('landing')}/in")


@dlt.table
def without():
    reader = files().option("cloudFiles.partitionColumns", "")
    return reader.load(f"{spark.conf.get('landing')}/in")
