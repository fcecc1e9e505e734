"""Reads the footers of Parquet files, merges their columns, and rescues what does not fit."""

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructField, StructType

from dlt_stub.cloud_files.columns import Match, widest
from dlt_stub.cloud_files.headers import Header
from dlt_stub.cloud_files.listing import hadoop_configuration, jvm, local_path, stat_file
from dlt_stub.cloud_files.nested import grown, has_fields, is_readable
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry, Refused
from dlt_stub.errors import Origin, SourceError

_COLUMN: Final = "__dlt_parquet_"
_ABSENT: Final = "__dlt_absent"
_FILE_PATH: Final = "_file_path"
_SPARK_SCHEMA: Final = "org.apache.spark.sql.parquet.row.metadata"


def read_footers(
    spark: SparkSession,
    files: Iterable[FileEntry],
    options: CloudFilesOptions,
    origin: Origin | None,
    refused: Refused,
) -> dict[FileEntry, Header]:
    """Return the columns of each file as Spark types them, and whether it has rows.

    A file that went since it was listed is left out; what is no Parquet file is added to
    ``refused``.
    """
    known: dict[tuple[str | None, ...], StructType] = {}
    headers = {}
    for file in files:
        if file.size == 0:
            headers[file] = Header(columns=(), has_rows=False)
            continue
        try:
            rows, *texts = _footer(spark, file.path)
            mark = tuple(texts)
            if mark not in known:
                # Files written alike cost one schema inference of Spark's, which starts a job.
                known[mark] = _schema(spark, file.path, options)
        except (Py4JJavaError, PySparkException) as error:
            if stat_file(spark, file.path) is None:
                continue
            java = getattr(error, "java_exception", None)
            reason = str(error) if java is None else java.getMessage()
            refused.add(
                file.path,
                SourceError(
                    f"the footer of file {file.path!r} cannot be read: {reason}",
                    origin=origin,
                    hint="remove the file, or keep it out by the option pathGlobFilter",
                ),
            )
            continue
        types = known[mark]
        headers[file] = Header(columns=tuple(types.fieldNames()), has_rows=rows > 0, types=types)
    return headers


def merge_types(
    names: Iterable[str], headers: Iterable[Header], hinted: StructType, origin: Origin | None
) -> dict[str, DataType]:
    """Return the widest type of each column of ``names``, by its name in lower case.

    A column that ``hinted`` names needs no common type.

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" (the widest type
    is chosen), checked 2026-11-24; which type is the widest is assumed to be one that Spark's
    Parquet reader reads all of them as.

    Raises:
        SourceError: two files hold types that no one type can be read from.
    """
    free = {name.lower() for name in hinted.fieldNames()}
    wanted = {name.lower() for name in names}
    types: dict[str, DataType] = {}
    for header in headers:
        for field in header.types or StructType():
            key = field.name.lower()
            if key not in wanted:
                continue
            before = types.get(key)
            if before is None or key in free:
                types[key] = field.dataType if before is None else before
                continue
            wide = _merged(before, field.dataType)
            if wide is None:
                raise SourceError(
                    f"column {field.name!r} is {before.simpleString()} in one file and "
                    f"{field.dataType.simpleString()} in another",
                    origin=origin,
                    hint=f"choose its type by cloudFiles.schemaHints: '{field.name} ...'",
                )
            types[key] = wide
    return types


def _merged(one: DataType, other: DataType) -> DataType | None:
    wide = grown(one, other) if has_fields(one) else widest(one, other)
    return wide if is_readable(one, wide) and is_readable(other, wide) else None


