import dlt


def files(**options):
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.maxFilesPerTrigger", "1000")
        .options(**options)
        .load(f"{spark.conf.get('landing')}/in")
        .select("id")
    )


@dlt.table
def between():
    return files(modifiedAfter="2026-01-15T00:00:00Z", modifiedBefore="2026-02-15T00:00:00Z")


@dlt.table
def by_files():
    return files(**{"cloudFiles.maxFilesPerTrigger": "2"})


@dlt.table
def by_bytes():
    return files(**{"cloudFiles.maxBytesPerTrigger": "1b"})
