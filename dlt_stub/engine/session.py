"""The only place that starts a Spark session."""

from pathlib import Path

from pyspark.sql import SparkSession

SERVERLESS_DEFAULTS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
}
FAST_AND_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.streaming.metricsEnabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}


def start_session(*, jars: list[Path], warehouse: Path, master: str = "local[2]") -> SparkSession:
    """Start a Spark session with Delta, or return the one this process has."""
    builder = SparkSession.builder.master(master).appName("dlt_stub")
    for settings in (SERVERLESS_DEFAULTS, FAST_AND_LOCAL, DELTA):
        for key, value in settings.items():
            builder = builder.config(key, value)
    builder = builder.config("spark.jars", ",".join(str(jar) for jar in jars))
    builder = builder.config("spark.sql.warehouse.dir", str(warehouse))
    return builder.getOrCreate()
