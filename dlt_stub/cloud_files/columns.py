"""The columns of a source: hints, inference, evolution, and which file column is which."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    StructField,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.errors import NotEmulatedError, Origin, SourceError

UNSTORABLE: Final = " ,;{}()\n\t="  # in names of columns, unless the table maps them
_TEXT: Final = StringType()
_PATH: Final = "dlt_path"
_DOTTED: Final = re.compile(r"[^\s:`.]+(\.[^\s:`.]+)+")
_WIDENING: Final = (
    (ByteType, ShortType, IntegerType, LongType, DecimalType, FloatType, DoubleType),
    (DateType, TimestampNTZType, TimestampType),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """For each column of a file, by position, the source's column it fills, or None."""

    header: tuple[str, ...]
    targets: tuple[str | None, ...]


def parse_ddl(
    text: str, what: str, origin: Origin | None, *, is_nested: bool = False
) -> StructType:
    """Return the columns that a DDL text such as ``id BIGINT, at TIMESTAMP`` names.

    Needs a running Spark session, whose parser it uses. ``is_nested`` says that columns may hold
    arrays, maps and structs.

    Raises:
        SourceError: the text does not parse, or a CSV file cannot hold one of its types.
        NotEmulatedError: it names a field inside a column.
    """
    try:
        schema = StructType.fromDDL(text)
    except PySparkException as error:
        reason = (error.getMessage() or str(error)).strip().splitlines()[0]
        message = f"{what} {text!r} is not a list of columns with types: {reason}"
        if "'.'" in reason:
            raise NotEmulatedError(message, origin=origin) from error
        raise SourceError(
            message, origin=origin, hint="write it as 'order_id BIGINT, updated_at TIMESTAMP'"
        ) from error
    if not isinstance(schema, StructType):
        raise SourceError(f"{what} {text!r} names no column", origin=origin)
    check_types(schema, what, origin, is_nested=is_nested)
    return schema


def parse_hints(text: str, what: str, origin: Origin | None, *, is_nested: bool) -> StructType:
    """Return the columns and inner fields that hints such as ``id INT, user.born DATE`` name.

    A name with dots, not in backticks, is a field inside a column: of a struct by its name, of an
    array by ``element``, of a map by ``key`` or ``value``. Such a hint keeps its path in its
    metadata.

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" (schema hints),
    checked 2026-11-24.

    Raises:
        SourceError: the text does not parse.
        NotEmulatedError: a CSV file is hinted to have fields inside a column.
    """
    plain, inside = [], []
    for item in _items(text):
        found = _DOTTED.match(item)
        if found is None:
            plain.append(item)
        elif not is_nested:
            raise NotEmulatedError(
                f"{what} {text!r} names a field inside a column, {item!r}, which a CSV file cannot "
                "hold",
                origin=origin,
            )
        else:
            path = found[0].split(".")
            kind = parse_ddl(f"field {item[found.end() :]}", what, origin, is_nested=True)[0]
            inside.append(StructField(found[0], kind.dataType, metadata={_PATH: path}))
    columns = parse_ddl(", ".join(plain), what, origin, is_nested=is_nested) if plain else ()
    return StructType([*columns, *inside])


def _items(text: str) -> list[str]:
    """Return what stands between the commas that are in no bracket and no backticks."""
    items, depth, is_quoted = [""], 0, False
    for letter in text:
        is_quoted ^= letter == "`"
        if not is_quoted:
            depth += (letter in "<(") - (letter in ">)")
            if letter == "," and depth == 0:
                items.append("")
                continue
        items[-1] += letter
    return [item.strip() for item in items]


def check_types(
    schema: StructType, what: str, origin: Origin | None, *, is_nested: bool = False
) -> None:
    """Refuse types that a field of a CSV file cannot have, unless the files are of another format.

    Raises:
        SourceError: a column is an array, a map, a struct or has no type, or a name occurs twice.
    """
    seen: set[str] = set()
    for field in schema:
        if (
            isinstance(field.dataType, ArrayType | MapType | StructType | NullType)
            and not is_nested
        ):
            raise SourceError(
                f"{what} gives column {field.name!r} the type {field.dataType.simpleString()}, "
                "which a CSV file cannot hold",
                origin=origin,
                hint="read it as STRING and parse it in the query",
            )
        if field.name.lower() in seen:
            raise SourceError(f"{what} names column {field.name!r} twice", origin=origin)
        seen.add(field.name.lower())


def with_hints(schema: StructType, hints: StructType) -> StructType:
    """Return ``schema`` with hinted types; hinted columns it lacks come last.

    Names are matched without regard to case, the schema's spelling stays (assumed). A hint for a
    field inside a column that is not there yet waits for the column (assumed).

    Raises:
        NotEmulatedError: a hint is for a field inside a column that has none.
    """
    hints, inside = _apart(hints)
    hinted = {field.name.lower(): field.dataType for field in hints}
    known = {field.name.lower() for field in schema}
    typed = [
        StructField(field.name, hinted.get(field.name.lower(), field.dataType)) for field in schema
    ]
    missing = [
        StructField(field.name, field.dataType)
        for field in hints
        if field.name.lower() not in known
    ]
    return with_inner_hints(StructType([*typed, *missing]), StructType(inside))


