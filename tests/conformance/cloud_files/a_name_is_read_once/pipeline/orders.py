import dlt


def files():
    return spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")


@dlt.table
def once():
    return files().load(f"{spark.conf.get('landing')}/in")


@dlt.table
def again():
    reader = files().option("cloudFiles.allowOverwrites", "true")
    return reader.load(f"{spark.conf.get('landing')}/in")
