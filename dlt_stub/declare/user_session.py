"""The ``spark`` that user code sees: Spark's own session, whose reads go through ``Reads``."""

from collections.abc import Mapping
from typing import Any, Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.catalog import Catalog, Column, Table
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.streaming.readwriter import DataStreamReader
from pyspark.sql.types import StructType

from dlt_stub.declare.reads import CloudFilesRequest, current_reads, reads_or_none
from dlt_stub.declare.registry import user_origin
from dlt_stub.declare.user_sql import run_query
from dlt_stub.engine.catalog import TableEntry
from dlt_stub.errors import DefinitionError, NotEmulatedError

CLOUD_FILES = "cloudfiles"
_STREAM_FORMATS = ("delta", "rate", "json", "parquet", "csv", "text")  # Spark's own, unchanged


class Names(Protocol):
    """Makes the names and paths a user writes mean something to the session they are used on."""

    def path(self, path: str) -> str:
        """Return where ``path`` lies on this machine."""

    def read_path(self, path: str) -> str:
        """Return where ``path`` lies on this machine, for Spark to read all that is there."""

    def know(self, table: str) -> None:
        """Let the session find ``table`` by that name, if the workspace has it."""

    def sql(self, text: str) -> str:
        """Return ``text`` as SQL the session can run."""

    def current(self) -> tuple[str, str]:
        """Return the catalog and schema that complete a name now."""

    def outside(self, table: str) -> TableEntry:
        """Return the table no pipeline makes that ``table`` names, there already or not."""

    def publish(self, entry: TableEntry) -> None:
        """Let the workspace and the session find ``entry``."""


class UserSession(SparkSession):
    """A Spark session on which dataset names, cloudFiles and ``/Volumes`` paths work.

    It shares the JVM session ``session`` has, so everything else is Spark's own.
    """

    def __init__(self, session: SparkSession, *, names: Names) -> None:
        super().__init__(session.sparkContext, session._jsparkSession)
        self.names = names

    @property
    def catalog(self) -> Catalog:
        """The session's catalog, to which the workspace's tables are known by name."""
        return _UserCatalog(self)

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
        return self.read.table(tableName)

    def sql(self, sqlQuery: str, args: Any = None, **kwargs: Any) -> DataFrame:
        """Run ``sqlQuery``; a query function's tables are those of the pipeline, or outside ones.

        Shape: what the query returns.
        """
        reads = reads_or_none()
        if reads is not None:
            return run_query(self, reads, sqlQuery, args, kwargs)
        return super().sql(self.names.sql(sqlQuery), args, **kwargs)


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


class _UserCatalog(Catalog):
    """Makes a table known before Spark is asked for it: it would say there is none."""

    def __init__(self, spark: UserSession) -> None:
        super().__init__(spark)
        self._names = spark.names

    def currentCatalog(self) -> str:
        return self._names.current()[0]

    def tableExists(self, tableName: str, dbName: str | None = None) -> bool:
        reads = reads_or_none()
        if reads is not None and dbName is None and tableName.lower() in reads.temp_views:
            return True
        self._know(tableName, dbName)
        return super().tableExists(tableName, dbName)

    def dropTempView(self, viewName: str) -> bool:
        reads = reads_or_none()
        if reads is not None and reads.temp_views.pop(viewName.lower(), None) is not None:
            return True
        return super().dropTempView(viewName)

    def getTable(self, tableName: str) -> Table:
        self._know(tableName)
        return super().getTable(tableName)

    def listColumns(self, tableName: str, dbName: str | None = None) -> list[Column]:
        self._know(tableName, dbName)
        return super().listColumns(tableName, dbName)

    def listTables(self, dbName: str | None = None, pattern: str | None = None) -> list[Table]:
        raise NotEmulatedError(
            "spark.catalog.listTables is not run locally yet: it would leave out tables no query "
            "has named",
            origin=user_origin(),
            hint="spark.catalog.tableExists(name)",
        )

    def _know(self, table: str, schema: str | None = None) -> None:
        self._names.know(f"{schema}.{table}" if schema else table)


Paths = str | list[str]


def _mapped(names: Names, path: Paths) -> Paths:
    return (
        names.read_path(path) if isinstance(path, str) else [names.read_path(each) for each in path]
    )


def _located(names: Names, key: str, value: Any) -> Any:  # an option's value, as Spark takes it
    return names.read_path(value) if key.lower() == "path" and isinstance(value, str) else value


class _UserReader(DataFrameReader):
    def __init__(self, spark: UserSession) -> None:
        super().__init__(spark)
        self._names = spark.names
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
        super().option(key, _located(self._names, key, value))
        return self

    def options(self, **options: Any) -> "_UserReader":
        self._told.add(options)
        super().options(**{k: _located(self._names, k, v) for k, v in options.items()})
        return self

    def table(self, tableName: str) -> DataFrame:
        reads = reads_or_none()
        if reads is None:
            self._names.know(tableName)
            return super().table(tableName)
        return reads.table(tableName, streaming=False, options=self._told.options)

    def load(self, path: Any = None, *args: Any, **options: Any) -> DataFrame:
        if "format" in options:
            self.format(options.pop("format"))
        return super().load(None if path is None else _mapped(self._names, path), *args, **options)

    def csv(self, path: Any, *args: Any, **options: Any) -> DataFrame:
        return super().csv(_mapped(self._names, path), *args, **options)

    def json(self, path: Any, *args: Any, **options: Any) -> DataFrame:
        return super().json(_mapped(self._names, path), *args, **options)

    def parquet(self, *paths: str, **options: Any) -> DataFrame:
        return super().parquet(*(self._names.read_path(path) for path in paths), **options)

    def text(self, paths: Paths, *args: Any, **options: Any) -> DataFrame:
        return super().text(_mapped(self._names, paths), *args, **options)

    def orc(self, path: Paths, *args: Any, **options: Any) -> DataFrame:
        return super().orc(_mapped(self._names, path), *args, **options)


class _UserStreamReader(DataStreamReader):
    def __init__(self, spark: UserSession) -> None:
        super().__init__(spark)
        self._names = spark.names
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
        super().option(key, _located(self._names, key, value))
        return self

    def options(self, **options: Any) -> "_UserStreamReader":
        self._told.add(options)
        super().options(**{k: _located(self._names, k, v) for k, v in options.items()})
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
                    path=self._names.read_path(where),
                    schema=self._told.schema,
                    origin=user_origin(),
                )
            )
        if self._told.format not in (None, *_STREAM_FORMATS):
            raise NotEmulatedError(
                f"a stream of format {self._told.format!r} is not run locally",
                origin=user_origin(),
            )
        reads.check_stream(path or self._told.format or "its source")
        return super().load(self._names.read_path(path) if path else path, **options)

    def csv(self, path: str, *args: Any, **options: Any) -> DataFrame:
        current_reads().check_stream(path)
        return super().csv(self._names.read_path(path), *args, **options)

    def json(self, path: str, *args: Any, **options: Any) -> DataFrame:
        current_reads().check_stream(path)
        return super().json(self._names.read_path(path), *args, **options)

    def parquet(self, path: str, *args: Any, **options: Any) -> DataFrame:
        current_reads().check_stream(path)
        return super().parquet(self._names.read_path(path), *args, **options)

    def text(self, path: str, *args: Any, **options: Any) -> DataFrame:
        current_reads().check_stream(path)
        return super().text(self._names.read_path(path), *args, **options)
