"""The ``spark`` that user code sees: Spark's own session, whose reads go through ``Reads``."""

from collections.abc import Mapping
from typing import Any, Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.streaming.readwriter import DataStreamReader
from pyspark.sql.types import StructType

from dlt_stub.declare.reads import CloudFilesRequest, current_reads, reads_or_none
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import DefinitionError, NotEmulatedError

CLOUD_FILES = "cloudfiles"


class SqlText(Protocol):
    """Turns the SQL a user wrote into SQL Spark runs."""

    def __call__(self, text: str) -> str:
        """Return ``text`` with the pipeline's names and Databricks' functions spliced in."""


class UserSession(SparkSession):
    """A Spark session on which dataset names, cloudFiles and ``/Volumes`` paths work.

    It shares the JVM session ``session`` has, so everything else is Spark's own.
    """

    def __init__(self, session: SparkSession, *, sql_text: SqlText) -> None:
        super().__init__(session.sparkContext, session._jsparkSession)
        self._sql_text = sql_text

    @property
    def read(self) -> DataFrameReader:
        """A batch reader."""
        return _UserReader(self)

    @property
    def readStream(self) -> DataStreamReader:  # Spark's own spelling
        """A streaming reader."""
        return _UserStreamReader(self)

    def table(self, tableName: str) -> DataFrame:
        """Return a dataset or outside table.

        Shape: its columns and grain, batch.
        """
        reads = reads_or_none()
        if reads is None:
            return super().table(tableName)
        return reads.table(tableName, streaming=False, options={})

    def sql(self, sqlQuery: str, args: Any = None, **kwargs: Any) -> DataFrame:
        """Run ``sqlQuery`` with the pipeline's names known.

        Shape: what the query returns.
        """
        return super().sql(self._sql_text(sqlQuery), args, **kwargs)


class _Remembered:
    """What a reader was told before ``load`` or ``table``; kept beside Spark's own reader."""

    def __init__(self) -> None:
        self.format: str | None = None
        self.schema: StructType | str | None = None
        self.options: dict[str, str] = {}

    def add(self, options: Mapping[str, Any]) -> None:
        for key, value in options.items():
            if value is not None:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                self.options[key] = text


class _UserReader(DataFrameReader):
    def __init__(self, spark: SparkSession) -> None:
        super().__init__(spark)
        self._told = _Remembered()

    def format(self, source: str) -> "_UserReader":
        if source.lower() == CLOUD_FILES:
            raise DefinitionError(
                "cloudFiles is a streaming source",
                origin=user_origin(),
                hint='spark.readStream.format("cloudFiles")',
            )
        super().format(source)
        return self

    def option(self, key: str, value: Any) -> "_UserReader":
        self._told.add({key: value})
        super().option(key, value)
        return self

    def options(self, **options: Any) -> "_UserReader":
        self._told.add(options)
        super().options(**options)
        return self

    def table(self, tableName: str) -> DataFrame:
        reads = reads_or_none()
        if reads is None:
            return super().table(tableName)
        return reads.table(tableName, streaming=False, options=self._told.options)

    def load(self, path: Any = None, *args: Any, **options: Any) -> DataFrame:
        reads = reads_or_none()
        if reads is not None and path is not None:
            path = reads.path(path) if isinstance(path, str) else [reads.path(p) for p in path]
        return super().load(path, *args, **options)


class _UserStreamReader(DataStreamReader):
    def __init__(self, spark: SparkSession) -> None:
        super().__init__(spark)
        self._told = _Remembered()

    def format(self, source: str) -> "_UserStreamReader":
        self._told.format = source.lower()
        if self._told.format != CLOUD_FILES:
            super().format(source)
        return self

    def schema(self, schema: StructType | str) -> "_UserStreamReader":
        self._told.schema = schema
        super().schema(schema)
        return self

    def option(self, key: str, value: Any) -> "_UserStreamReader":
        self._told.add({key: value})
        super().option(key, value)
        return self

    def options(self, **options: Any) -> "_UserStreamReader":
        self._told.add(options)
        super().options(**options)
        return self

    def table(self, tableName: str) -> DataFrame:
        return current_reads().table(tableName, streaming=True, options=self._told.options)

    def load(
        self,
        path: str | None = None,
        format: str | None = None,
        schema: Any = None,
        **options: Any,
    ) -> DataFrame:
        reads = current_reads()
        self._told.add(options)
        if format is not None:
            self.format(format)
        if schema is not None:
            self.schema(schema)
        if self._told.format == CLOUD_FILES:
            where = path or self._told.options.pop("path", None)
            if where is None:
                raise DefinitionError(
                    "cloudFiles needs a path", origin=user_origin(), hint='.load("/Volumes/...")'
                )
            return reads.cloud_files(
                CloudFilesRequest(
                    options=dict(self._told.options),
                    path=reads.path(where),
                    schema=self._told.schema,
                    origin=user_origin(),
                )
            )
        if self._told.format not in (None, "delta", "rate", "json", "parquet", "csv", "text"):
            raise NotEmulatedError(
                f"a stream of format {self._told.format!r} is not run locally",
                origin=user_origin(),
            )
        return super().load(reads.path(path) if path else path, **options)