def with_inner_hints(schema: StructType, hints: StructType) -> StructType:
    """Return ``schema`` with the types that ``hints`` give to fields inside its columns.

    Raises:
        NotEmulatedError: the column has no such field, nor can get it.
    """
    fields = {field.name.lower(): field for field in schema}
    for hint in _apart(hints)[1]:
        first, *rest = hint.metadata[_PATH]
        if (field := fields.get(first.lower())) is not None:
            kind = _inner(field.dataType, rest, hint)
            fields[first.lower()] = StructField(field.name, kind)
    return StructType(list(fields.values()))


def _apart(hints: StructType) -> tuple[StructType, list[StructField]]:
    inside = [hint for hint in hints if _PATH in hint.metadata]
    return StructType([hint for hint in hints if _PATH not in hint.metadata]), inside


def _inner(kind: DataType, path: Sequence[str], hint: StructField) -> DataType:
    if not path:
        return hint.dataType
    name, *rest = path
    match kind, name.lower():
        case StructType(), _:
            known = {field.name.lower() for field in kind}
            fields = [
                StructField(field.name, _inner(field.dataType, rest, hint))
                if field.name.lower() == name.lower()
                else field
                for field in kind
            ]
            if name.lower() not in known and not rest:
                fields.append(StructField(name, hint.dataType))
            return StructType(fields)
        case ArrayType(), "element":
            return ArrayType(_inner(kind.elementType, rest, hint))
        case MapType(), "key":
            return MapType(_inner(kind.keyType, rest, hint), kind.valueType)
        case MapType(), "value":
            return MapType(kind.keyType, _inner(kind.valueType, rest, hint))
        case _:
            raise NotEmulatedError(
                f"the hint '{hint.name} {hint.dataType.simpleString()}' is for a field inside "
                f"{kind.simpleString()}, which has no {name!r}",
                hint="set cloudFiles.inferColumnTypes to true, or hint the whole column's type",
            )


def with_rescued(schema: StructType, name: str | None) -> StructType:
    """Return ``schema`` with the rescued data column last, unless it has one or none is wanted."""
    if name is None or name in schema.fieldNames():
        return schema
    return StructType([*schema.fields, StructField(name, _TEXT)])


def is_unstorable(name: str) -> bool:
    """Return whether no Delta table without column mapping takes a column of that name."""
    return any(letter in name for letter in UNSTORABLE)


def new_columns(header: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of ``header`` that no known column equals, even without regard to case.

    A column that differs from a known one by case only is not new: it is rescued, or read into
    that column, as ``readerCaseSensitive`` says.
    """
    seen = {name.lower() for name in known}
    found = []
    for name in header:
        if name.lower() not in seen:
            seen.add(name.lower())
            found.append(name)
    return tuple(found)


def match_columns(header: tuple[str, ...], schema: StructType, options: CloudFilesOptions) -> Match:
    """Say which column of the source each column of a file fills.

    Names that differ by case only match unless they are rescued; the rescued data column itself
    is never filled from a file.

    Source: Databricks, "Auto Loader options" (readerCaseSensitive), checked 2026-11-24.
    """
    names = [name for name in schema.fieldNames() if name != options.rescued_column]
    exact = set(names) & set(header)
    free = {name.lower(): name for name in names if name not in exact}
    is_exact_only = options.is_case_sensitive and options.rescued_column is not None
    targets: list[str | None] = []
    for name in header:
        if name in exact:
            targets.append(name)
        else:
            targets.append(None if is_exact_only else free.pop(name.lower(), None))
    return Match(header=header, targets=tuple(targets))


def infer_types(
    spark: SparkSession,
    files_by_header: Mapping[tuple[str, ...], Sequence[str]],
    options: CloudFilesOptions,
) -> dict[str, DataType]:
    """Return the type of each column as Spark's reader infers it, the widest over all files.

    Names are in lower case. Integers widen to decimals and doubles, dates to timestamps, all else
    to STRING.

    Source: Databricks, "Configure schema inference and evolution in Auto Loader" (the widest
    type is chosen), checked 2026-11-24; which type is the widest is assumed.
    """
    types: dict[str, DataType] = {}
    for header, paths in files_by_header.items():
        reader = spark.read.format("csv").options(**options.reader)
        reader = reader.options(
            header=options.has_header, inferSchema=True, recursiveFileLookup=True
        )
        found = reader.option("__globPaths__", "false").load(list(paths)).schema
        for name, field in zip(header, found, strict=False):
            key = name.lower()
            types[key] = widest(types[key], field.dataType) if key in types else field.dataType
    return types


def widest(one: DataType, other: DataType) -> DataType:
    """Return the narrowest type both widen to: along numbers, along dates, else STRING."""
    if one == other:
        return one
    if isinstance(one, DecimalType) and isinstance(other, DecimalType):
        scale = max(one.scale, other.scale)
        whole = max(one.precision - one.scale, other.precision - other.scale)
        return DecimalType(whole + scale, scale) if whole + scale <= 38 else DoubleType()
    for ladder in _WIDENING:
        if isinstance(one, ladder) and isinstance(other, ladder):
            wider = max((one, other), key=lambda kind: ladder.index(type(kind)))
            # A decimal does not hold every bigint, so that pair goes one step further.
            return DoubleType() if isinstance(wider, DecimalType) else wider
    return _TEXT
