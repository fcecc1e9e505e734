"""Reads CSV files of one header into the source's columns, and rescues what does not fit."""

from collections.abc import Mapping, Sequence
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from dlt_stub.cloud_files.columns import Match
from dlt_stub.cloud_files.options import CloudFilesOptions

_COLUMN: Final = "__dlt_csv_"
_CORRUPT: Final = "__dlt_corrupt_record"
_FILE_PATH: Final = "_file_path"
_RECORD: Final = "_corrupt_record"
# Tokens beyond the header that are rescued one by one; a row with more is rescued as a whole too.
# Each costs every row that is taken apart: with 64, 100,000 such rows took 3.3 s, with 16 1.3 s.
EXTRA_TOKENS: Final = 16


def read_csv(
    spark: SparkSession,
    *,
    paths: Sequence[str],
    match: Match,
    schema: StructType,
    options: CloudFilesOptions,
) -> DataFrame:
    """Return the rows of ``paths``, whose common header is ``match.header``.

    Columns are read by position under names of ours, so that Spark looks at no name: it parses each
    field once, as its type. Spark marks rows that have a field it cannot parse, or more or fewer
    fields than the header; only those are taken apart again, as text, to see what was lost.

    Shape:
        ``schema``'s columns, in its order; columns the files lack are NULL. One row per data row
        of the files; batch. ``_metadata`` and ``input_file_name()`` can be selected.
    """
    fields = [
        StructField(f"{_COLUMN}{position}", schema[name].dataType if name else StringType())
        for position, name in enumerate(match.targets)
    ]
    if options.rescued_column is not None:
        fields.append(StructField(_CORRUPT, StringType()))
    reader = spark.read.format("csv").schema(StructType(fields)).options(**options.reader)
    rows = reader.options(
        header=options.has_header,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_CORRUPT,
        recursiveFileLookup=True,  # no column is taken from folder names
        ignoreMissingFiles=options.ignore_missing_files,
        __globPaths__=False,  # a file's name may hold *, [ or {
    ).load(list(paths))
    positions = {name: position for position, name in enumerate(match.targets) if name}
    return rows.select(
        *(
            _rescued(match, options.reader).alias(field.name)
            if field.name == options.rescued_column
            else _value(field, positions).alias(field.name)
            for field in schema
        )
    )


def _value(field: StructField, positions: Mapping[str, int]) -> Column:
    if field.name in positions:
        return F.col(f"{_COLUMN}{positions[field.name]}")
    return F.lit(None).cast(field.dataType)


def _rescued(match: Match, reader: Mapping[str, str]) -> Column:
    """Return the rescued data: NULL, or JSON of the lost fields by name, and the file's path.

    A field is lost when its column is not in the schema, when its text is not NULL while the typed
    value is, or when it lies beyond the header; the last has the key ``_c<position>`` (assumed:
    that is Spark's name for a column without one).

    Source: Databricks, "What is the rescued data column?", checked 2026-11-24.
    """
    width = len(match.header)
    texts = ", ".join(f"t{position} STRING" for position in range(width + EXTRA_TOKENS))
    # Text is taken apart under the reader's own options; a row never holds a header here.
    tokens = F.from_csv(_CORRUPT, texts, dict(reader))

    def lost(token: Column) -> Column:
        names = [*match.header, *_extra_names(match.header)]
        values = [
            F.when(F.col(f"{_COLUMN}{position}").isNull(), token[f"t{position}"])
            if target
            else F.col(f"{_COLUMN}{position}")
            for position, target in enumerate(match.targets)
        ]
        values += [token[f"t{width + extra}"] for extra in range(EXTRA_TOKENS)]
        names.append(_free_name(_RECORD, names))
        has_more = token[f"t{width + EXTRA_TOKENS - 1}"].isNotNull()
        values.append(F.when(has_more, F.col(_CORRUPT)))
        pairs = F.map_from_arrays(F.array(*map(F.lit, names)), F.array(*values))
        return F.map_filter(pairs, lambda _name, value: value.isNotNull())

    def to_json(found: Column) -> Column:
        path = F.create_map(F.lit(_FILE_PATH), F.col("_metadata.file_path"))
        return F.when(F.size(found) > 0, F.to_json(F.map_concat(found, path)))

    # Through a lambda each step is computed once a row; spelled out, Spark would take the row
    # apart again for every one of its fields.
    once = F.transform(F.transform(F.array(tokens), lost), to_json)[0]
    if all(match.targets):
        return F.when(F.col(_CORRUPT).isNotNull(), once)
    return once


def _extra_names(header: Sequence[str]) -> list[str]:
    width = len(header)
    return [_free_name(f"_c{width + extra}", header) for extra in range(EXTRA_TOKENS)]


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
