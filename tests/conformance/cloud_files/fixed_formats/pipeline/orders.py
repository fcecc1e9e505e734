import dlt


def files_of(kind):
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", kind)
        .load(f"{spark.conf.get('landing')}/in")
    )


@dlt.table
def lines():
    return files_of("text")


@dlt.table
def files():
    return files_of("binaryFile")
