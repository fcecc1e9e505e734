"""User columns as SQL text, so that a declaration is plain data and belongs to no session."""

from collections.abc import Iterable

from pyspark import SparkContext
from pyspark.sql import Column

from dlt_stub.errors import DefinitionError, Origin


def as_sql(value: str | Column) -> str:
    """Return ``value`` as SQL text Spark parses back to the same expression."""
    if isinstance(value, str):
        return value
    context = SparkContext._active_spark_context
    if context is None or context._jvm is None:
        raise DefinitionError("a col() or expr() argument needs a running Spark session")
    scala_object = getattr(
        context._jvm.org.apache.spark.sql.classic, "ColumnNodeToExpressionConverter$"
    )
    converter = getattr(scala_object, "MODULE$")
    node = value._jc.node()  # type: ignore[operator]  # pyspark types its Column handle loosely
    return str(converter.apply(node).sql())


def as_names(values: Iterable[str | Column], *, word: str, origin: Origin) -> tuple[str, ...]:
    """Return plain column names.

    Raises:
        DefinitionError: a value is not a name or an unqualified ``col()``.
            Source: docs "create_auto_cdc_flow", arguments, 2026-11-24.
    """
    if isinstance(values, str | Column):
        raise DefinitionError(
            f"{word} is a list of columns, found {values!r}", origin=origin, hint=f"{word}=[...]"
        )
    names = []
    for value in values:
        name = as_sql(value)
        if not isinstance(value, str):
            name = name[1:-1] if name.startswith("`") and name.endswith("`") else name
            if not name.replace("_", "a").isalnum() and "`" not in as_sql(value):
                raise DefinitionError(
                    f"{word} holds {name!r}, which is not an unqualified column", origin=origin
                )
        names.append(name)
    return tuple(names)
