"""Rows as tests write them, and how they differ from a table's: values are compared as SQL text.

A test writes ``2026-01-01 10:00:00`` or ``12.50``; the column's type says what that is. Both sides
go through the same casts, so ``1`` equals ``1.0`` in a DOUBLE column and differs in a STRING one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField, StructType

from dlt_stub.engine.catalog import quote
from dlt_stub.errors import UsageError, nearest
from dlt_stub.testing.values import cast_sql, lossy, text_column, typed_literal

_SHOWN_DIFFERENCES = 20
Row = tuple[str | None, ...]
# What a test may write for a row: values in the order of the columns, or by name.
RowSpelling = Sequence[Any] | Mapping[str, Any]


class RowsDiffer(AssertionError):
    """Raised when a table does not hold the expected rows; the message names row and column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedRows:
    """What a table must hold: these rows, in any order, as often as they are written.

    ``columns`` are those compared, by default all of the table; ``key`` columns pair a found row
    with an expected one when both differ, by default the rows most alike are paired.
    """

    rows: tuple[RowSpelling, ...]
    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


def assert_rows(
    frame: DataFrame,
    rows: Iterable[RowSpelling],
    *,
    columns: Sequence[str] = (),
    key: Sequence[str] = (),
    name: str = "the table",
) -> None:
    """Return if ``frame`` holds exactly ``rows``, in any order.

    Values may be Python's or SQL text; a ``datetime`` without a time zone counts as UTC. A row is a
    sequence in the order of ``columns`` (by default the frame's) or a mapping by column name.

    Raises:
        RowsDiffer: a row is missing, unexpected, or differs in a column.
        UsageError: a row does not fit the columns.
    """
    expected = ExpectedRows(rows=tuple(rows), columns=tuple(columns), key=tuple(key))
    differences = compare(frame, expected, name=name)
    if differences:
        raise RowsDiffer("\n".join(differences))


def compare(frame: DataFrame, expected: ExpectedRows, *, name: str) -> list[str]:
    """Return one line for each difference after a headline, or nothing where there is none.

    Raises:
        UsageError: an expected row does not fit the columns, or a value its column's type.
    """
    schema = chosen_columns(frame.schema, expected.columns, name)
    wanted = typed_frame(frame.sparkSession, schema, expected.rows, name=name)
    names = tuple(schema.names)
    _check_columns(names, expected.key, name)
    try:
        rows = _texts(wanted, schema)
    except PySparkException as error:
        raise UsageError(
            f"an expected row of {name} does not fit its columns: {first_line(error)}"
        ) from error
    found = _texts(frame, schema)
    lines = row_differences(found, rows, columns=names, key=expected.key)
    if not lines:
        return []
    head = f"{name} does not hold the expected rows (columns {', '.join(names)}; "
    return [f"{head}found {len(found)}, expected {len(expected.rows)})", *lines]


def row_differences(
    found: Sequence[Row], expected: Sequence[Row], *, columns: Sequence[str], key: Sequence[str]
) -> list[str]:
    """Return one line for each difference of two bags of rows; rows most alike are paired."""
    surplus = list((Counter(found) - Counter(expected)).elements())
    missing = list((Counter(expected) - Counter(found)).elements())
    lines: list[str] = []
    for wanted in list(missing):
        pair = _most_alike(wanted, surplus, columns, key)
        if pair is None:
            continue
        surplus.remove(pair)
        missing.remove(wanted)
        lines.append(_line_of_pair(pair, wanted, columns, key))
    lines += [f"  missing row:    {_shown(row, columns)}" for row in missing]
    lines += [f"  unexpected row: {_shown(row, columns)}" for row in surplus]
    more = len(lines) - _SHOWN_DIFFERENCES
    return [*lines[:_SHOWN_DIFFERENCES], f"  ... and {more} more"] if more > 0 else lines


def first_line(error: BaseException) -> str:
    """Return what an error says first."""
    return str(error).strip().partition("\n")[0]


def typed_frame(
    spark: SparkSession, schema: StructType, rows: Iterable[RowSpelling], *, name: str
) -> DataFrame:
    """Return ``rows`` with the types of ``schema``.

    Shape: the columns of ``schema``, one row a written row, batch.

    Raises:
        UsageError: a row does not fit the columns.
    """
    text = typed_sql(schema, rows, name=name)
    if text is None:
        return spark.createDataFrame([], schema)
    return SparkSession.sql(spark, text)  # past a user's session, which has a way of its own


