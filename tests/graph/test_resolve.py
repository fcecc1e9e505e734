from collections.abc import Mapping

import pytest
from pyspark.sql.types import ArrayType, IntegerType, LongType, StringType, StructField, StructType

from dlt_stub import DefinitionError, GraphError, NotEmulatedError
from dlt_stub.declare.records import (
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Declarations,
    Flow,
)
from dlt_stub.errors import Origin
from dlt_stub.graph import Analysis, Graph, ResolvedDataset, UnresolvedDatasetError, resolve

ORIGIN = Origin(path="main.py", line=1)
IDS = StructType([StructField("id", IntegerType(), nullable=False)])


def never() -> None:
    raise AssertionError("resolving runs no query: its analysis is given")


def dataset(name: str, kind: DatasetKind = DatasetKind.TABLE, **more: object) -> Dataset:
    return Dataset(name=name, kind=kind, origin=ORIGIN, **more)  # type: ignore[arg-type]  # as given


def flow(name: str, target: str | None = None) -> AppendFlow:
    return AppendFlow(name=name, target=target or name, query=never, origin=ORIGIN)  # type: ignore[arg-type]  # never run


def changes(target: str) -> AutoCdcFlow:
    return AutoCdcFlow(
        name="changes", target=target, source="s", keys=("id",), sequence_by="id", origin=ORIGIN
    )


class Queries:
    """Which flow reads which datasets, and what each shows."""

    def __init__(self, reads: Mapping[str, tuple[str, ...]], **analyses: Analysis) -> None:
        self.reads = reads
        self.analyses = analyses
        self.runs: list[str] = []

    def __call__(self, flow: Flow, resolved: Mapping[str, ResolvedDataset]) -> Analysis:
        self.runs.append(flow.name)
        inputs = self.reads.get(flow.name, ())
        for name in inputs:
            if name not in resolved:
                raise UnresolvedDatasetError(name)
        found = self.analyses.get(flow.name, Analysis(schema=IDS, is_streaming=False))
        return Analysis(
            schema=found.schema,
            is_streaming=found.is_streaming,
            is_aggregated=found.is_aggregated,
            inputs=inputs,
        )


STREAM = Analysis(schema=IDS, is_streaming=True)


def of(
    datasets: list[Dataset],
    flows: list[Flow],
    reads: Mapping[str, tuple[str, ...]],
    **more: Analysis,
) -> Graph:
    declarations = Declarations(datasets=tuple(datasets), flows=tuple(flows))
    return resolve(declarations, analyse=Queries(reads, **more))


def test_datasets_come_after_what_they_read() -> None:
    names = ["c", "a", "b"]
    graph = of([dataset(n) for n in names], [flow(n) for n in names], {"c": ("b",), "b": ("a",)})
    assert list(graph.datasets) == ["a", "b", "c"]
    assert {each.kind for each in graph.tables} == {DatasetKind.MATERIALIZED_VIEW}


def test_query_is_run_again_only_when_it_gets_on() -> None:
    names = [f"t{at}" for at in reversed(range(100))]
    queries = Queries({f"t{at}": (f"t{at - 1}",) for at in range(1, 100)})
    declarations = Declarations(datasets=tuple(map(dataset, names)), flows=tuple(map(flow, names)))
    graph = resolve(declarations, analyse=queries)
    assert list(graph.datasets) == names[::-1]
    assert len(queries.runs) == 2 * len(names) - 1


def test_tables_behind_views_are_found() -> None:
    view = DatasetKind.VIEW
    graph = of(
        [dataset("t"), dataset("v1", view), dataset("v2", view), dataset("end")],
        [flow("t"), flow("v1"), flow("v2"), flow("end")],
        {"v1": ("t",), "v2": ("v1",), "end": ("v2",)},
    )
    assert graph.tables_read_by(graph.datasets["end"].flows[0]) == {"t"}
    assert [each.name for each in graph.tables] == ["t", "end"]


