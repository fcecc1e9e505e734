"""Makes the tables and files that pipelines written by others read: rows of our own."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from dlt_stub.engine.catalog import TableEntry, TableRegistry
from dlt_stub.paths import WorkspacePaths

Rows = Sequence[tuple[Any, ...]]


class Inputs:
    """What exists in the workspace before an update: outside tables, files of volumes and DBFS."""

    def __init__(self, storage: Path, spark: SparkSession) -> None:
        self.paths = WorkspacePaths.at(storage)
        self._registry = TableRegistry(self.paths)
        self._spark = spark

    def table(self, name: str, ddl: str, rows: Rows) -> None:
        """Append ``rows`` to the outside Delta table ``catalog.schema.name``."""
        catalog, schema, table = name.split(".")
        location = str(self.paths.table(catalog, schema, table))
        self._frame(ddl, rows).write.format("delta").mode("append").save(location)
        self._registry.put(
            TableEntry(
                catalog=catalog,
                schema=schema,
                name=table,
                location=location,
                kind="MANAGED",
                pipeline_id="",
            )
        )

    def file(self, path: str, text: str) -> None:
        """Write a text file."""
        self._place(path).write_text(text, encoding="utf-8")

    def csv(self, path: str, *lines: str) -> None:
        """Write a CSV file: the header, then the rows."""
        self.file(path, "\n".join(lines) + "\n")

    def json(self, path: str, *records: dict[str, Any]) -> None:
        """Write a file of JSON lines."""
        self.file(path, "".join(json.dumps(record) + "\n" for record in records))

    def parquet(self, path: str, ddl: str, rows: Rows) -> None:
        """Write a folder of one Parquet file."""
        self._frame(ddl, rows).write.mode("overwrite").parquet(str(self._place(path)))

    def delta(self, path: str, ddl: str, rows: Rows) -> None:
        """Write a Delta table that has a path and no name."""
        self._frame(ddl, rows).write.format("delta").save(str(self._place(path)))

    def folder(self, path: str) -> None:
        """Make a folder of DBFS or a volume."""
        self._place(f"{path}/x")

    def _frame(self, ddl: str, rows: Iterable[tuple[Any, ...]]) -> DataFrame:
        return self._spark.createDataFrame(list(rows), ddl).coalesce(1)

    def _place(self, path: str) -> Path:
        place = Path(self.paths.to_local(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        return place