def typed_sql(schema: StructType, rows: Iterable[RowSpelling], *, name: str) -> str | None:
    """Return the query that gives ``rows`` the types of ``schema``; None where there is no row.

    Raises:
        UsageError: a row does not fit the columns.
    """
    values = [
        ", ".join(
            _fitting(value, field, name)
            for field, value in zip(schema, _in_order(row, schema.names, name), strict=True)
        )
        for row in rows
    ]
    if not values:
        return None
    columns = [f"c{index}" for index in range(len(schema))]
    casts = ", ".join(
        f"{cast_sql(column, field)} AS {quote(field.name)}"
        for column, field in zip(columns, schema, strict=True)
    )
    lines = ", ".join(f"({line})" for line in values)
    return f"SELECT {casts} FROM VALUES {lines} AS t({', '.join(columns)})"  # noqa: S608 - quoted


def _fitting(value: Any, field: StructField, name: str) -> str:
    why = lossy(value, field.dataType)
    if why is not None:
        raise UsageError(
            f"{value!r} does not fit column {field.name} of {name}, which is "
            f"{field.dataType.simpleString()}: {why}"
        )
    return typed_literal(value, field.dataType)


def _texts(frame: DataFrame, schema: StructType) -> list[Row]:
    selected = frame.select([text_column(field).alias(field.name) for field in schema])
    return [tuple(row) for row in selected.collect()]


def chosen_columns(schema: StructType, columns: Sequence[str], name: str) -> StructType:
    """Return the fields of ``columns``, in that order; of all where none is named.

    Raises:
        UsageError: there is no such column.
    """
    if not columns:
        return schema
    _check_columns(schema.names, columns, name)
    by_name = {field.name.lower(): field for field in schema}
    return StructType([by_name[column.lower()] for column in columns])


def _check_columns(known: Sequence[str], columns: Iterable[str], name: str) -> None:
    lowered = {column.lower() for column in known}
    for column in columns:
        if column.lower() not in lowered:
            near = nearest(column, known)
            raise UsageError(
                f"{name} has no column '{column}'; found: {', '.join(known)}",
                hint=f"did you mean '{near}'?" if near else None,
            )


def _in_order(row: RowSpelling, columns: Sequence[str], name: str) -> list[Any]:
    if isinstance(row, Mapping):
        given = {str(column).lower(): value for column, value in row.items()}
        _check_columns(columns, map(str, row), name)
        unsaid = [column for column in columns if column.lower() not in given]
        if unsaid:
            raise UsageError(
                f"a row of {name} does not say {', '.join(unsaid)}: {dict(row)}",
                hint="say NULL where that is meant, or name the columns that are compared",
            )
        return [given[column.lower()] for column in columns]
    if isinstance(row, str) or len(row) != len(columns):
        raise UsageError(
            f"a row of {name} has other columns: {row!r}; allowed: {len(columns)} values for "
            f"{', '.join(columns)}",
            hint="name the columns that are compared",
        )
    return list(row)


def _most_alike(
    wanted: Row, candidates: Sequence[Row], columns: Sequence[str], key: Sequence[str]
) -> Row | None:
    if key:
        lowered = {column.lower() for column in key}
        places = [index for index, column in enumerate(columns) if column.lower() in lowered]
        same = [row for row in candidates if all(row[i] == wanted[i] for i in places)]
        return max(same, key=lambda row: _alike(row, wanted), default=None)
    best = max(candidates, key=lambda row: _alike(row, wanted), default=None)
    return best if best is not None and 2 * _alike(best, wanted) >= len(columns) else None


def _alike(one: Row, other: Row) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


def _line_of_pair(found: Row, wanted: Row, columns: Sequence[str], key: Sequence[str]) -> str:
    lowered = {column.lower() for column in key}
    same, differing = [], []
    for column, left, right in zip(columns, found, wanted, strict=True):
        if left != right:
            differing.append(f"{column} is {_value(left)}, expected {_value(right)}")
        elif not key or column.lower() in lowered:
            same.append(f"{column}={_value(left)}")
    return f"  row {', '.join(same[:4])}: {'; '.join(differing)}"


def _shown(row: Row, columns: Sequence[str]) -> str:
    pairs = zip(columns, row, strict=True)
    return ", ".join(f"{column}={_value(value)}" for column, value in pairs)


def _value(value: str | None) -> str:
    return "NULL" if value is None else repr(value)
