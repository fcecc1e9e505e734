"""What a batch has counted so far, and how it is counted again when its files are gone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pyspark.serializers import CPickleSerializer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from dlt_stub.cloud_files import FileBatch
from dlt_stub.engine.sql_tree import iterate


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
            # As it was then: what was compacted since is found too, as long as it is kept.
            reader = spark.read.format("delta").option("versionAsOf", int(log.stem))
            rows = reader.load(str(table))
            return rows.where(F.col("_metadata.file_name").isin(names))
    return None


def observed_so_far(query: StreamingQuery) -> Mapping[str, Mapping[str, Any]]:  # Spark's values
    """Return what the micro-batch that ``query`` runs now has counted, by the counts' names.

    Spark tells it in the query's progress too, but only once the batch is committed.
    """
    execution: Any = query._jsq.streamingQuery().lastExecution()  # Py4J
    spark: Any = SparkSession.active()
    found = {}
    for pair in iterate(execution.observedMetrics().iterator()):
        packed = spark._jvm.PythonSQLUtils.toPyRow(pair._2())
        found[str(pair._1())] = CPickleSerializer().loads(packed).asDict()  # type: ignore[no-untyped-call]  # pyspark's own
    return found


def is_as_read(batch: FileBatch) -> bool:
    """Return whether the batch's files are there as they were found, as far as this machine sees.

    A batch that is in its table since before a crash need not be: its files may have moved or been
    replaced since.
    """
    for file in batch.files:
        path = Path(file.path)
        if not path.exists() or path.stat().st_size != file.size:
            return False
        if path.stat().st_mtime_ns // 1_000_000 != file.modified_ms:
            return False
    return True
