"""Opens files as Spark's readers do, unpacked, and knows whether a compressed one is whole."""

import re
from typing import Any, Final

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from dlt_stub.cloud_files.listing import hadoop_configuration, jvm
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.errors import Origin, SourceError

_COMPRESSED: Final = re.compile(r"\.(gz|bz2|deflate|lz4|snappy|zst|zstd|xz)$")
_PACKED_BY: Final = {"gz": "gzip", "bz2": "bzip2"}


def is_packed(path: str) -> bool:
    """Return whether a file's name says that it is compressed."""
    return _COMPRESSED.search(path) is not None


def open_unpacked(spark: SparkSession, file: FileEntry) -> Any:  # Py4J has no types
    """Return a Java stream of the file's bytes, unpacked by the codec its name asks for."""
    hadoop = jvm(spark).org.apache.hadoop
    configuration = hadoop_configuration(spark)
    path = hadoop.fs.Path(file.path)
    stream = path.getFileSystem(configuration).open(path)
    codec = hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(path)
    return codec.createInputStream(stream) if codec is not None else stream


def check_whole(spark: SparkSession, file: FileEntry, origin: Origin | None) -> None:
    """Return if the file is not compressed, or can be unpacked to its end.

    One that was cut off would fail its batch half-way, and every other file of the batch with it.

    Raises:
        SourceError: it cannot.
    """
    found = _COMPRESSED.search(file.path)
    if found is None or file.size == 0:
        return
    try:
        stream = open_unpacked(spark, file)
        try:
            stream.transferTo(jvm(spark).java.io.OutputStream.nullOutputStream())
        finally:
            stream.close()
    except Py4JJavaError as error:
        packed = _PACKED_BY.get(found[1], found[1])
        raise SourceError(
            f"file {file.path!r} cannot be unpacked as {packed}: {reason_of(error)}",
            origin=origin,
            hint="it was cut off, or is not what its name says: deliver it again",
        ) from error


def reason_of(error: OSError | Py4JJavaError) -> str:
    """Return, on one line, why a file could not be read."""
    text = error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else str(error)
    return (text or str(error)).strip().splitlines()[0]
