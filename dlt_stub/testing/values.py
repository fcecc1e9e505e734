"""One value as a test writes it: as SQL text of its column's type, and checked to lose nothing."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DateType,
    DecimalType,
    MapType,
    StructField,
    StructType,
    VariantType,
)

from dlt_stub.engine.catalog import quote

_NESTED = (ArrayType, MapType, StructType)
_DATE = re.compile(r"[+-]?\d{4,}(-\d{1,2}){0,2}")


def literal(value: Any) -> str:  # whatever a test may write
    """Return a value as SQL text: a string literal, or NULL."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    text = as_text(value).replace("\\", "\\\\").replace("'", "\\'")
    # Spark puts settings in place of ${...}, in literals too.
    return "'" + text.replace("${", "$\\u007B") + "'"


def typed_literal(value: Any, kind: DataType) -> str:
    """Return ``literal`` of what a test writes for a column of type ``kind``."""
    is_json = isinstance(value, list | tuple | dict) and isinstance(kind, (*_NESTED, VariantType))
    return literal(json.dumps(value, default=as_text) if is_json else value)


def as_text(value: Any) -> str:
    """Return the SQL text of a value; an instant with a time zone in UTC."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return str(value)


def lossy(value: Any, kind: DataType) -> str | None:
    """Return why a column of type ``kind`` cannot hold ``value`` whole, where a cast would not say.

    A cast rounds decimals, cuts the time from a date, and leaves out fields a struct does not have.
    """
    if value is None:
        return None
    if isinstance(kind, DecimalType):
        try:
            exponent = Decimal(as_text(value).strip()).normalize().as_tuple().exponent
        except InvalidOperation:
            return None  # the cast says it
        has_more = isinstance(exponent, int) and -exponent > kind.scale
        return f"it has more than {kind.scale} decimal places" if has_more else None
    if isinstance(kind, DateType):
        return None if _DATE.fullmatch(as_text(value).strip()) else "it is no date alone"
    if isinstance(kind, _NESTED):
        try:
            given = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            return f"it is no JSON: {error}"
        return next(_lost_fields(given, kind), None)
    return None


def cast_sql(column: str, field: StructField) -> str:
    """Return the SQL that gives a column of string literals the type of ``field``."""
    kind = field.dataType.simpleString()
    if isinstance(field.dataType, _NESTED):
        escaped = kind.replace("\\", "\\\\").replace("'", "\\'")
        return f"from_json(CAST({column} AS STRING), '{escaped}', map('mode', 'FAILFAST'))"
    if isinstance(field.dataType, VariantType):
        return f"parse_json(CAST({column} AS STRING))"
    return f"CAST({column} AS {kind})"


def text_column(field: StructField) -> Column:
    """Return a column as text that two tables can be compared by: maps in the order of their keys.

    Shape: one string a row.
    """
    column = F.col(quote(field.name))
    if isinstance(field.dataType, VariantType):
        return F.to_json(column)
    if isinstance(field.dataType, _NESTED):
        return F.to_json(_in_key_order(column, field.dataType), {"ignoreNullFields": "false"})
    if isinstance(field.dataType, BinaryType):
        return F.hex(column)
    return column.cast("string")


def _lost_fields(value: Any, kind: DataType) -> Iterator[str]:
    if isinstance(kind, StructType) and isinstance(value, Mapping):
        known = {field.name: field.dataType for field in kind}
        for name, each in value.items():
            if name not in known:
                yield f"the struct has no field '{name}'; it has: {', '.join(known)}"
            else:
                yield from _lost_fields(each, known[name])
    elif isinstance(kind, ArrayType) and isinstance(value, list | tuple):
        for each in value:
            yield from _lost_fields(each, kind.elementType)
    elif isinstance(kind, MapType) and isinstance(value, Mapping):
        for each in value.values():
            yield from _lost_fields(each, kind.valueType)


def _in_key_order(column: Column, kind: DataType) -> Column:
    if "map<" not in kind.simpleString():
        return column
    if isinstance(kind, ArrayType):
        element = kind.elementType
        return F.transform(column, lambda each: _in_key_order(each, element))
    if isinstance(kind, MapType):
        value = kind.valueType
        keys = F.array_sort(F.map_keys(column))
        ordered = F.transform(keys, lambda key: _in_key_order(F.element_at(column, key), value))
        return F.map_from_arrays(keys, ordered)
    assert isinstance(kind, StructType)
    fields = [_in_key_order(column[f.name], f.dataType).alias(f.name) for f in kind]
    return F.when(column.isNotNull(), F.struct(*fields))
