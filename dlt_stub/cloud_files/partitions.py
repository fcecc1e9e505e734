"""Columns whose values stand in the names of folders: ``.../day=2026-01-02/a.csv``."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructField, StructType

from dlt_stub.cloud_files.globs import literal_folder
from dlt_stub.cloud_files.listing import local_path
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry

_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_KEY_VALUE: Final = re.compile(r"([^/=]+)=([^/]*)")


def folder_values(file: FileEntry, path: str) -> dict[str, str]:
    """Return the ``key=value`` folders between the source's path and ``file``, outermost first."""
    folders = _below(file.path, path).split("/")[:-1]
    found = (_KEY_VALUE.fullmatch(folder) for folder in folders)
    return {unquote(match[1]): match[2] for match in found if match}


def keys_in(file: FileEntry, path: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of ``names`` that a folder above ``file`` gives a value, case aside."""
    keys = {key.lower() for key in folder_values(file, path)}
    return tuple(name for name in names if name.lower() in keys)


def inferred_partitions(
    spark: SparkSession, files: Sequence[FileEntry], path: str, options: CloudFilesOptions
) -> StructType:
    """Return the partition columns of ``files``.

    Columns named by ``cloudFiles.partitionColumns`` are all there; else those that every file has,
    in the same order, or none where files differ. Their types are Spark's own for such folders
    where types are inferred or stand in the files, else STRING (assumed: text formats are not
    typed unless ``cloudFiles.inferColumnTypes`` says so).

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" and "Auto Loader
    options" (cloudFiles.partitionColumns), checked 2026-11-24.
    """
    if not files and not options.partition_columns:
        return StructType()
    values = [folder_values(file, path) for file in files]
    names = options.partition_columns
    if names is None:
        names = tuple(values[0])
        if any(tuple(each) != names for each in values):
            return StructType()
    is_typed = options.infer_column_types or not options.format.is_text
    return StructType(
        [
            StructField(name, _type(spark, values, name) if is_typed else StringType())
            for name in names
        ]
    )


def with_partitions(
    frame: DataFrame, names: Sequence[str], schema: StructType, path: str
) -> DataFrame:
    """Return ``frame`` with the columns ``names`` taken from the folders its files lie in.

    Shape:
        ``schema``'s columns, in its order; the rows of ``frame``.
    """
    return frame.select(
        *(
            _value(field.name, path).cast(field.dataType).alias(field.name)
            if field.name in names
            else F.col(f"`{field.name.replace('`', '``')}`")
            for field in schema
        )
    )


def _below(file: str, path: str) -> str:
    base = literal_folder(local_path(path) or path).rstrip("/")
    return file.removeprefix(base).lstrip("/") if file.startswith(f"{base}/") else ""


def _value(name: str, path: str) -> Column:
    """Return the text that the folder ``name=...`` above a row's file gives, or NULL."""
    base = literal_folder(local_path(path) or path).rstrip("/")
    plain = _decoded(F.col("_metadata.file_path"))
    key = rf"(?i:\Q{_written(name)}\E|\Q{name}\E)"
    pattern = rf"^(?:file:(?:///?)?(?=/))?\Q{base}\E(?:/.*)?/{key}=([^/]*)/"
    text = F.regexp_extract(plain, pattern, 1)
    return F.when(F.rlike(plain, F.lit(pattern)) & ~text.isin("", _NULL), _decoded(text))


def _written(name: str) -> str:
    """Return a column's name as Spark writes it into a folder's name."""
    return quote(name, safe=" !$&()+,;<>@`|~-._'")


def _decoded(text: Column) -> Column:
    # URL decoding would turn a plus into a blank; text that is not encoded stays as it is.
    return F.coalesce(F.try_url_decode(F.replace(text, F.lit("+"), F.lit("%2B"))), text)


def _type(spark: SparkSession, values: Sequence[dict[str, str]], name: str) -> DataType:
    """Return the type Spark gives a partition column with these folders, found by asking it."""
    texts = {found for each in values if (found := each.get(name))}
    with tempfile.TemporaryDirectory(prefix="dlt_stub-partitions-") as tree:
        for text in texts:
            folder = Path(tree, f"k={text}")
            folder.mkdir()
            (folder / "file").touch()
        return spark.read.format("text").load(tree).schema["k"].dataType
