"""Finds the keys of JSON files, infers their types, and rescues what does not fit."""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, StringType, StructField, StructType, VariantType

from dlt_stub.cloud_files.columns import Match
from dlt_stub.cloud_files.headers import Header
from dlt_stub.cloud_files.nested import has_fields
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.paths import decode_file_path

_COLUMN: Final = "__dlt_json_"
_WHOLE: Final = "__dlt_record"
_CORRUPT: Final = "__dlt_corrupt_record"
_ABSENT: Final = "__dlt_absent"
_FILE_PATH: Final = "_file_path"
_RECORD: Final = "_corrupt_record"
_OF_FILES: Final = ("charset", "encoding", "lineSep", "multiLine")


def read_keys(
    spark: SparkSession, files: Sequence[FileEntry], options: CloudFilesOptions
) -> dict[FileEntry, Header]:
    """Return, for each file, the keys its records have, sorted, and whether there is a record.

    One Spark job reads all files. Records inside an array at the top count as records. A record
    that is not JSON has no keys.
    """
    empty = Header(columns=(), has_rows=False)
    headers = dict.fromkeys(files, empty)
    filled = [file.path for file in files if file.size > 0]
    if not filled:
        return headers
    fields = [StructField(_WHOLE, VariantType()), StructField(_CORRUPT, StringType())]
    reader = _reader(spark, options).option("columnNameOfCorruptRecord", _CORRUPT)
    reader = reader.schema(StructType(fields)).option("singleVariantColumn", _WHOLE)
    rows = reader.load(filled)
    texts = ArrayType(StringType())
    each = F.try_variant_get(_WHOLE, "$", "array<map<string,variant>>")
    keys = F.coalesce(
        F.map_keys(F.try_variant_get(_WHOLE, "$", "map<string,variant>")),
        F.flatten(F.transform(each, F.map_keys)),
        # The variant's parser refuses a key that comes twice.
        F.json_object_keys(_CORRUPT),
        F.flatten(F.array_compact(F.transform(F.from_json(_CORRUPT, texts), F.json_object_keys))),
        F.array().cast("array<string>"),
    )
    found = (
        rows.select(F.col("_metadata.file_path").alias("path"), keys.alias("keys"))
        .groupBy("path")
        .agg(F.array_sort(F.array_distinct(F.flatten(F.collect_set("keys")))).alias("keys"))
        .collect()
    )
    by_path = {decode_file_path(row["path"]): tuple(row["keys"]) for row in found}
    for file in files:
        if (columns := by_path.get(decode_file_path(file.path))) is not None:
            headers[file] = Header(columns=columns, has_rows=True)
    return headers


def infer_json(spark: SparkSession, paths: Sequence[str], options: CloudFilesOptions) -> StructType:
    """Return the columns of ``paths`` with types, as Spark's own reader infers them.

    Spark leaves out a column that never holds anything but ``{}``. No two keys of the files may
    differ in case only.
    """
    reader = _reader(spark, options).option("columnNameOfCorruptRecord", _CORRUPT)
    found = reader.load(list(paths)).schema
    return StructType([field for field in found if field.name != _CORRUPT])


def read_json(
    spark: SparkSession,
    *,
    paths: Sequence[str],
    match: Match,
    schema: StructType,
    options: CloudFilesOptions,
) -> DataFrame:
    """Return the rows of ``paths``, whose records have the keys ``match.header`` or fewer.

    Spark parses each record once: the keys that fill a column as its type, all others as VARIANT.
    It marks records with a value it cannot parse; only those are taken apart again.

    Shape:
        ``schema``'s columns, in its order; columns the files lack are NULL. One row per record
        of the files, a record that is not JSON included; batch. ``_metadata`` can be selected.
    """
    is_rescuing = options.rescued_column is not None
    pairs = [
        (name, target)
        for name, target in zip(match.header, match.targets, strict=True)
        if target or is_rescuing
    ]
    fields = [
        StructField(name, schema[target].dataType if target else VariantType())
        for name, target in pairs
    ]
    # Spark reads no file for the corrupt record alone, so one more column is always asked for.
    extra = [StructField(_ABSENT, StringType()), StructField(_CORRUPT, StringType())]
    reader = _reader(spark, options).schema(StructType([*fields, *extra]))
    rows = reader.options(
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_CORRUPT,
        ignoreMissingFiles=options.ignore_missing_files,
    ).load(list(paths))
    # By position: a key may hold a dot, and names of ours hide no _metadata.
    rows = rows.toDF(*(f"{_COLUMN}{n}" for n in range(len(pairs))), _ABSENT, _CORRUPT)
    positions = {target: n for n, (_name, target) in enumerate(pairs) if target}
    return rows.select(
        *(
            _rescued(pairs, schema, options).alias(field.name)
            if field.name == options.rescued_column
            else F.col(f"{_COLUMN}{positions[field.name]}").alias(field.name)
            if field.name in positions
            else F.lit(None).cast(field.dataType).alias(field.name)
            for field in schema
        )
    )


