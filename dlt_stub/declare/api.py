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

from dlt_stub.declare import changes
from dlt_stub.declare.arguments import plain, refuse
from dlt_stub.declare.columns import as_sql
from dlt_stub.declare.reads import current_reads
from dlt_stub.declare.records import (
    Action,
    AppendFlow,
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
    refuse("table", origin, spark_conf=spark_conf, row_filter=row_filter, path=path)
    refuse("table", origin, temporary=temporary or None)

    def declare(query: Query) -> Query:
        dataset = Dataset(
            name=plain(name) if name else _name_of(query, origin),
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
    refuse("view", origin, spark_conf=spark_conf)

    def declare(query: Query) -> Query:
        dataset = Dataset(
            name=plain(name) if name else _name_of(query, origin),
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
    refuse("create_streaming_table", origin, spark_conf=spark_conf, row_filter=row_filter)
    refuse("create_streaming_table", origin, path=path)
    expectations: tuple[Expectation, ...] = ()
    for rules, action in (
        (expect_all, Action.WARN),
        (expect_all_or_drop, Action.DROP),
        (expect_all_or_fail, Action.FAIL),
    ):
        expectations = joined(expectations, _expectations(rules or {}, action, origin), plain(name))
    active_registry("create_streaming_table").add_dataset(
        Dataset(
            name=plain(name),
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
    refuse("append_flow", origin, spark_conf=spark_conf, once=once or None)
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
                target=plain(target),
                query=query,
                origin=origin,
                once=once,
            )
        )

    return declare


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
    return current_reads().table(plain(name), streaming=False, options={})


def read_stream(name: str) -> DataFrame:
    """Return the rows of a dataset that no earlier update has read.

    Shape: the dataset's columns and grain, streaming.
    """
    return current_reads().table(plain(name), streaming=True, options={})


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


def exported(names: Iterable[str] = EXPORTED) -> dict[str, Any]:
    """Return the functions ``import dlt`` offers, by name."""
    members = {**vars(changes), **globals()}
    return {name: members[name] for name in names}
