"""``spark.sql`` inside a query function: its tables are what the function's reads answer.

Source: docs "Develop pipeline code with SQL", "read_files table-valued function", 2026-11-24.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.sql_formatter import SQLStringFormatter

from dlt_stub.declare.file_functions import (
    CLOUD_FILES,
    READ_FILES,
    cloud_files_request,
    read_files_request,
)
from dlt_stub.declare.reads import CloudFilesRequest, Reads
from dlt_stub.declare.registry import user_origin
from dlt_stub.engine.sql import RelationReference, TableFunctionCall
from dlt_stub.engine.sql_frames import Answer, query_over
from dlt_stub.errors import DefinitionError, NotEmulatedError

Complete = Callable[[tuple[str, ...]], tuple[str, ...]]
_FILE_FORMATS = frozenset({"avro", "binaryfile", "csv", "delta", "json", "orc", "parquet", "text"})
_ASKED_OF_THE_WORKSPACE = frozenset({"event_log", "cloud_files_state"})


def run_query(
    spark: SparkSession,
    reads: Reads,
    sql: str,
    args: Any,  # a dict or list, as pyspark's own ``sql`` takes them
    frames: Mapping[str, Any],
    complete: Complete = tuple,
) -> DataFrame:
    """Return what ``sql`` gives when ``reads`` answers for the tables it names.

    Shape: what the query says; streaming where it reads a stream. ``complete`` adds the levels
    that ``USE`` has given a name.

    Raises:
        NotEmulatedError: it is no query, or reads what is not run here.
    """
    formatter = SQLStringFormatter(spark)
    text = formatter.format(sql, **frames) if frames else sql
    if "current_catalog" in text.lower():
        raise NotEmulatedError(
            "current_catalog() is not run locally: it would be spark_catalog for every catalog",
            origin=user_origin(),
            hint="write the catalog's name",
        )
    try:
        return query_over(
            spark,
            text,
            args=args,
            relation=lambda reference: _relation(spark, reads, reference, complete),
            function=lambda call: _function(spark, reads, call),
        )
    except NotEmulatedError as error:
        if error.origin is not None:
            raise
        raise NotEmulatedError(error.message, origin=user_origin(), hint=error.hint) from error
    finally:
        formatter.clear()


def _relation(
    spark: SparkSession, reads: Reads, reference: RelationReference, complete: Complete
) -> Answer | None:
    parts = reference.parts
    if len(parts) == 2 and parts[0].lower() in _FILE_FORMATS:
        return Answer(frame=_files(spark, reference))
    levels = complete(parts)
    name = ".".join(part if part.isidentifier() else _quoted(part) for part in levels)
    frame = reads.table(name, streaming=reference.is_streaming, options=reference.options)
    return Answer(frame=frame, names=reads.names_of(name))


def _files(spark: SparkSession, reference: RelationReference) -> DataFrame:
    kind, path = reference.parts
    if reference.options:
        raise NotEmulatedError(
            f"options of a read of {kind}.`{path}` are not run locally",
            origin=user_origin(),
            hint="read_files(path, option => value)",
        )
    reader = spark.readStream if reference.is_streaming else spark.read
    frame: DataFrame = reader.format(kind).load(path)
    return frame


def _function(spark: SparkSession, reads: Reads, call: TableFunctionCall) -> DataFrame | None:
    name = call.name[-1].lower()
    if name == CLOUD_FILES:
        return reads.cloud_files(_local(reads, cloud_files_request(spark, call)))
    if name == READ_FILES:
        request = _local(reads, read_files_request(spark, call))
        return reads.cloud_files(request) if call.is_streaming else reads.files(request)
    if name in _ASKED_OF_THE_WORKSPACE:
        raise NotEmulatedError(
            f"{name}(...) inside a query function is not run locally yet",
            origin=user_origin(),
            hint="a published event log is read by its name",
        )
    if call.is_streaming:
        raise DefinitionError(f"STREAM {name}(...) is not a stream", origin=user_origin())
    return None


def _local(reads: Reads, request: CloudFilesRequest) -> CloudFilesRequest:
    return replace(request, path=reads.local(request.path))


def _quoted(part: str) -> str:
    return "`" + part.replace("`", "``") + "`"
