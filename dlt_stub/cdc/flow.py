"""What a change flow may declare, and the columns its target shows."""

from collections.abc import Iterable, Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    CalendarIntervalType,
    DataType,
    MapType,
    NullType,
    StructField,
    StructType,
    VariantType,
)

from dlt_stub.declare.records import END_AT, START_AT, AutoCdcFlow, Dataset
from dlt_stub.engine.catalog import quote
from dlt_stub.errors import DefinitionError, nearest

RESERVED = "__dlt_"
TOMBSTONE_SECONDS = "pipelines.cdc.tombstoneGCThresholdInSeconds"


def target_schema(source: StructType, flow: AutoCdcFlow, *, spark: SparkSession) -> StructType:
    """Return the columns that the target of ``flow`` shows, in the source's order.

    All of the source's columns; only those of ``column_list``; or all but ``except_column_list``.
    SCD type 2 adds ``__START_AT`` and ``__END_AT`` in the type of the sequence. Every column is
    nullable: an older row has no value for a column that came later.

    Source: docs.databricks.com AUTO CDC reference, and Apache Spark's error condition
    AUTOCDC_KEY_NOT_IN_SELECTED_SCHEMA (keys must be kept), both read 2026-10. The order of
    ``column_list`` is not stated there: assumed to be the source's.

    Raises:
        DefinitionError: keys, lists or expressions do not fit the source or the SCD type.
    """
    if flow.scd_type == 2 and flow.apply_as_truncates is not None:
        raise _wrong(flow, "has apply_as_truncates, which belongs to SCD type 1")
    fields = selected_fields(source, flow)
    if not flow.keys:
        raise _wrong(flow, "has no key: at least one key column must be given")
    for key in flow.keys:
        _find(key, source.names, flow, "keys")
        if find_name(key, [f.name for f in fields]) is None:
            raise _wrong(
                flow, f"leaves key column {key!r} out of its target", "keep every key column"
            )
    empty = spark.createDataFrame([], source)
    for text in (*(quote(key) for key in flow.keys), flow.sequence_by):
        kind = _type_of(empty, text, "key or sequence_by", flow)
        if not is_orderable(kind):
            kind_name = kind.simpleString()
            raise _wrong(flow, f"orders by {text} of type {kind_name}, which has no order")
    for condition, role in (
        (flow.apply_as_deletes, "apply_as_deletes"),
        (flow.apply_as_truncates, "apply_as_truncates"),
        (flow.where, "where"),
    ):
        if condition is None:
            continue
        if not isinstance(_type_of(empty, condition, role, flow), BooleanType):
            raise _wrong(flow, f"{role} {condition} is not a boolean expression")
    shown = [StructField(f.name, f.dataType, True, f.metadata) for f in fields]
    tracked_columns(StructType(shown), flow)
    filled_columns(StructType(shown), flow)
    if flow.scd_type == 2:
        kind = nullable(_type_of(empty, flow.sequence_by, "sequence_by", flow))
        shown += [StructField(name, kind) for name in (START_AT, END_AT)]
    return StructType(shown)


def selected_fields(source: StructType, flow: AutoCdcFlow) -> list[StructField]:
    """Return the source's fields that the flow keeps for its target.

    Raises:
        DefinitionError: a list names an unknown column, both lists are given, or a column bears
            a name kept for ourselves.
    """
    for name in source.names:
        if name.lower().startswith(RESERVED):
            raise _wrong(flow, f"has a source column {name!r}: names with {RESERVED} are reserved")
        if flow.scd_type == 2 and find_name(name, (START_AT, END_AT)):
            raise _wrong(
                flow,
                f"has a source column {name!r}, which SCD type 2 adds itself",
                "rename it in the source",
            )
    if flow.column_list is not None and flow.except_column_list is not None:
        raise _wrong(
            flow, "has both column_list and except_column_list", "give one of them at most"
        )
    if flow.column_list is not None:
        kept = {_find(n, source.names, flow, "column_list") for n in flow.column_list}
        return [f for f in source.fields if f.name in kept]
    dropped = {
        _find(n, source.names, flow, "except_column_list") for n in flow.except_column_list or ()
    }
    return [f for f in source.fields if f.name not in dropped]


def data_columns(target: StructType) -> StructType:
    """Return the columns of an SCD type 2 target that come from the source."""
    return StructType([f for f in target.fields if f.name not in (START_AT, END_AT)])


def tracked_columns(data: StructType, flow: AutoCdcFlow) -> StructType:
    """Return the columns of ``data`` whose change makes a new version; keys never change.

    Source: docs.databricks.com AUTO CDC reference (the two lists exclude each other; all output
    columns by default), and Apache Spark's pull request 57434 (refused under SCD type 1), both
    read 2026-11-24.

    Raises:
        DefinitionError: both lists are given, one names an unknown column, or the flow is of SCD
            type 1.
    """
    chosen, left_out = flow.track_history_column_list, flow.track_history_except_column_list
    if chosen is None and left_out is None:
        return data
    role = "track_history_column_list" if left_out is None else "track_history_except_column_list"
    if flow.scd_type != 2:
        raise _wrong(flow, f"has {role}, which belongs to SCD type 2", "stored_as_scd_type=2")
    if chosen is not None and left_out is not None:
        raise _wrong(
            flow,
            "has both track_history_column_list and track_history_except_column_list",
            "give one of them at most",
        )
    named = {_find(n, data.names, flow, role) for n in chosen or left_out or ()}
    return StructType([f for f in data.fields if (f.name in named) is (left_out is None)])


