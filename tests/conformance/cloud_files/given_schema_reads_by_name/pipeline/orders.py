import dlt


def orders():
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("header", "true")
        .schema("id INT, name STRING")
    )


@dlt.table
def plain():
    return orders().load(f"{spark.conf.get('landing')}/in")


@dlt.table
def rescued():
    reader = orders().option("rescuedDataColumn", "_rescued_data")
    return reader.load(f"{spark.conf.get('landing')}/in")