def _reader(spark: SparkSession, options: CloudFilesOptions) -> DataFrameReader:
    reader = spark.read.format("json").options(**options.reader)
    return reader.options(recursiveFileLookup=True, __globPaths__=False)


def _rescued(
    pairs: Sequence[tuple[str, str | None]], schema: StructType, options: CloudFilesOptions
) -> Column:
    """Return the rescued data: NULL, or JSON of the lost values by key, and the file's path.

    A value is lost when its key is no column of the schema, or when it is not JSON's null and does
    not parse as its column's type. Of a column with fields inside the whole value is given, even if
    one field only does not fit (assumed). Values stay JSON: a number is no text (assumed). A record
    that is not JSON, or an array with a value that does not fit, has the key ``_corrupt_record``
    and its text (assumed).

    Source: Databricks, "What is the rescued data column?", checked 2026-11-24.
    """
    names = [name for name, _ in pairs]
    settings = {key: value for key, value in options.reader.items() if key not in _OF_FILES}
    settings["columnNameOfCorruptRecord"] = _CORRUPT
    corrupt = F.coalesce(_CORRUPT, _ABSENT)
    # Keys without a column too: a value that cannot be a VARIANT has its record rescued whole.
    variants = StructType(
        [*(StructField(name, VariantType()) for name in names), StructField(_CORRUPT, StringType())]
    )
    parsed = F.from_json(corrupt, variants, settings)

    def build(tokens: Column) -> Column:
        is_whole = tokens.isNull() | tokens[_CORRUPT].isNotNull()
        is_whole = is_whole | F.ltrim(corrupt).startswith("[")
        values = [
            _lost(name, F.col(f"{_COLUMN}{n}"), schema[target], tokens, settings, is_whole)
            if target
            else _not_null(F.col(f"{_COLUMN}{n}"))
            for n, (name, target) in enumerate(pairs)
        ]
        named = [value.alias(name) for value, (name, _) in zip(values, pairs, strict=True)]
        record = F.when(is_whole, corrupt)
        is_lost = _any(value.isNotNull() for value in (*values, record))
        path = F.col("_metadata.file_path").alias(_FILE_PATH)
        return F.when(is_lost, F.to_json(F.struct(*named, record.alias(_free(pairs)), path)))

    # Through a lambda the record is taken apart once.
    once = F.transform(F.array(parsed), build)[0]
    others = [F.col(f"{_COLUMN}{n}") for n, (_, target) in enumerate(pairs) if not target]
    return F.when(_any(value.isNotNull() for value in (corrupt, *others)), once)


def _any(conditions: Iterable[Column]) -> Column:
    return functools.reduce(operator.or_, conditions)


def _lost(
    name: str,
    value: Column,
    field: StructField,
    tokens: Column,
    settings: Mapping[str, str],
    is_whole: Column,
) -> Column:
    token = _not_null(tokens[name])
    if not has_fields(field.dataType) and field.dataType.typeName() not in ("array", "map"):
        return F.when(~is_whole & value.isNull(), token)
    alone = StructType([StructField(name, field.dataType), StructField(_CORRUPT, StringType())])
    again = F.from_json(F.coalesce(_CORRUPT, _ABSENT), alone, dict(settings))
    return F.when(~is_whole & again[_CORRUPT].isNotNull(), token)


def _not_null(value: Column) -> Column:
    return F.when(~F.is_variant_null(value), value)


def _free(pairs: Sequence[tuple[str, str | None]]) -> str:
    name = _RECORD
    while name in [key for key, _ in pairs]:
        name += "_"
    return name
