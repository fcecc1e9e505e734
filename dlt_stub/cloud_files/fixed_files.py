"""Reads text and binary files, whose columns are always the same, and ORC, where they are given."""

from collections.abc import Sequence
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import (
    BinaryType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from dlt_stub.cloud_files.formats import FileFormat
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.errors import Origin, SourceError

FIXED_COLUMNS: Final = {
    FileFormat.TEXT: StructType([StructField("value", StringType())]),
    FileFormat.BINARY_FILE: StructType(
        [
            StructField("path", StringType()),
            StructField("modificationTime", TimestampType()),
            StructField("length", LongType()),
            StructField("content", BinaryType()),
        ]
    ),
}


def check_fixed(schema: StructType, kind: FileFormat, origin: Origin | None) -> None:
    """Refuse a schema that is not the format's own.

    Raises:
        SourceError: the schema has other columns or types.
    """
    fixed = FIXED_COLUMNS[kind]
    found = [(field.name, field.dataType) for field in schema]
    if found != [(field.name, field.dataType) for field in fixed]:
        raise SourceError(
            f"the schema {schema.simpleString()} is not what {kind.value} files hold: "
            f"{fixed.simpleString()}",
            origin=origin,
            hint="leave out .schema(...)",
        )


def read_fixed(
    spark: SparkSession, *, paths: Sequence[str], options: CloudFilesOptions
) -> DataFrame:
    """Return the rows of ``paths`` as Spark's own reader gives them.

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" (text and
    binaryFile have a fixed schema), checked 2026-11-24. That there is no rescued data column is
    assumed.

    Shape:
        For text ``value STRING``, one row per line, or per file with ``wholetext``. For binaryFile
        ``path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY``, one row per
        file. Batch; ``_metadata`` can be selected.
    """
    reader = spark.read.format(options.format.value).options(**options.reader)
    return reader.options(
        recursiveFileLookup=True,
        ignoreMissingFiles=options.ignore_missing_files,
        __globPaths__=False,
    ).load(list(paths))


def read_orc(
    spark: SparkSession, *, paths: Sequence[str], schema: StructType, options: CloudFilesOptions
) -> DataFrame:
    """Return the rows of ``paths`` as Spark's own ORC reader gives them: columns by their names.

    Shape:
        ``schema``'s columns, in its order; columns a file lacks are NULL; batch; ``_metadata`` can
        be selected.
    """
    reader = spark.read.format("orc").schema(schema).options(**options.reader)
    return reader.options(
        recursiveFileLookup=True,
        ignoreMissingFiles=options.ignore_missing_files,
        __globPaths__=False,
    ).load(list(paths))
