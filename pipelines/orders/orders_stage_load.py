"""Landed CSV files become ``orders_stage``: every delivered row, and where it came from."""

import dlt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from expectations.rules import check_sql
from pipelines.feed import (
    RESCUED,
    SOURCE_FILE,
    SOURCE_FILE_MODIFIED_AT,
    SOURCE_FILE_SIZE,
    feed_from,
)

feed = feed_from(spark.conf)
check_sql(spark, feed.rules.rules)
for note in feed.rules.notes():
    print(note)


@dlt.table(
    name="orders_stage",
    comment="Every row of every delivered file, in the feed's columns, with the file it came from",
    table_properties={
        "quality": "bronze",
        # The files are in the archive by then: a full refresh would empty the table for good.
        "pipelines.reset.allowed": "false",
    },
)
@dlt.expect_all(feed.warns)
def orders_stage() -> DataFrame:
    """Every delivered row is here once for each delivery of its file.

    Hinted columns have their types; others are strings, because a type guessed from the first files
    breaks on the first later value that does not fit. A file replaced under its own name is read
    again, whole. Quotes are doubled inside quotes, as spreadsheets and Python write them.

    Shape: streaming; the feed's columns, `_rescued_data` (JSON of what did not fit), `source_file`
    (percent-encoded URI), `source_file_size` (bytes), `source_file_modified_at` (UTC).
    """
    return (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.inferColumnTypes", "false")
        .option("cloudFiles.schemaHints", feed.schema_hints)
        .option("cloudFiles.allowOverwrites", "true")
        .option("rescuedDataColumn", RESCUED)
        .option("header", "true")
        .option("escape", '"')
        .load(feed.source_path)
        .select(
            "*",
            F.col("_metadata.file_path").alias(SOURCE_FILE),
            F.col("_metadata.file_size").alias(SOURCE_FILE_SIZE),
            F.col("_metadata.file_modification_time").alias(SOURCE_FILE_MODIFIED_AT),
        )
    )
