"""``read_files`` and ``cloud_files`` in SQL: what their arguments mean to Auto Loader.

Source: docs "read_files table-valued function", "Auto Loader options", 2026-11-24. ``read_files``
infers column types and matches paths strictly where Auto Loader by itself does not.
"""

from pathlib import PurePosixPath
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.registry import user_origin
from dlt_stub.engine.sql import FunctionArgument, TableFunctionCall
from dlt_stub.errors import DefinitionError, NotEmulatedError

READ_FILES, CLOUD_FILES = "read_files", "cloud_files"
_PREFIX = "cloudFiles."
# What read_files calls by its last name; all others are the reader's own options.
_AUTO_LOADER = {
    name.lower(): _PREFIX + name
    for name in (
        "allowOverwrites",
        "backfillInterval",
        "cleanSource",
        "cleanSource.moveDestination",
        "cleanSource.retentionDuration",
        "format",
        "includeExistingFiles",
        "inferColumnTypes",
        "maxBytesPerTrigger",
        "maxFileAge",
        "maxFilesPerTrigger",
        "partitionColumns",
        "schemaEvolutionMode",
        "schemaHints",
        "schemaLocation",
        "useIncrementalListing",
        "useManagedFileEvents",
        "useNotifications",
        "useStrictGlobber",
        "validateOptions",
    )
}
_SUFFIXES = {
    ".avro": "avro",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".orc": "orc",
    ".parquet": "parquet",
    ".txt": "text",
    ".xml": "xml",
}
_TYPED_BY_INFERENCE = ("csv", "json", "xml")


def read_files_request(spark: SparkSession, call: TableFunctionCall) -> CloudFilesRequest:
    """Return the Auto Loader source that ``read_files(path, option => value)`` describes.

    The path is as the user wrote it.

    Raises:
        DefinitionError: an argument has no name, or is no constant.
        NotEmulatedError: the format is left to be found out.
    """
    values = _constants(spark, call.arguments)
    path: str | None = None
    schema: str | None = None
    options: dict[str, str] = {}
    for position, (argument, value) in enumerate(zip(call.arguments, values, strict=True)):
        name = argument.name
        if name is None and position == 0:
            path = value
        elif name is None:
            raise DefinitionError(
                f"argument {argument.text} of read_files has no name; allowed: option => value",
                origin=user_origin(),
            )
        elif name.lower() == "path":
            path = value
        elif name.lower() == "schema":
            schema = value
        else:
            options[_AUTO_LOADER.get(name.lower(), name)] = value
    if path is None:
        raise DefinitionError("read_files needs a path", origin=user_origin())
    kind = options.get(f"{_PREFIX}format") or _format_of(path)
    options[f"{_PREFIX}format"] = kind
    if kind.lower() in _TYPED_BY_INFERENCE and schema is None:
        options.setdefault(f"{_PREFIX}inferColumnTypes", "true")
    options.setdefault(f"{_PREFIX}useStrictGlobber", "true")
    return CloudFilesRequest(options=options, path=path, schema=schema, origin=user_origin())


def cloud_files_request(spark: SparkSession, call: TableFunctionCall) -> CloudFilesRequest:
    """Return the source that ``cloud_files(path, format, map(option, value, ...))`` describes.

    Raises:
        DefinitionError: it has other arguments, or one is no constant.
    """
    if not 2 <= len(call.arguments) <= 3:
        raise DefinitionError(
            f"cloud_files takes a path, a format and a map of options, found "
            f"{len(call.arguments)} arguments",
            origin=user_origin(),
        )
    path, kind = _constants(spark, call.arguments[:2])
    options = _map_of(spark, call.arguments[2].text) if len(call.arguments) > 2 else {}
    schema = options.pop("schema", None)
    options[f"{_PREFIX}format"] = kind
    return CloudFilesRequest(options=options, path=path, schema=schema, origin=user_origin())


def _format_of(path: str) -> str:
    suffix = PurePosixPath(path.rstrip("/")).suffix.lower()
    if suffix not in _SUFFIXES:
        raise NotEmulatedError(
            f"read_files({path!r}) leaves the format to be found out from the files, which is not "
            "run locally",
            origin=user_origin(),
            hint="format => 'csv', 'json', 'parquet', ...",
        )
    return _SUFFIXES[suffix]


def _constants(spark: SparkSession, arguments: tuple[FunctionArgument, ...]) -> list[str]:
    plain = [argument.string for argument in arguments]
    if None not in plain:
        return [str(text) for text in plain]
    texts = ", ".join(f"CAST(({argument.text}) AS STRING)" for argument in arguments)
    ((*values,),) = _rows(spark, f"SELECT {texts}", len(arguments))
    return values


def _map_of(spark: SparkSession, text: str) -> dict[str, str]:
    query = f"SELECT explode(CAST(({text}) AS MAP<STRING, STRING>))"
    return {row[0]: row[1] for row in _rows(spark, query, 2)}


def _rows(spark: SparkSession, query: str, width: int) -> list[list[str]]:
    """Return what a query over constants gives; not by ``collect``, which users may not call."""
    try:
        found: Any = spark._jsparkSession.sql(query).collectAsList()  # Py4J
    except PySparkException as error:
        raise DefinitionError(
            f"an argument of a file function is no constant: {str(error).strip().splitlines()[0]}",
            origin=user_origin(),
        ) from error
    rows = []
    for each in range(found.size()):
        row = found.get(each)
        values = [row.get(index) for index in range(width)]
        if None in values:
            raise DefinitionError("an argument of a file function is NULL", origin=user_origin())
        rows.append([str(value) for value in values])
    return rows
