"""Which types of a column go together, and what they become."""

from pyspark.sql.types import ArrayType, DataType, MapType, StructField, StructType


def is_same_type(one: DataType, other: DataType) -> bool:
    """Return whether two types differ in nothing but what may be NULL inside them."""
    return one.simpleString().lower() == other.simpleString().lower()


def merged_type(stored: DataType, given: DataType) -> DataType | None:
    """Return ``stored`` with the fields inside it that only ``given`` has, last; None: they clash.

    A field that ``given`` lacks stays: a writer by name leaves it NULL. No type is widened.
    Source: docs "Update Delta Lake table schema" (nested fields are added), 2026-11-24.
    """
    if isinstance(stored, StructType) and isinstance(given, StructType):
        return _merged_struct(stored, given)
    if isinstance(stored, ArrayType) and isinstance(given, ArrayType):
        element = merged_type(stored.elementType, given.elementType)
        return None if element is None else ArrayType(element, stored.containsNull)
    if isinstance(stored, MapType) and isinstance(given, MapType):
        value = merged_type(stored.valueType, given.valueType)
        if value is None or not is_same_type(stored.keyType, given.keyType):
            return None
        return MapType(stored.keyType, value, stored.valueContainsNull)
    return stored if is_same_type(stored, given) else None


def _merged_struct(stored: StructType, given: StructType) -> StructType | None:
    fields = {field.name.lower(): field for field in stored.fields}
    for field in given.fields:
        known = fields.get(field.name.lower())
        if known is None:
            fields[field.name.lower()] = StructField(field.name, field.dataType, True)
            continue
        merged = merged_type(known.dataType, field.dataType)
        if merged is None:
            return None
        fields[field.name.lower()] = StructField(known.name, merged, known.nullable, known.metadata)
    return StructType(list(fields.values()))
