"""Fields inside columns: which ones a schema lacks, and which types Spark's reader can widen."""

from collections.abc import Iterator

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
    ShortType,
    StructField,
    StructType,
    TimestampNTZType,
)

# Each with the whole digits its largest value has.
_DIGITS = {ByteType: 10, ShortType: 10, IntegerType: 10, LongType: 20}
_INTEGERS = (ByteType, ShortType, IntegerType, LongType)


def has_fields(kind: DataType) -> bool:
    """Return whether values of the type hold named fields at any depth."""
    match kind:
        case StructType():
            return True
        case ArrayType():
            return has_fields(kind.elementType)
        case MapType():
            return has_fields(kind.valueType)
        case _:
            return False


def is_scalar(kind: DataType) -> bool:
    """Return whether a value of the type holds no other values."""
    return not isinstance(kind, StructType | ArrayType | MapType)


def unknown_fields(known: DataType, found: DataType, path: str, *, exact: bool) -> Iterator[str]:
    """Give the dotted path of each field inside ``found`` that ``known`` lacks.

    Names are compared as they are written if ``exact``, else without regard to case. Where
    ``known`` holds no fields at all the value is read as a whole, and nothing is unknown.
    """
    match known, found:
        case StructType(), StructType():
            fields = {_key(field.name, exact): field.dataType for field in known}
            for field in found:
                inner = f"{path}.{field.name}"
                if (key := _key(field.name, exact)) not in fields:
                    yield inner
                else:
                    yield from unknown_fields(fields[key], field.dataType, inner, exact=exact)
        case ArrayType(), ArrayType():
            inner = f"{path}.element"
            yield from unknown_fields(known.elementType, found.elementType, inner, exact=exact)
        case MapType(), MapType():
            inner = f"{path}.value"
            yield from unknown_fields(known.valueType, found.valueType, inner, exact=exact)


def grown(known: DataType, found: DataType) -> DataType:
    """Return ``known`` with the fields it lacks, last in their struct; types it has stay."""
    match known, found:
        case StructType(), StructType():
            others = {field.name.lower(): field.dataType for field in found}
            kept = [
                StructField(
                    field.name,
                    grown(field.dataType, others[field.name.lower()])
                    if field.name.lower() in others
                    else field.dataType,
                )
                for field in known
            ]
            names = {field.name.lower() for field in known}
            added = [
                StructField(field.name, field.dataType)
                for field in found
                if field.name.lower() not in names
            ]
            return StructType([*kept, *added])
        case ArrayType(), ArrayType():
            return ArrayType(grown(known.elementType, found.elementType))
        case MapType(), MapType():
            return MapType(known.keyType, grown(known.valueType, found.valueType))
        case _:
            return known


def is_readable(found: DataType, wanted: DataType) -> bool:
    """Return whether Spark's Parquet reader gives values of ``found`` as ``wanted``, none changed.

    Source: Spark 4.2, ParquetVectorUpdaterFactory; narrower integers, which it reads by cutting
    bits off, are not readable here.
    """
    match found, wanted:
        case StructType(), StructType():
            fields = {field.name.lower(): field.dataType for field in found}
            return all(
                is_readable(fields[field.name.lower()], field.dataType)
                for field in wanted
                if field.name.lower() in fields
            )
        case ArrayType(), ArrayType():
            return is_readable(found.elementType, wanted.elementType)
        case MapType(), MapType():
            return is_readable(found.keyType, wanted.keyType) and is_readable(
                found.valueType, wanted.valueType
            )
        case DecimalType(), DecimalType():
            whole = found.precision - found.scale
            return wanted.scale >= found.scale and wanted.precision - wanted.scale >= whole
        case _:
            return found == wanted or _is_wider(found, wanted)


def _is_wider(found: DataType, wanted: DataType) -> bool:
    if isinstance(found, _INTEGERS):
        if isinstance(wanted, DecimalType):
            return wanted.precision - wanted.scale >= _DIGITS[type(found)]
        if isinstance(wanted, DoubleType):
            return not isinstance(found, LongType)
        if isinstance(wanted, _INTEGERS):
            return _INTEGERS.index(type(wanted)) > _INTEGERS.index(type(found))
        return False
    return (isinstance(found, FloatType) and isinstance(wanted, DoubleType)) or (
        isinstance(found, DateType) and isinstance(wanted, TimestampNTZType)
    )


def _key(name: str, exact: bool) -> str:
    return name if exact else name.lower()
