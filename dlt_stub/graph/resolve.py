"""Dependencies found by running: a query that names a dataset not resolved yet waits for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pyspark.errors import ParseException
from pyspark.sql.types import StructField, StructType

from dlt_stub.declare.records import (
    END_AT,
    START_AT,
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Declarations,
    Flow,
    SnapshotFlow,
)
from dlt_stub.errors import DefinitionError, GraphError, NotEmulatedError, nearest
from dlt_stub.graph.records import Analysis, Graph, ResolvedDataset, ResolvedFlow
from dlt_stub.graph.types import is_same_type, merged_type


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
    remaining = {name: each for name, each in by_name.items() if flows_of[name]}
    waits: dict[str, list[_Waiting]] = {}  # by dataset: a query is run again once it can get on
    while remaining:
        before = len(remaining)
        for name in list(remaining):
            if any(each.for_dataset not in resolved for each in waits.get(name, ())):
                continue
            waits[name] = _analyse_flows(flows_of[name], analysed, resolved, analyse)
            if waits[name]:
                continue
            flows = tuple(analysed[flow.name] for flow in flows_of[name])
            resolved[name] = _resolved(remaining.pop(name), flows)
        if len(remaining) == before:
            raise _cycle([each for name in remaining for each in waits[name]])
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
        if not flows and by_name[name].kind is not DatasetKind.SINK:
            raise GraphError(
                f"dataset '{name}' has no flow that fills it",
                origin=by_name[name].origin,
                hint="add @dlt.append_flow(target=...) or dlt.apply_changes(target=...)",
            )
        _check_flows(by_name[name], flows)
    return flows_of


def _check_flows(dataset: Dataset, flows: list[Flow]) -> None:
    changes = [flow for flow in flows if isinstance(flow, AutoCdcFlow | SnapshotFlow)]
    if dataset.kind is DatasetKind.VIEW and len(flows) > 1:
        raise GraphError(
            f"flow '{flows[1].name}' writes into the view '{dataset.name}'; allowed: a table",
            origin=flows[1].origin,
            hint="dlt.create_streaming_table(...) makes a table that flows can write into",
        )
    if changes and dataset.kind is DatasetKind.SINK:
        raise GraphError(
            f"flow '{changes[0].name}' applies changes to the sink '{dataset.name}'; allowed: a "
            "streaming table",
            origin=changes[0].origin,
            hint="sinks take append flows only",
        )
    if changes and dataset.kind is not DatasetKind.STREAMING_TABLE:
        raise GraphError(
            f"flow '{changes[0].name}': apply_changes needs a streaming table without a query of "
            f"its own, found '{dataset.name}', which has one",
            origin=changes[0].origin,
            hint=f'dlt.create_streaming_table("{dataset.name}") in place of @dlt.table',
        )
    if changes and len(flows) > len(changes):
        raise NotEmulatedError(
            f"dataset '{dataset.name}' has an append flow beside apply_changes: not run locally",
            origin=next(flow for flow in flows if flow not in changes).origin,
            hint="let the append flow fill a table of its own, and apply that one's changes",
        )
    if len(changes) > 1:
        _check_changes(dataset, changes)


def _check_changes(dataset: Dataset, flows: list[AutoCdcFlow | SnapshotFlow]) -> None:
    """Return if several flows of changes fit together in one target.

    Source: docs "create_auto_cdc_from_snapshot_flow", 2026-11-24 (not beside
    ``create_auto_cdc_flow``); the rest is assumed.
    """
    first = flows[0]
    for flow in flows[1:]:
        if not (isinstance(flow, AutoCdcFlow) and isinstance(first, AutoCdcFlow)):
            raise GraphError(
                f"flow '{flow.name}' writes into '{dataset.name}' beside flow '{first.name}': "
                "a target of snapshots has one flow",
                origin=flow.origin,
                hint="give each flow a target of its own",
            )
        same = {
            "keys": ({k.lower() for k in first.keys}, {k.lower() for k in flow.keys}),
            "stored_as_scd_type": (first.scd_type, flow.scd_type),
            "track_history lists": (_history(first), _history(flow)),
            "ignore_null_updates": (_ignored(first), _ignored(flow)),
        }
        if differing := next((what for what, (one, other) in same.items() if one != other), None):
            raise GraphError(
                f"flows '{first.name}' and '{flow.name}' write into '{dataset.name}' with "
                f"different {differing}",
                origin=flow.origin,
                hint=f"give them the same {differing}, or a target each",
            )


def _history(flow: AutoCdcFlow) -> tuple[object, ...]:
    return flow.track_history_column_list, flow.track_history_except_column_list


def _ignored(flow: AutoCdcFlow) -> tuple[object, ...]:
    return (
        flow.ignore_null_updates,
        flow.ignore_null_updates_column_list,
        flow.ignore_null_updates_except_column_list,
    )


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
    _check_once(flows)
    streaming = [each.analysis.is_streaming for each in flows if not _is_batch(each.flow)]
    if kind is DatasetKind.TABLE:
        kind = DatasetKind.STREAMING_TABLE if any(streaming) else DatasetKind.MATERIALIZED_VIEW
    if kind in (DatasetKind.STREAMING_TABLE, DatasetKind.SINK) and not all(streaming):
        flow = next(
            each.flow
            for each in flows
            if not each.analysis.is_streaming and not _is_batch(each.flow)
        )
        raise GraphError(
            f"flow '{flow.name}' is a batch query, but its target '{dataset.name}' is a "
            f"{'sink' if kind is DatasetKind.SINK else 'streaming table'}",
            origin=flow.origin,
            hint="read with dlt.read_stream or spark.readStream",
        )
    if kind is DatasetKind.MATERIALIZED_VIEW and any(streaming):
        raise GraphError(
            f"materialized view '{dataset.name}' has a streaming query; allowed: a batch query",
            origin=dataset.origin,
            hint="read with spark.read, or declare it with @table",
        )
    if kind is DatasetKind.MATERIALIZED_VIEW and len(flows) > 1:
        raise GraphError(
            f"flow '{flows[1].flow.name}' writes into '{dataset.name}', a materialized view, which "
            "is what its one query says",
            origin=flows[1].flow.origin,
            hint="make the target with dlt.create_streaming_table, and let its flows stream",
        )
    if len(flows) > 1 and any(flow.analysis.is_aggregated for flow in flows):
        flow = next(each.flow for each in flows if each.analysis.is_aggregated)
        raise GraphError(
            f"flow '{flow.name}' aggregates without a watermark, so it replaces all rows of "
            f"'{dataset.name}', into which other flows write too",
            origin=flow.origin,
            hint="give the aggregation a table of its own, or a watermark",
        )
    if kind is DatasetKind.SINK:  # what several flows write need not be alike
        schema = flows[0].analysis.schema
        return ResolvedDataset(dataset=dataset, kind=kind, schema=schema, flows=flows)
    schema = _declared_schema(dataset, _merged_schema(dataset, flows))
    return ResolvedDataset(dataset=dataset, kind=kind, schema=schema, flows=flows)


def _is_batch(flow: Flow) -> bool:
    """Return whether a batch query is what ``flow`` brings to a streaming table."""
    return flow.once or isinstance(flow, SnapshotFlow)


def _check_once(flows: tuple[ResolvedFlow, ...]) -> None:
    """Return if every one-time flow has a batch query.

    Source: docs "append_flow", once, 2026-11-24.
    """
    for flow in flows:
        if flow.flow.once and flow.analysis.is_streaming and isinstance(flow.flow, AppendFlow):
            raise GraphError(
                f"flow '{flow.flow.name}' runs once, and its query is a streaming query; allowed: "
                "a batch query",
                origin=flow.flow.origin,
                hint="read with spark.read, or leave once out",
            )


def _merged_schema(dataset: Dataset, flows: tuple[ResolvedFlow, ...]) -> StructType:
    if dataset.kind is DatasetKind.VIEW:
        return flows[0].analysis.schema  # it may have what no table can
    fields: dict[str, StructField] = {}
    for flow in flows:
        _check_names(dataset, flow)
        for field in flow.analysis.schema.fields:
            known = fields.setdefault(field.name.lower(), field)
            merged = merged_type(known.dataType, field.dataType)
            if merged is not None:
                fields[field.name.lower()] = StructField(known.name, merged, True, known.metadata)
            else:
                raise GraphError(
                    f"flow '{flow.flow.name}' writes column '{field.name}' of '{dataset.name}' as "
                    f"{field.dataType.simpleString()}, another flow as "
                    f"{known.dataType.simpleString()}",
                    origin=flow.flow.origin,
                )
    for name in (START_AT, END_AT):  # a flow may bring columns that the one before it lacks
        if (last := fields.pop(name.lower(), None)) is not None:
            fields[name.lower()] = last
    # What one query never leaves empty another may, and so may the next version of this one.
    return StructType(
        [StructField(each.name, each.dataType, True, each.metadata) for each in fields.values()]
    )


def _check_names(dataset: Dataset, flow: ResolvedFlow) -> None:
    seen: set[str] = set()
    for name in flow.analysis.schema.names:
        if name.lower() in seen:
            raise DefinitionError(
                f"flow '{flow.flow.name}' gives column '{name}' of '{dataset.name}' twice; names "
                "differ in more than their case",
                origin=flow.flow.origin,
                hint="drop one of the two, or give it another name with alias",
            )
        seen.add(name.lower())


def _declared_schema(dataset: Dataset, found: StructType) -> StructType:
    if dataset.schema is None:
        return found
    declared = dataset.schema
    if isinstance(declared, str):
        declared = _parsed(dataset, declared)
    wanted = {field.name.lower(): field for field in declared.fields}
    for field in found.fields:
        known = wanted.get(field.name.lower())
        merged = merged_type(known.dataType, field.dataType) if known else None
        if known is None or merged is None or not is_same_type(known.dataType, merged):
            allowed = known.dataType.simpleString() if known else "no such column"
            raise DefinitionError(
                f"dataset '{dataset.name}': its query gives column '{field.name}' as "
                f"{field.dataType.simpleString()}, the declared schema has {allowed}",
                origin=dataset.origin,
                hint="cast in the query, or change schema=",
            )
    return declared


def _parsed(dataset: Dataset, text: str) -> StructType:
    try:
        parsed = StructType.fromDDL(text)
    except ParseException as error:
        raise NotEmulatedError(
            f"schema= of '{dataset.name}' holds more than columns, types, NOT NULL and comments: "
            f"{str(error).strip().splitlines()[0]}",
            origin=dataset.origin,
            hint="constraints, defaults, generated columns and masks are not run locally yet",
        ) from error
    if not isinstance(parsed, StructType):
        raise DefinitionError(
            f"schema= of '{dataset.name}' is one type, {text!r}; allowed: columns and their types",
            origin=dataset.origin,
            hint='schema="id INT, name STRING"',
        )
    return parsed
