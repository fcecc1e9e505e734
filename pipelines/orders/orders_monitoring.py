"""What the dashboard reads: ``order_quality`` and ``order_files``, fed by new rows only."""

from collections.abc import Iterator

import dlt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from expectations.rules import quoted
from pipelines.feed import (
    RESCUED,
    SOURCE_FILE,
    SOURCE_FILE_MODIFIED_AT,
    SOURCE_FILE_SIZE,
    feed_from,
)

feed = feed_from(spark.conf)

EXPECTATIONS_IN_DETAILS = """
    flow_progress STRUCT<data_quality STRUCT<expectations ARRAY<STRUCT<
        name STRING, dataset STRING, passed_records BIGINT, failed_records BIGINT>>>>
"""
# url_decode reads + as a space, which Spark's paths do not mean.
FILE_NAME = f"url_decode(replace(element_at(split({SOURCE_FILE}, '/'), -1), '+', '%2B'))"
CLOCK_TYPES = ("timestamp", "timestamp_ntz", "date", "string")


def sequence_as_time(rows: DataFrame) -> Column:
    """Return the sequence column as a timestamp, NULL where it does not tell a time."""
    type_name = rows.select(quoted(feed.sequence_column)).schema[0].dataType.simpleString()
    if type_name not in CLOCK_TYPES:
        return F.lit(None).cast("timestamp")
    return F.expr(f"try_cast({quoted(feed.sequence_column)} AS TIMESTAMP)")


# Sums of what one Spark task sees of one delivery; mapInArrow needs the types spelled out.
PARTS = f"""
    {SOURCE_FILE} STRING, {SOURCE_FILE_SIZE} BIGINT, modified_at TIMESTAMP,
    rows BIGINT, accepted BIGINT, rescued BIGINT, newest_change_at TIMESTAMP
"""
DELIVERY = (SOURCE_FILE, SOURCE_FILE_SIZE, "modified_at")
SUMS = (("rows", "sum"), ("accepted", "sum"), ("rescued", "sum"), ("newest_change_at", "max"))


def add_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield one row for each delivery among the rows of one Spark task."""
    parts = [_added_up(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows]
    if parts:
        yield from _added_up(pa.concat_tables(parts)).to_batches()


def _added_up(rows: pa.Table) -> pa.Table:
    groups = rows.group_by(list(DELIVERY)).aggregate(list(SUMS))
    columns = [*DELIVERY, *(f"{name}_{how}" for name, how in SUMS)]
    return groups.select(columns).rename_columns(rows.column_names)


@dlt.table(
    name="order_files",
    comment="The rows of each delivery of a file: accepted, quarantined, rescued; its lateness",
)
def order_files() -> DataFrame:
    """Every delivery with at least one row; only new rows of the stage are read, nothing is kept.

    The sums of a micro-batch are appended: what an update costs does not grow with the history, and
    no row comes too late. A grouping needs a watermark, which loses late rows, or is worked out
    anew each time. Readers add up the rows of a delivery: a big file's rows may be summed in parts.

    Shape: streaming; one row (seldom several) for each `source_file`, `source_file_size` and
    `modified_at`: `file` (name), `day` (UTC, of `modified_at`), `rows`, `accepted`, `quarantined`
    (by the rules), `rescued`, `newest_change_at`, `lateness_hours` (from the newest change to the
    file's modification; NULL where the sequence is no time).

    Source: docs "Lakeflow pipelines concepts" (append flows are the only streaming ones) and
    "Optimize stateful processing with watermarks" (without one, an aggregation is recomputed),
    2026-11-24. mapInArrow keeps no state: docs "mapInArrow".
    """
    stage = spark.readStream.table("orders_stage")
    accepted = F.lit(True)
    for sql in feed.guards.values():
        accepted = accepted & F.expr(sql)
    hours = (F.unix_timestamp("modified_at") - F.unix_timestamp("newest_change_at")) / 3600
    return (
        stage.select(
            SOURCE_FILE,
            SOURCE_FILE_SIZE,
            F.col(SOURCE_FILE_MODIFIED_AT).alias("modified_at"),
            F.lit(1).cast("bigint").alias("rows"),
            F.when(accepted, 1).otherwise(0).cast("bigint").alias("accepted"),
            F.when(F.col(RESCUED).isNotNull(), 1).otherwise(0).cast("bigint").alias("rescued"),
            sequence_as_time(stage).cast("timestamp").alias("newest_change_at"),
        )
        .mapInArrow(add_up, PARTS)
        .select(
            *DELIVERY,
            F.expr(FILE_NAME).alias("file"),
            F.to_date("modified_at").alias("day"),
            "rows",
            "accepted",
            (F.col("rows") - F.col("accepted")).alias("quarantined"),
            "rescued",
            "newest_change_at",
            F.round(hours, 2).alias("lateness_hours"),
        )
    )


def order_quality() -> DataFrame:
    """What each update said of each rule, as flat rows to be summed.

    On Databricks an update's last events may be written after this table was refreshed: they come
    with the next update (assumed; the log is written asynchronously).

    Shape: streaming; one row per flow-progress event and rule: `update_id`, `flow`, `dataset`,
    `rule`, `severity` (NULL for a rule that is gone), `day` (UTC), `at`, `passed`, `failed`.

    Source: Databricks docs, "Pipeline event log", querying a published log, 2026-11-24. Assumed:
    that a pipeline may stream from its own.
    """
    severities = [F.when(F.col("rule") == r.name, F.lit(str(r.severity))) for r in feed.rules.rules]
    return (
        spark.readStream.option("skipChangeCommits", "true")
        .table(feed.event_log)
        .where("event_type = 'flow_progress'")
        .select(
            F.col("origin.update_id").alias("update_id"),
            F.col("origin.flow_name").alias("flow"),
            F.col("timestamp").alias("at"),
            F.from_json("details", EXPECTATIONS_IN_DETAILS).alias("details"),
        )
        .select("*", F.explode("details.flow_progress.data_quality.expectations").alias("e"))
        .where("coalesce(e.passed_records, 0) + coalesce(e.failed_records, 0) > 0")
        .withColumn("rule", F.col("e.name"))
        .select(
            "update_id",
            "flow",
            F.col("e.dataset").alias("dataset"),
            "rule",
            F.coalesce(*severities, F.lit(None).cast("string")).alias("severity"),
            F.to_date("at").alias("day"),
            "at",
            F.coalesce("e.passed_records", F.lit(0)).alias("passed"),
            F.coalesce("e.failed_records", F.lit(0)).alias("failed"),
        )
    )


# A pipeline's first update on Databricks may evaluate its definitions before its event log exists
# (assumed). The table then begins with the second update, and nothing is missed: the log is read
# from its start.
if spark.catalog.tableExists(feed.event_log):
    dlt.table(
        name="order_quality",
        comment="How many rows passed and failed each rule, one row for each event of an update",
    )(order_quality)
else:
    print(f"order_quality is left out of this update: {feed.event_log} does not exist yet")
