"""Dependencies found by running: a query that names a dataset not resolved yet waits for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.sql.types import StructField, StructType

from dlt_stub.declare.records import AutoCdcFlow, Dataset, DatasetKind, Declarations, Flow
from dlt_stub.errors import DefinitionError, GraphError, nearest
from dlt_stub.graph.records import Analysis, Graph, ResolvedDataset, ResolvedFlow


class UnresolvedDatasetError(Exception):
    """Raised by an analysis that reads a dataset which is declared but not resolved yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


Analyse = Callable[[Flow, Mapping[str, ResolvedDataset]], Analysis]


@dataclass(frozen=True, slots=True)
class _Waiting:
    flow: Flow
    for_dataset: str


def resolve(declarations: Declarations, *, analyse: Analyse) -> Graph:
    """Return the graph of ``declarations``; ``analyse`` runs one flow's query on empty inputs.

    Raises:
        GraphError: a target or source is unknown, a dataset has no flow, datasets form a cycle,
            or flows into one target do not fit together.
    """
    by_name = {dataset.name: dataset for dataset in declarations.datasets}
    flows_of = _flows_by_target(declarations, by_name)
    resolved: dict[str, ResolvedDataset] = {}
    analysed: dict[str, ResolvedFlow] = {}
    remaining = dict(by_name)
    while remaining:
        waiting: list[_Waiting] = []
        before = len(remaining)
        for name in list(remaining):
            blocked = _analyse_flows(flows_of[name], analysed, resolved, analyse)
            if blocked:
                waiting.extend(blocked)
                continue
            flows = tuple(analysed[flow.name] for flow in flows_of[name])
            resolved[name] = _resolved(remaining.pop(name), flows)
        if len(remaining) == before:
            raise _cycle(waiting)
    return Graph(datasets=resolved)


def _flows_by_target(
    declarations: Declarations, by_name: Mapping[str, Dataset]
) -> dict[str, list[Flow]]:
    flows_of: dict[str, list[Flow]] = {name: [] for name in by_name}
    for flow in declarations.flows:
        if flow.target not in by_name:
            near = nearest(flow.target, by_name)
            raise GraphError(
                f"flow '{flow.name}' writes into '{flow.target}', which no source file declares",
                origin=flow.origin,
                hint=f"did you mean '{near}'?" if near else "dlt.create_streaming_table(...) first",
            )
        flows_of[flow.target].append(flow)
    for name, flows in flows_of.items():
        if not flows:
            raise GraphError(
                f"dataset '{name}' has no flow that fills it",
                origin=by_name[name].origin,
                hint="add @dlt.append_flow(target=...) or dlt.apply_changes(target=...)",
            )
        if len(flows) > 1 and any(isinstance(flow, AutoCdcFlow) for flow in flows):
            raise GraphError(
                f"dataset '{name}' has an apply_changes flow beside others: not run locally yet",
                origin=by_name[name].origin,
            )
    return flows_of


def _analyse_flows(
    flows: list[Flow],
    analysed: dict[str, ResolvedFlow],
    resolved: Mapping[str, ResolvedDataset],
    analyse: Analyse,
) -> list[_Waiting]:
    blocked = []
    for flow in flows:
        if flow.name in analysed:
            continue
        try:
            analysed[flow.name] = ResolvedFlow(flow=flow, analysis=analyse(flow, resolved))
        except UnresolvedDatasetError as error:
            blocked.append(_Waiting(flow, error.name))
    return blocked


def _cycle(waiting: list[_Waiting]) -> GraphError:
    needs = {each.flow.target: each for each in waiting}
    path = [waiting[0].flow.target]
    while path[-1] not in path[:-1] and path[-1] in needs:
        path.append(needs[path[-1]].for_dataset)
    start = path.index(path[-1])
    return GraphError(
        f"datasets read each other in a cycle: {' -> '.join(path[start:])}",
        origin=needs[path[start]].flow.origin if path[start] in needs else None,
        hint="a dataset cannot read itself, nor what is made from it",
    )


def _resolved(dataset: Dataset, flows: tuple[ResolvedFlow, ...]) -> ResolvedDataset:
    kind = dataset.kind
    streaming = [flow.analysis.is_streaming for flow in flows]
    if kind is DatasetKind.TABLE:
        kind = DatasetKind.STREAMING_TABLE if any(streaming) else DatasetKind.MATERIALIZED_VIEW
    if kind is DatasetKind.STREAMING_TABLE and not all(streaming):
        flow = next(each.flow for each in flows if not each.analysis.is_streaming)
        raise GraphError(
            f"flow '{flow.name}' is a batch query, but its target '{dataset.name}' is a streaming "
            "table",
            origin=flow.origin,
            hint="read with dlt.read_stream or spark.readStream",
        )
    schema = _declared_schema(dataset, _merged_schema(dataset, flows))
    return ResolvedDataset(dataset=dataset, kind=kind, schema=schema, flows=flows)


def _merged_schema(dataset: Dataset, flows: tuple[ResolvedFlow, ...]) -> StructType:
    fields: dict[str, StructField] = {}
    for flow in flows:
        for field in flow.analysis.schema.fields:
            known = fields.setdefault(field.name.lower(), field)
            if known.dataType != field.dataType:
                raise GraphError(
                    f"flow '{flow.flow.name}' writes column '{field.name}' of '{dataset.name}' as "
                    f"{field.dataType.simpleString()}, another flow as "
                    f"{known.dataType.simpleString()}",
                    origin=flow.flow.origin,
                )
    return StructType(list(fields.values()))


def _declared_schema(dataset: Dataset, found: StructType) -> StructType:
    if dataset.schema is None:
        return found
    declared = dataset.schema
    if isinstance(declared, str):
        parsed = StructType.fromDDL(declared)
        assert isinstance(parsed, StructType)
        declared = parsed
    wanted = {field.name.lower(): field for field in declared.fields}
    for field in found.fields:
        known = wanted.get(field.name.lower())
        if known is None or known.dataType != field.dataType:
            allowed = known.dataType.simpleString() if known else "no such column"
            raise DefinitionError(
                f"dataset '{dataset.name}': its query gives column '{field.name}' as "
                f"{field.dataType.simpleString()}, the declared schema has {allowed}",
                origin=dataset.origin,
                hint="cast in the query, or change schema=",
            )
    return declared
