"""One total order of changes, and the latest change of each key.

A change is greater when its sequence is; of equal sequences a delete is greater; of two upserts
with equal sequences the one whose target columns are, compared from the first column to the last.
NULL is the lowest value everywhere. The stored row takes part, so the same changes cut into other
batches give the same table. Columns are compared one by one, never as one text, so that a column
the target gains later (always the last) does not turn an older decision round.

Undefined: which of two changes with equal keys and sequences wins on Databricks. There it was seen
to be one of them, without an error.
"""

import functools

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DoubleType,
    FloatType,
    StringType,
    StructField,
    StructType,
)

from dlt_stub.cdc.flow import (
    column,
    find_name,
    is_orderable,
    nullable,
    selected_fields,
    stored_sequence,
)
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.errors import FlowError

SEQUENCE = "__dlt_sequence"
IS_DELETE = "__dlt_is_delete"
IS_TRUNCATE = "__dlt_is_truncate"
IS_OUTSIDE = "__dlt_is_outside"  # breaks the flow's ``where``
IS_BARE = "__dlt_is_bare"  # lacks a key or its sequence, where that matters
_LATEST = "__dlt_latest"
_JSON = {  # the defaults drop NULLs and microseconds, and two rows would look equal
    "ignoreNullFields": "false",
    "timeZone": "UTC",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def key_names(flow: AutoCdcFlow, target: StructType) -> list[str]:
    """Return the flow's key columns as the target spells them.

    Raises:
        FlowError: the target lacks one of them.
    """
    names = [find_name(key, target.names) for key in flow.keys]
    if missing := [key for key, name in zip(flow.keys, names, strict=True) if name is None]:
        raise FlowError(
            f"table {flow.target!r} lacks key columns {missing} of flow {flow.name!r}",
            origin=flow.origin,
            hint="run a full refresh of the table",
        )
    return [name for name in names if name is not None]


def sequence_type(batch: DataFrame, flow: AutoCdcFlow, target: StructType) -> DataType:
    """Return the type that sequences of this flow are kept in."""
    stored = stored_sequence(flow, target)
    if stored is not None:
        return target[stored].dataType
    given = batch.select(F.expr(flow.sequence_by).alias(SEQUENCE)).schema[SEQUENCE].dataType
    return nullable(given)


def latest_changes(
    batch: DataFrame, flow: AutoCdcFlow, target: StructType, *, is_strict: bool = False
) -> DataFrame:
    """Return the greatest change of each key in ``batch``.

    Shape:
        the target's columns, in its types (NULL where the batch has none), then
        ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_is_outside`` and ``__dlt_is_bare``
        BOOLEAN (of some change of the key); one row per key, NULL keys being one key.

    Raises:
        FlowError: the batch has a column for the target which the target lacks.
    """
    kind = sequence_type(batch, flow, target)
    changes = changes_of(batch, flow, target, kind, is_strict=is_strict)
    order = order_of(target, [column(SEQUENCE), column(IS_DELETE)])
    if all(is_orderable(f.dataType) for f in target.fields):
        greatest = F.max(order)  # the order holds every value: nothing else has to be carried
        values = [column(_LATEST)[f"c{i}"] for i, _ in enumerate(target.fields)]
    else:
        kept = [column(name) for name in target.names]
        row = F.struct(column(SEQUENCE).alias("f0"), column(IS_DELETE).alias("f1"), *kept)
        greatest = F.max_by(row, order)
        values = [column(_LATEST)[name] for name in target.names]
    keys = [
        column(name).alias(f"__dlt_group_{i}") for i, name in enumerate(key_names(flow, target))
    ]
    grouped = changes.groupBy(*keys).agg(
        greatest.alias(_LATEST), *(F.bool_or(column(n)).alias(n) for n in (IS_OUTSIDE, IS_BARE))
    )
    return grouped.select(
        *(value.alias(f.name) for value, f in zip(values, target.fields, strict=True)),
        column(_LATEST)["f0"].alias(SEQUENCE),
        column(_LATEST)["f1"].alias(IS_DELETE),
        IS_OUTSIDE,
        IS_BARE,
    )


def order_of(target: StructType, first: list[Column], relation: str | None = None) -> Column:
    """Return a struct that compares as the total order does.

    Its fields are ``f0``, ``f1``, ... for ``first``, then for each column of ``target`` either
    ``c<i>`` (the value itself), ``d<i>`` (what tells equal values apart), or both.
    """
    fields = [value.alias(f"f{i}") for i, value in enumerate(first)]
    for i, field in enumerate(target.fields):
        value = column(field.name, relation)
        if is_orderable(field.dataType):
            fields.append(value.alias(f"c{i}"))
        finer = _finer(value, field.dataType)
        if finer is not None:
            fields.append(finer.alias(f"d{i}"))
    return F.struct(*fields)


def _finer(value: Column, kind: DataType) -> Column | None:
    """Return what tells apart values that Spark's order does not, if this type has any."""
    if isinstance(kind, FloatType | DoubleType):
        return value.cast("string")  # 0.0 and -0.0 compare as equal
    if isinstance(kind, StringType):
        # a collation may hold two texts equal
        return None if kind == StringType() else value.cast("binary")
    if isinstance(kind, StructType | ArrayType) or not is_orderable(kind):
        return F.to_json(F.struct(value.alias("v")), _JSON)
    return None


def changes_of(
    batch: DataFrame, flow: AutoCdcFlow, target: StructType, kind: DataType, *, is_strict: bool
) -> DataFrame:
    """Return each change of the batch in the target's columns and types, the sequence in ``kind``.

    Shape:
        the target's columns, ``__dlt_sequence``, ``__dlt_is_delete``, ``__dlt_is_truncate``,
        ``__dlt_is_outside`` and ``__dlt_is_bare``, which ``is_strict`` asks for; one row per
        change.

    Raises:
        FlowError: the batch has a column for the target which the target lacks.
    """
    selected = {f.name.lower(): f for f in selected_fields(batch.schema, flow)}
    if lacking := [f.name for n, f in selected.items() if find_name(n, target.names) is None]:
        raise FlowError(
            f"table {flow.target!r} lacks columns {lacking} that flow {flow.name!r} brings",
            origin=flow.origin,
            hint="the table's schema has to be widened before the batch is applied",
        )
    fields = [fitted(selected.get(f.name.lower()), f) for f in target.fields]
    sequence = F.expr(flow.sequence_by).cast(kind)
    is_inside = _is_met(flow.where) if flow.where else F.lit(True)
    is_truncate = _is_met(flow.apply_as_truncates)
    is_bare = F.lit(False)
    if is_strict:
        needed = [*(column(selected[key.lower()].name) for key in flow.keys), sequence]
        is_bare = ~is_truncate & functools.reduce(Column.__or__, (n.isNull() for n in needed))
    return batch.select(
        *fields,
        sequence.alias(SEQUENCE),
        _is_met(flow.apply_as_deletes).alias(IS_DELETE),
        is_truncate.alias(IS_TRUNCATE),
        (~is_inside).alias(IS_OUTSIDE),
        is_bare.alias(IS_BARE),
    )


def _is_met(condition: str | None) -> Column:
    return F.coalesce(F.expr(condition), F.lit(False)) if condition else F.lit(False)


def fitted(have: StructField | None, want: StructField) -> Column:
    """Return the column ``have`` in the name and type of ``want``; NULL where there is none."""
    if have is None:
        return F.lit(None).cast(want.dataType).alias(want.name)
    return _conformed(column(have.name), have.dataType, want.dataType).alias(want.name)


def _conformed(value: Column, have: DataType, want: DataType) -> Column:
    """Return ``value`` in type ``want``; fields that a nested row lacks are NULL."""
    if have == want:
        return value
    if isinstance(have, StructType) and isinstance(want, StructType):
        inner = []
        for field in want.fields:
            name = find_name(field.name, have.names)
            part = (
                F.lit(None).cast(field.dataType)
                if name is None
                else _conformed(value[name], have[name].dataType, field.dataType)
            )
            inner.append(part.alias(field.name))
        return F.when(value.isNotNull(), F.struct(*inner))
    if isinstance(have, ArrayType) and isinstance(want, ArrayType):
        of, to = have.elementType, want.elementType
        return F.transform(value, lambda item: _conformed(item, of, to))
    return value.cast(want)