def read_parquet(
    spark: SparkSession,
    *,
    paths: Sequence[str],
    match: Match,
    types: StructType,
    schema: StructType,
    options: CloudFilesOptions,
    origin: Origin | None,
) -> DataFrame:
    """Return the rows of ``paths``, all of which hold the columns ``types``.

    A column is read as the schema's type where Spark's reader can; where it cannot, its values are
    rescued, or the read is refused when nothing is rescued.

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" (a hint is the
    type to read, no cast; what does not fit is rescued), checked 2026-11-24.

    Shape:
        ``schema``'s columns, in its order; columns the files lack are NULL. One row per row of
        the files; batch. ``_metadata`` can be selected.

    Raises:
        SourceError: a column cannot be read as the schema's type, and nothing is rescued.
    """
    is_rescuing = options.rescued_column is not None
    pairs = [
        (field, target if target and is_readable(field.dataType, schema[target].dataType) else None)
        for field, target in zip(types, match.targets, strict=True)
        if target or is_rescuing
    ]
    if not is_rescuing:
        _check(types, match, schema, origin)
    wanted = StructType([StructField(_ABSENT, StringType())])  # a read has one column at least
    for field, target in pairs:
        wanted = wanted.add(field.name, schema[target].dataType if target else field.dataType)
    reader = spark.read.format("parquet").options(**options.reader)
    rows = reader.schema(wanted).options(
        recursiveFileLookup=True,
        ignoreMissingFiles=options.ignore_missing_files,
        __globPaths__=False,
    )
    frame = rows.load(list(paths)).toDF(_ABSENT, *(f"{_COLUMN}{n}" for n in range(len(pairs))))
    positions = {target: n for n, (_, target) in enumerate(pairs) if target}
    lost = [(field.name, F.col(f"{_COLUMN}{n}")) for n, (field, t) in enumerate(pairs) if not t]
    return frame.select(
        *(
            _rescued(lost).alias(field.name)
            if field.name == options.rescued_column
            else F.col(f"{_COLUMN}{positions[field.name]}").alias(field.name)
            if field.name in positions
            else F.lit(None).cast(field.dataType).alias(field.name)
            for field in schema
        )
    )


def _check(types: StructType, match: Match, schema: StructType, origin: Origin | None) -> None:
    for field, target in zip(types, match.targets, strict=True):
        if target and not is_readable(field.dataType, schema[target].dataType):
            raise SourceError(
                f"column {field.name!r} of the files is {field.dataType.simpleString()}, which "
                f"cannot be read as {schema[target].dataType.simpleString()}",
                origin=origin,
                hint="change the schema or cloudFiles.schemaHints, or set the option "
                "rescuedDataColumn",
            )


def _rescued(lost: Sequence[tuple[str, Column]]) -> Column:
    """Return NULL, or JSON of the values that have no column, and the file's path."""
    if not lost:
        return F.lit(None).cast("string")
    path = F.col("_metadata.file_path").alias(_FILE_PATH)
    whole = F.to_json(F.struct(*(value.alias(name) for name, value in lost), path))
    is_lost = F.lit(False)
    for _, value in lost:
        is_lost = is_lost | value.isNotNull()
    return F.when(is_lost, whole)


def _footer(spark: SparkSession, path: str) -> tuple[int, str, str | None]:
    """Return how many rows a file has, its own schema's text, and Spark's text of it, if any."""
    local = local_path(path)
    if local is not None:
        try:  # some 100 times as fast as to have the JVM do it
            meta = pq.read_metadata(local)
        except (OSError, pa.ArrowException):
            pass  # what is wrong with it is said by Spark's own reader
        else:
            spark_schema = (meta.metadata or {}).get(_SPARK_SCHEMA.encode(), b"").decode()
            # The first line of the text holds an address in memory.
            return meta.num_rows, str(meta.schema).partition("\n")[2], spark_schema
    java = jvm(spark).org.apache
    file = java.parquet.hadoop.util.HadoopInputFile.fromPath(
        java.hadoop.fs.Path(path), hadoop_configuration(spark)
    )
    reader = java.parquet.hadoop.ParquetFileReader.open(file)
    try:
        meta = reader.getFooter().getFileMetaData()
        spark_schema = meta.getKeyValueMetaData().get(_SPARK_SCHEMA)
        return reader.getRecordCount(), meta.getSchema().toString(), spark_schema
    finally:
        reader.close()


def _schema(spark: SparkSession, path: str, options: CloudFilesOptions) -> StructType:
    reader = spark.read.format("parquet").options(**options.reader)
    return reader.options(recursiveFileLookup=True, __globPaths__=False).load([path]).schema
