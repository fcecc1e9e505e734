"""Counts a batch again from the rows it has put into its table, when its files are gone."""

import json
from pathlib import Path
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def committed_rows(spark: SparkSession, table: Path, app_id: str, number: int) -> DataFrame | None:
    """Return the rows that batch ``number`` of ``app_id`` has added, or None if no log says.

    Shape: the table's columns; one row per row of the batch; batch.
    """
    for log in sorted((table / "_delta_log").glob("[0-9]*.json"), reverse=True):
        actions = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        writes = [each["txn"] for each in actions if "txn" in each]
        if any(each["appId"] == app_id and each["version"] == number for each in writes):
            added = [each["add"]["path"] for each in actions if "add" in each]
            names = [unquote(path).rsplit("/", 1)[-1] for path in added]
            rows = spark.read.format("delta").load(str(table))
            return rows.where(F.col("_metadata.file_name").isin(names))
    return None
