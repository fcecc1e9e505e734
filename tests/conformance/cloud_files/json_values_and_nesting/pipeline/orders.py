import dlt


def files():
    return spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")


@dlt.table
def texts():
    return files().load(f"{spark.conf.get('landing')}/in")


@dlt.table
def typed():
    reader = files().option("cloudFiles.inferColumnTypes", "true")
    return reader.load(f"{spark.conf.get('landing')}/in")
