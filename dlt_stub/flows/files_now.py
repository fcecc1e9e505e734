"""``read_files`` without STREAM: every file there is now, read as Auto Loader reads it.

Source: docs "read_files table-valued function", 2026-11-24.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from dlt_stub.cloud_files import CloudFilesSource, CloudFilesState
from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.errors import DefinitionError

_STREAMING_ONLY = (
    "cloudFiles.allowOverwrites",
    "cloudFiles.cleanSource",
    "cloudFiles.includeExistingFiles",
    "cloudFiles.maxBytesPerTrigger",
    "cloudFiles.maxFilesPerTrigger",
    "cloudFiles.schemaEvolutionMode",
    "cloudFiles.schemaLocation",
)


def columns_now(session: SparkSession, request: CloudFilesRequest) -> StructType:
    """Return the columns that the files of ``request`` have now."""
    with _state() as state:
        return _source(request).current_schema(session, state)


def files_now(session: SparkSession, request: CloudFilesRequest) -> DataFrame:
    """Return the rows of every file of ``request``.

    Shape: the columns of ``columns_now``; ``_metadata`` can be selected where one read takes all
    files, which have one header then.

    Raises:
        DefinitionError: an option is one of streams only.
        RefusedFilesError: a file cannot be read; no file is.
    """
    source = _source(request)
    with _state() as state:
        schema = source.current_schema(session, state)
        plan = source.plan(session, state, schema)
        plan.refused.raise_if_any(request.origin)
        frames = [source.read(session, state, batch) for batch in plan.batches]
        if not frames:
            return session.createDataFrame([], schema)
    return reduce(DataFrame.unionByName, frames)


def _source(request: CloudFilesRequest) -> CloudFilesSource:
    for name in _STREAMING_ONLY:
        if name in request.options:
            raise DefinitionError(
                f"option {name.partition('.')[2]} of read_files goes with STREAM read_files only",
                origin=request.origin,
                hint="leave it out, or read FROM STREAM read_files(...)",
            )
    options = {**request.options, "cloudFiles.maxFilesPerTrigger": str(2**31 - 1)}
    return CloudFilesSource.parse(
        options=options, path=request.path, schema=request.schema, origin=request.origin
    )


@contextmanager
def _state() -> Iterator[CloudFilesState]:
    """Give a ledger that is forgotten: a batch read finds every file new."""
    with tempfile.TemporaryDirectory(prefix="dlt_stub-files-") as folder:
        yield CloudFilesState(Path(folder))
