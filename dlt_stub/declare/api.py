"""The functions of ``import dlt``: each records a declaration or reads a dataset.

Signatures are databricks-dlt 0.3.0's, name for name; a test holds us to them. What is not run yet
raises NotEmulatedError with the reason.

Source: databricks-dlt 0.3.0 on PyPI; docs "Lakeflow Spark Declarative Pipelines Python language
reference", 2026-11-24.
"""

import functools
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql.types import StructType

from dlt_stub.declare.columns import as_names, as_sql
from dlt_stub.declare.reads import current_reads
from dlt_stub.declare.records import (
    Action,
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Expectation,
    Query,
)
from dlt_stub.declare.registry import active_registry, joined, user_origin
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin

_NAMELESS = "<lambda>"
_PENDING = "__dlt_expectations"
_DATASET = "__dlt_dataset"
Rules = Mapping[str, str | Column]
Schema = StructType | str
Columns = list[str] | list[Column]
Decorator = Callable[[Query], Query]


def table(
    query_function: Callable[..., DataFrame] | None = None,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: dict[str, str] | None = None,
    table_properties: dict[str, str] | None = None,
    partition_cols: list[str] | None = None,
    path: str | None = None,
    schema: Schema | None = None,
    temporary: bool = False,
    cluster_by: list[str] | None = None,
    row_filter: str | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a table: streaming if its query streams, else a materialized view."""
    origin = user_origin()
    _refuse("table", origin, spark_conf=spark_conf, row_filter=row_filter, path=path)
    _refuse("table", origin, temporary=temporary or None)

    def declare(query: Query) -> Query:
        dataset = Dataset(
            name=_plain(name) if name else _name_of(query, origin),
            kind=DatasetKind.TABLE,
            origin=origin,
            comment=comment,
            schema=schema,
            table_properties=dict(table_properties or {}),
            partition_columns=tuple(partition_cols or ()),
            cluster_by=tuple(cluster_by or ()),
        )
        return _declare(dataset, query)

    return _decorating("table", query_function, declare, origin)


def view(
    query_function: Callable[..., DataFrame] | None = None,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: dict[str, str] | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a temporary view, seen inside the pipeline only."""
    origin = user_origin()
    _refuse("view", origin, spark_conf=spark_conf)

    def declare(query: Query) -> Query:
        dataset = Dataset(
            name=_plain(name) if name else _name_of(query, origin),
            kind=DatasetKind.VIEW,
            origin=origin,
            comment=comment,
        )
        return _declare(dataset, query)

    return _decorating("view", query_function, declare, origin)


def create_streaming_table(
    name: str,
    comment: str | None = None,
    spark_conf: dict[str, str] | None = None,
    table_properties: dict[str, str] | None = None,
    partition_cols: Collection[str] | None = None,
    path: str | None = None,
    schema: Schema | None = None,
    expect_all: Rules | None = None,
    expect_all_or_drop: Rules | None = None,
    expect_all_or_fail: Rules | None = None,
    cluster_by: list[str] | None = None,
    row_filter: str | None = None,
) -> None:
    """Declare an empty streaming table for flows to write into."""
    origin = user_origin()
    _refuse("create_streaming_table", origin, spark_conf=spark_conf, row_filter=row_filter)
    _refuse("create_streaming_table", origin, path=path)
    expectations: tuple[Expectation, ...] = ()
    for rules, action in (
        (expect_all, Action.WARN),
        (expect_all_or_drop, Action.DROP),
        (expect_all_or_fail, Action.FAIL),
    ):
        expectations = joined(
            expectations, _expectations(rules or {}, action, origin), _plain(name)
        )
    active_registry("create_streaming_table").add_dataset(
        Dataset(
            name=_plain(name),
            kind=DatasetKind.STREAMING_TABLE,
            origin=origin,
            comment=comment,
            schema=schema,
            table_properties=dict(table_properties or {}),
            partition_columns=tuple(partition_cols or ()),
            cluster_by=tuple(cluster_by or ()),
            expectations=expectations,
        )
    )


def append_flow(
    name: str | None = None,
    target: str | None = None,
    comment: str | None = None,
    spark_conf: dict[str, str] | None = None,
    once: bool = False,
) -> Callable[[Query], None]:
    """Declare a flow that appends its rows to ``target``."""
    origin = user_origin()
    _refuse("append_flow", origin, spark_conf=spark_conf, once=once or None)
    if target is None:
        raise DefinitionError("append_flow needs a target", origin=origin, hint='target="name"')

    def declare(query: Query) -> None:
        _called(query, "append_flow", origin)
        if getattr(query, _PENDING, ()):
            raise DefinitionError(
                f"expectations stand on a flow into '{target}'; allowed: on its target",
                origin=origin,
                hint="dlt.create_streaming_table(..., expect_all={...})",
            )
        active_registry("append_flow").add_flow(
            AppendFlow(
                name=name or _name_of(query, origin),
                target=_plain(target),
                query=query,
                origin=origin,
                once=once,
            )
        )

    return declare


def apply_changes(
    target: str,
    source: str,
    keys: Columns,
    sequence_by: str | Column,
    where: str | Column | None = None,
    ignore_null_updates: bool | None = None,
    apply_as_deletes: str | Column | None = None,
    apply_as_truncates: str | Column | None = None,
    column_list: Columns | None = None,
    except_column_list: Columns | None = None,
    stored_as_scd_type: str | int = "1",
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
    flow_name: str | None = None,
    once: bool = False,
    ignore_null_updates_column_list: Columns | None = None,
    ignore_null_updates_except_column_list: Columns | None = None,
    columns_to_update: str | Column | None = None,
) -> None:
    """Declare a flow that keeps each key of ``source`` in ``target``.

    SCD type 1 keeps its latest state, SCD type 2 every version with its ``__START_AT`` and
    ``__END_AT``.
    """
    origin = user_origin()
    word = "apply_changes"
    _refuse(word, origin, ignore_null_updates=ignore_null_updates or None, once=once or None)
    _refuse(
        word,
        origin,
        apply_as_truncates=apply_as_truncates,
        ignore_null_updates_column_list=ignore_null_updates_column_list,
        ignore_null_updates_except_column_list=ignore_null_updates_except_column_list,
        columns_to_update=columns_to_update,
    )
    if str(stored_as_scd_type) not in ("1", "2"):
        raise DefinitionError(
            f"stored_as_scd_type is {stored_as_scd_type!r}; allowed: 1, 2", origin=origin
        )
    if column_list is not None and except_column_list is not None:
        raise DefinitionError(
            "column_list and except_column_list exclude each other", origin=origin
        )

    def names(values: Columns | None, argument: str) -> tuple[str, ...] | None:
        return None if values is None else as_names(values, word=argument, origin=origin)

    active_registry(word).add_flow(
        AutoCdcFlow(
            name=flow_name or _plain(target),
            target=_plain(target),
            source=_plain(source),
            keys=as_names(keys, word="keys", origin=origin),
            sequence_by=as_sql(sequence_by),
            origin=origin,
            where=None if where is None else as_sql(where),
            apply_as_deletes=None if apply_as_deletes is None else as_sql(apply_as_deletes),
            column_list=names(column_list, "column_list"),
            except_column_list=names(except_column_list, "except_column_list"),
            scd_type=int(stored_as_scd_type),
            track_history_column_list=names(track_history_column_list, "track_history_column_list"),
            track_history_except_column_list=names(
                track_history_except_column_list, "track_history_except_column_list"
            ),
        )
    )


def apply_changes_from_snapshot(
    target: str,
    source: str | None = None,
    keys: Columns | None = None,
    stored_as_scd_type: str | int | None = None,
    snapshot_and_version: Callable[..., Any] | None = None,
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
) -> None:
    """Refuse: snapshots are not compared yet."""
    raise NotEmulatedError(
        "apply_changes_from_snapshot is not run locally yet: snapshots are not compared",
        origin=user_origin(),
    )


def on_event_hook(
    user_event_hook_fn: Callable[..., Any] | None = None,
    max_allowable_consecutive_failures: int | None = None,
) -> Any:  # never returns
    """Refuse: event hooks are not called yet."""
    raise NotEmulatedError(
        "on_event_hook is not run locally yet: no hook would ever be called", origin=user_origin()
    )


def read(name: str) -> DataFrame:
    """Return the whole content of a dataset of this pipeline or of an outside table.

    Shape: the dataset's columns and grain, batch.
    """
    return current_reads().table(_plain(name), streaming=False, options={})


def read_stream(name: str) -> DataFrame:
    """Return the rows of a dataset that no earlier update has read.

    Shape: the dataset's columns and grain, streaming.
    """
    return current_reads().table(_plain(name), streaming=True, options={})


def expect(name: str, inv: str | Column) -> Decorator:
    """Count the rows that do not meet ``inv`` and keep them."""
    return _expect({name: inv}, Action.WARN)


def expect_or_drop(name: str, inv: str | Column) -> Decorator:
    """Drop the rows that do not meet ``inv`` and count them."""
    return _expect({name: inv}, Action.DROP)


def expect_or_fail(name: str, inv: str | Column) -> Decorator:
    """Fail the flow, committing nothing, when a row does not meet ``inv``."""
    return _expect({name: inv}, Action.FAIL)


def expect_all(expectations: Rules) -> Decorator:
    """Count the rows that do not meet each rule and keep them."""
    return _expect(expectations, Action.WARN)


def expect_all_or_drop(expectations: Rules) -> Decorator:
    """Drop the rows that do not meet every rule, counting each rule."""
    return _expect(expectations, Action.DROP)


def expect_all_or_fail(expectations: Rules) -> Decorator:
    """Fail the flow, committing nothing, when a row does not meet every rule."""
    return _expect(expectations, Action.FAIL)


def _deprecated(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:  # the signature is the replacement's
        warnings.warn(f"{name} is deprecated, use {function.__name__}", stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Deprecated name of ``{function.__name__}``."
    call.__wrapped__ = function  # type: ignore[attr-defined]  # inspect.signature follows it
    return call


create_target_table = _deprecated(create_streaming_table, "create_target_table")
create_streaming_live_table = _deprecated(create_streaming_table, "create_streaming_live_table")
create_view = _deprecated(view, "create_view")
create_table = _deprecated(table, "create_table")
readStream = read_stream  # databricks-dlt's own spelling

# What the platform's module has and databricks-dlt 0.3.0 has not, and what to write meanwhile.
# Source: docs "Lakeflow Spark Declarative Pipelines Python language reference", 2026-11-24.
NOT_YET: Mapping[str, str] = MappingProxyType(
    {
        "create_auto_cdc_flow": "dlt.apply_changes(...) says the same",
        "create_auto_cdc_from_snapshot_flow": "snapshots are not compared yet",
        "create_sink": "sinks are not written yet",
        "create_streaming_sink": "sinks are not written yet",
        "foreach_batch_sink": "sinks are not written yet",
        "materialized_view": "@dlt.table over a batch query is a materialized view",
        "temporary_view": "@dlt.view says the same",
    }
)
EXPORTED = (
    "append_flow",
    "apply_changes",
    "apply_changes_from_snapshot",
    "create_streaming_live_table",
    "create_streaming_table",
    "create_table",
    "create_target_table",
    "create_view",
    "expect",
    "expect_all",
    "expect_all_or_drop",
    "expect_all_or_fail",
    "expect_or_drop",
    "expect_or_fail",
    "on_event_hook",
    "read",
    "readStream",
    "read_stream",
    "table",
    "view",
)


def _declare(dataset: Dataset, query: Query) -> Query:
    registry = active_registry("view" if dataset.kind is DatasetKind.VIEW else "table")
    registry.add_dataset(dataset)
    registry.add_expectations(dataset.name, getattr(query, _PENDING, ()))
    registry.add_flow(
        AppendFlow(name=dataset.name, target=dataset.name, query=query, origin=dataset.origin)
    )

    declared = _wrapped(query)
    setattr(declared, _DATASET, dataset.name)
    return declared


def _wrapped(query: Query) -> Query:
    """Return a function of its own that is ``query``: marks on it stay off the user's function."""

    @functools.wraps(query)
    def call() -> DataFrame:
        return query()

    if not hasattr(query, "__name__"):  # functools.partial
        call.__name__ = _NAMELESS
    return call


def _decorating(
    word: str, query: object, declare: Callable[[Query], Query], origin: Origin
) -> Callable[..., Any]:
    if query is None:
        return lambda each: declare(_called(each, word, origin))
    return declare(_called(query, word, origin))


def _called(query: object, word: str, origin: Origin) -> Query:
    if not callable(query):
        raise DefinitionError(
            f"dlt.{word} decorates a query function, found {query!r}",
            origin=origin,
            hint=f'@dlt.{word}(name="...") above a function that returns a DataFrame',
        )
    return query


def _expect(rules: Rules, action: Action) -> Decorator:
    origin = user_origin()
    expectations = _expectations(rules, action, origin)

    def attach(query: Query) -> Query:
        _called(query, "expect", origin)
        dataset = getattr(query, _DATASET, None)
        if dataset is not None:
            active_registry("expect").add_expectations(dataset, expectations)
            return query
        known: tuple[Expectation, ...] = getattr(query, _PENDING, ())
        marked = _wrapped(query)
        name = str(getattr(query, "__name__", query))
        setattr(marked, _PENDING, joined(expectations, known, name))
        return marked

    return attach


def _expectations(rules: Rules, action: Action, origin: Origin) -> tuple[Expectation, ...]:
    return tuple(
        Expectation(name=name, constraint=as_sql(inv), action=action, origin=origin)
        for name, inv in rules.items()
    )


def _name_of(query: Query, origin: Origin) -> str:
    name = getattr(query, "__name__", None)
    if name is None or name == _NAMELESS:
        raise DefinitionError("a query without a name needs name=", origin=origin)
    return str(name)


def _plain(name: str) -> str:
    """Return ``name`` without the virtual schema LIVE, which means this pipeline's own."""
    return name[5:] if name[:5].upper() == "LIVE." else name


def _refuse(word: str, origin: Origin, **arguments: object) -> None:
    given = [name for name, value in arguments.items() if value is not None and value != {}]
    if given:
        raise NotEmulatedError(
            f"dlt.{word}({given[0]}=...) is not run locally yet: ignoring it could change results",
            origin=origin,
        )


def exported(names: Iterable[str] = EXPORTED) -> dict[str, Any]:
    """Return the functions ``import dlt`` offers, by name."""
    return {name: globals()[name] for name in names}