def filled_columns(data: StructType, flow: AutoCdcFlow) -> StructType:
    """Return the columns of ``data`` whose NULL in an update leaves the value as it is.

    Source: docs.databricks.com AUTO CDC reference (IGNORE NULL UPDATES, nested columns included),
    and Apache Spark's pull request 58784 (the three arguments exclude each other), read
    2026-11-24.

    Raises:
        DefinitionError: more than one of the arguments is given, or one names an unknown column.
    """
    arguments = {
        "ignore_null_updates": () if flow.ignore_null_updates else None,
        "ignore_null_updates_column_list": flow.ignore_null_updates_column_list,
        "ignore_null_updates_except_column_list": flow.ignore_null_updates_except_column_list,
    }
    given = {role: names for role, names in arguments.items() if names is not None}
    if len(given) > 1:
        raise _wrong(flow, f"has {' and '.join(given)}", "give one of them at most")
    for role, names in given.items():
        named = {_find(n, data.names, flow, role) for n in names}
        is_chosen = role == "ignore_null_updates_column_list"
        return StructType([f for f in data.fields if (f.name in named) is is_chosen])
    return StructType([])


def is_replayed(flows: Sequence[AutoCdcFlow], target: StructType) -> bool:
    """Return whether a target is made from all changes of its keys, not the greatest alone.

    ``flows`` are all that write into it. The greatest alone do where the flows agree on the
    target's column that holds the sequence, or none does.
    """
    return any(map(_is_replayed, flows)) or len({stored_sequence(f, target) for f in flows}) > 1


def _is_replayed(flow: AutoCdcFlow) -> bool:
    lists = (flow.ignore_null_updates_column_list, flow.ignore_null_updates_except_column_list)
    is_ignoring = flow.ignore_null_updates or any(names is not None for names in lists)
    return flow.scd_type == 2 or is_ignoring or flow.apply_as_truncates is not None


def stored_sequence(flow: AutoCdcFlow, target: StructType) -> str | None:
    """Return the target's column that is the sequence itself, or None if it holds no such column.

    Only a plain column counts: an expression, a struct of columns or a column left out of the
    target has to be remembered in the auxiliary table.
    """
    text = flow.sequence_by.strip()
    if len(text) > 1 and text[0] == text[-1] == "`":
        inner = text[1:-1]
        text = inner.replace("``", "`") if "`" not in inner.replace("``", "") else text
    if flow.column_list is not None and find_name(text, flow.column_list) is None:
        return None
    if find_name(text, flow.except_column_list or ()) is not None:
        return None
    return find_name(text, target.names)


def tombstone_seconds(dataset: Dataset) -> float | None:
    """Return how long the deletes of a target are remembered, or None where it does not say.

    Source: docs "create_auto_cdc_flow", apply_as_deletes, 2026-11-24. The default is not stated
    there; without the property nothing is forgotten here.

    Raises:
        DefinitionError: the property is no number of seconds.
    """
    given = dataset.table_properties.get(TOMBSTONE_SECONDS)
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1
    if seconds < 0:
        raise DefinitionError(
            f"table property {TOMBSTONE_SECONDS} of {dataset.name!r} is {given!r}; allowed: a "
            "number of seconds",
            origin=dataset.origin,
        )
    return seconds


def find_name(name: str, known: Iterable[str]) -> str | None:
    """Return the one of ``known`` that ``name`` means: names differ by more than their case."""
    return next((k for k in known if k.lower() == name.lower()), None)


def column(name: str, relation: str | None = None) -> Column:
    """Return the column called exactly ``name``, of ``relation`` where one is given."""
    return F.col(f"{relation}.{quote(name)}" if relation else quote(name))


def is_orderable(kind: DataType) -> bool:
    """Return whether Spark can compare two values of this type."""
    if isinstance(kind, StructType):
        return all(is_orderable(f.dataType) for f in kind.fields)
    if isinstance(kind, ArrayType):
        return is_orderable(kind.elementType)
    return not isinstance(kind, MapType | VariantType | CalendarIntervalType | NullType)


def nullable(kind: DataType) -> DataType:
    """Return the type as a table gives it back: with NULL allowed at every depth."""
    if isinstance(kind, StructType):
        return StructType([StructField(f.name, nullable(f.dataType)) for f in kind.fields])
    if isinstance(kind, ArrayType):
        return ArrayType(nullable(kind.elementType))
    return kind


def _type_of(empty: DataFrame, text: str, role: str, flow: AutoCdcFlow) -> DataType:
    try:
        return empty.select(F.expr(text).alias("value")).schema["value"].dataType
    except (AnalysisException, ParseException) as error:
        message = str(error).strip().splitlines()[0]
        near = nearest(text.strip("` "), empty.columns)
        hint = f"did you mean {near!r}?" if near else f"its columns are {', '.join(empty.columns)}"
        raise _wrong(flow, f"cannot use {role} {text} on its source: {message}", hint) from error


def _find(name: str, known: Sequence[str], flow: AutoCdcFlow, role: str) -> str:
    found = find_name(name, known)
    if found is None:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"its columns are {', '.join(known)}"
        raise _wrong(flow, f"names {name!r} in {role}, which its source does not have", hint)
    return found


def _wrong(flow: AutoCdcFlow, what: str, hint: str | None = None) -> DefinitionError:
    return DefinitionError(
        f"flow {flow.name!r} into {flow.target!r} {what}", origin=flow.origin, hint=hint
    )
