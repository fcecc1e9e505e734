import dlt


def files():
    return spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")


@dlt.table
def everything():
    return files().load(f"{spark.conf.get('landing')}/in")


@dlt.table
def filtered():
    return files().option("pathGlobFilter", "*.csv").load(f"{spark.conf.get('landing')}/in")


@dlt.table
def patterned():
    return files().load(f"{spark.conf.get('landing')}/in/*/er/*.csv")
