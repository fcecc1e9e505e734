"""Tables and views: each decorator records a dataset and the flow that fills it.

Positional parameters are databricks-dlt 0.3.0's; what only the documents or Apache Spark's own
``pyspark.pipelines`` know is keyword-only.

Source: docs "table", "materialized_view", "temporary_view", "create_streaming_table" of the
pipelines Python reference, 2026-11-24.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pyspark.sql.types import StructType

from dlt_stub.declare.arguments import conf, plain, refuse
from dlt_stub.declare.queries import DATASET, decorating, name_of, wrapped
from dlt_stub.declare.records import Action, AppendFlow, Dataset, DatasetKind, Expectation, Query
from dlt_stub.declare.registry import active_registry, joined, user_origin
from dlt_stub.declare.rules import Rules, expectations_of, pending
from dlt_stub.errors import Origin

Schema = StructType | str
_POLICIES = ("auto", "incremental", "full")  # the rows are the same however they are computed


def table(
    query_function: Any = None,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
    table_properties: Mapping[str, str] | None = None,
    partition_cols: Collection[str] | None = None,
    path: str | None = None,
    schema: Schema | None = None,
    temporary: bool = False,
    cluster_by: Collection[str] | None = None,
    row_filter: str | None = None,
    *,
    private: bool = False,
    cluster_by_auto: bool = False,
    format: str | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a table: streaming if its query streams, else a materialized view.

    Source: docs "table", 2026-11-24: ``@dp.table`` makes both kinds as ``@dlt.table`` does.
    """
    origin = user_origin()
    refuse("table", origin, path=path, row_filter=row_filter, format=_foreign(format))
    return _stored(
        "table",
        DatasetKind.TABLE,
        query_function,
        origin,
        name,
        comment=comment,
        schema=schema,
        table_properties=dict(table_properties or {}),
        partition_columns=tuple(partition_cols or ()),
        cluster_by=tuple(cluster_by or ()),
        is_private=temporary or private,
        spark_conf=conf(spark_conf, "table", origin),
    )


def materialized_view(
    query_function: Any = None,
    *,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
    table_properties: Mapping[str, str] | None = None,
    path: str | None = None,
    partition_cols: Collection[str] | None = None,
    cluster_by_auto: bool = False,
    cluster_by: Collection[str] | None = None,
    schema: Schema | None = None,
    refresh_policy: str | None = None,
    row_filter: str | None = None,
    private: bool = False,
    temporary: bool = False,
    format: str | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a materialized view: its query is a batch query."""
    origin = user_origin()
    word = "materialized_view"
    refuse(word, origin, path=path, row_filter=row_filter, format=_foreign(format))
    refuse(word, origin, refresh_policy=None if refresh_policy in _POLICIES else refresh_policy)
    return _stored(
        word,
        DatasetKind.MATERIALIZED_VIEW,
        query_function,
        origin,
        name,
        comment=comment,
        schema=schema,
        table_properties=dict(table_properties or {}),
        partition_columns=tuple(partition_cols or ()),
        cluster_by=tuple(cluster_by or ()),
        is_private=temporary or private,
        spark_conf=conf(spark_conf, word, origin),
    )


def view(
    query_function: Any = None,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a temporary view, seen inside the pipeline only."""
    return _view("view", query_function, name, comment, spark_conf)


def temporary_view(
    query_function: Any = None,
    name: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a temporary view: the newer name of ``view``."""
    return _view("temporary_view", query_function, name, comment, spark_conf)


def create_streaming_table(
    name: str,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
    table_properties: Mapping[str, str] | None = None,
    partition_cols: Collection[str] | None = None,
    path: str | None = None,
    schema: Schema | None = None,
    expect_all: Rules | None = None,
    expect_all_or_drop: Rules | None = None,
    expect_all_or_fail: Rules | None = None,
    cluster_by: Collection[str] | None = None,
    row_filter: str | None = None,
    *,
    private: bool = False,
    cluster_by_auto: bool = False,
    format: str | None = None,
) -> None:
    """Declare an empty streaming table for flows to write into."""
    origin = user_origin()
    word = "create_streaming_table"
    refuse(word, origin, path=path, row_filter=row_filter, format=_foreign(format))
    expectations: tuple[Expectation, ...] = ()
    for rules, action in (
        (expect_all, Action.WARN),
        (expect_all_or_drop, Action.DROP),
        (expect_all_or_fail, Action.FAIL),
    ):
        found = expectations_of(rules or {}, action, origin)
        expectations = joined(expectations, found, plain(name))
    active_registry(word).add_dataset(
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
            is_private=private,
            spark_conf=conf(spark_conf, word, origin),
        )
    )


def _stored(
    word: str,
    kind: DatasetKind,
    query_function: object,
    origin: Origin,
    name: str | None,
    **fields: Any,  # the rest of Dataset's
) -> Any:
    def declare(query: Query) -> Query:
        dataset = Dataset(
            name=plain(name) if name else name_of(query, origin),
            kind=kind,
            origin=origin,
            **fields,
        )
        return _declare(word, dataset, query)

    return decorating(word, query_function, declare, origin)


def _view(
    word: str,
    query_function: object,
    name: str | None,
    comment: str | None,
    spark_conf: Mapping[str, object] | None,
) -> Any:
    origin = user_origin()
    # A view has no query of its own to set it for: it runs inside the flows that read it.
    refuse(word, origin, spark_conf=spark_conf)
    return _stored(word, DatasetKind.VIEW, query_function, origin, name, comment=comment)


def _declare(word: str, dataset: Dataset, query: Query) -> Query:
    registry = active_registry(word)
    registry.add_dataset(dataset)
    registry.add_expectations(dataset.name, pending(query))
    registry.add_flow(
        AppendFlow(name=dataset.name, target=dataset.name, query=query, origin=dataset.origin)
    )
    declared = wrapped(query)
    setattr(declared, DATASET, dataset.name)
    return declared


def _foreign(format: str | None) -> str | None:
    """Return ``format`` unless it is what every table of a pipeline has."""
    return None if format is None or format.lower() == "delta" else format