def test_streaming_query_makes_streaming_table() -> None:
    graph = of([dataset("t")], [flow("t")], {}, t=STREAM)
    assert graph.datasets["t"].kind is DatasetKind.STREAMING_TABLE
    assert graph.datasets["t"].schema[0].nullable  # another version of the query may leave it empty


def test_cycle_is_named_in_order() -> None:
    names = ["a", "b", "c"]
    reads = {"a": ("c",), "b": ("a",), "c": ("b",)}
    with pytest.raises(GraphError, match="in a cycle: a -> c -> b -> a"):
        of([dataset(n) for n in names], [flow(n) for n in names], reads)
    with pytest.raises(GraphError, match="in a cycle: a -> a"):
        of([dataset("a")], [flow("a")], {"a": ("a",)})


STREAMING_TABLE = dataset("t", DatasetKind.STREAMING_TABLE)
AGGREGATED = Analysis(schema=IDS, is_streaming=True, is_aggregated=True)


@pytest.mark.parametrize(
    ("datasets", "flows", "analyses", "said"),
    [
        ([dataset("orders")], [flow("orders"), flow("f", "ordres")], {}, "did you mean 'orders'"),
        ([STREAMING_TABLE], [], {}, "dataset 't' has no flow that fills it"),
        ([STREAMING_TABLE], [flow("f", "t")], {}, "'f' is a batch query, but its target 't'"),
        ([dataset("t")], [flow("t"), flow("f", "t")], {}, "'t', a materialized view"),
        ([dataset("v", DatasetKind.VIEW)], [flow("v"), flow("f", "v")], {}, "into the view 'v'"),
        ([dataset("t")], [changes("t")], {}, "needs a streaming table without a query"),
        (
            [STREAMING_TABLE],
            [flow("f", "t"), flow("g", "t")],
            {"f": AGGREGATED, "g": STREAM},
            "'f' aggregates without a watermark, so it replaces all rows of 't'",
        ),
        (
            [STREAMING_TABLE],
            [flow("f", "t"), flow("g", "t")],
            {
                "f": STREAM,
                "g": Analysis(schema=StructType.fromJson(IDS.jsonValue()), is_streaming=False),
            },
            "'g' is a batch query",
        ),
    ],
)
def test_flows_that_do_not_fit_are_refused(
    datasets: list[Dataset], flows: list[Flow], analyses: dict[str, Analysis], said: str
) -> None:
    with pytest.raises(GraphError) as caught:
        of(datasets, flows, {}, **analyses)
    assert said in str(caught.value)
    assert "main.py:1" in str(caught.value)


def test_changes_beside_other_flows_are_refused() -> None:
    with pytest.raises(NotEmulatedError, match="'t' has an append flow beside apply_changes"):
        of([STREAMING_TABLE], [changes("t"), flow("f", "t")], {})


def test_flows_that_disagree_on_types_are_named() -> None:
    text = Analysis(schema=StructType([StructField("ID", StringType())]), is_streaming=True)
    with pytest.raises(GraphError, match="flow 'g' writes column 'ID' of 't' as string"):
        of([STREAMING_TABLE], [flow("f", "t"), flow("g", "t")], {}, f=STREAM, g=text)


def test_declared_schema_is_kept_whole() -> None:
    declared = StructType(
        [
            StructField("id", IntegerType(), nullable=False),
            StructField("tags", ArrayType(StringType(), containsNull=True)),
            StructField("more", LongType()),
        ]
    )
    tags = ArrayType(StringType(), containsNull=False)
    found = StructType([StructField("tags", tags), StructField("id", IntegerType())])
    graph = of(
        [dataset("t", schema=declared)],
        [flow("t")],
        {},
        t=Analysis(schema=found, is_streaming=False),
    )
    assert graph.datasets["t"].schema == declared


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            StructType([StructField("id", LongType())]),
            "'id' as int, the declared schema has bigint",
        ),
        (StructType([StructField("other", LongType())]), "the declared schema has no such column"),
    ],
)
def test_query_must_fit_the_declared_schema(schema: StructType, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        of([dataset("t", schema=schema)], [flow("t")], {})
