"""Whom the names mean that a user gave: as targets of flows, and to select what is updated."""

from collections.abc import Mapping
from dataclasses import replace

from dlt_stub.declare.records import Dataset, DatasetKind, Declarations, Flow
from dlt_stub.errors import GraphError, UsageError, nearest
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.ways_out import is_reset_allowed
from dlt_stub.update.records import Selection


def with_declared_targets(declarations: Declarations, place: PipelinePlace) -> Declarations:
    """Return the declarations with each target by the name its dataset is declared by.

    Raises:
        DefinitionError: a dataset's ``pipelines.reset.allowed`` is neither true nor false.
        GraphError: two datasets are one table, or one has the event log's name.
    """
    datasets: dict[str, Dataset] = {}
    for dataset in declarations.datasets:
        known = place.dataset_called(dataset.name, datasets)
        if known is not None:
            raise GraphError(
                f"'{dataset.name}' and '{known}' are one table, defined twice, first at "
                f"{datasets[known].origin}",
                origin=dataset.origin,
                hint="give one of the two another name=",
            )
        if place.is_event_log(dataset.name):
            raise GraphError(
                f"'{dataset.name}' is the name the pipeline's event log is published as",
                origin=dataset.origin,
                hint="give one of the two another name",
            )
        is_reset_allowed(dataset)
        datasets[dataset.name] = dataset
    return replace(
        declarations,
        flows=tuple(
            replace(flow, target=place.dataset_called(flow.target, datasets) or flow.target)
            for flow in declarations.flows
        ),
    )


def with_declared_names(
    selection: Selection, declarations: Declarations, place: PipelinePlace
) -> Selection:
    """Return the selection with each dataset and flow by the name it is declared by.

    Raises:
        UsageError: the pipeline has no such table or flow.
    """
    tables = {each.name: each for each in declarations.datasets}
    tables = {n: each for n, each in tables.items() if each.kind is not DatasetKind.VIEW}

    def declared(name: str) -> str:
        found = place.dataset_called(name, tables)
        if found is not None:
            return found
        near = nearest(name, tables)
        raise UsageError(
            f"dataset '{name}' is selected for refresh, but the pipeline has no such table",
            hint=f"did you mean '{near}'?" if near else f"tables: {', '.join(sorted(tables))}",
        )

    flows = {flow.name: flow for flow in declarations.flows if flow.target in tables}
    return replace(
        selection,
        refresh=tuple(map(declared, selection.refresh)),
        full_refresh_selection=tuple(map(declared, selection.full_refresh_selection)),
        refresh_flow_selection=tuple(
            _flow_called(name, flows, place) for name in selection.refresh_flow_selection
        ),
        reset_checkpoint_selection=tuple(
            _flow_called(name, flows, place) for name in selection.reset_checkpoint_selection
        ),
    )


def _flow_called(name: str, flows: Mapping[str, Flow], place: PipelinePlace) -> str:
    """Return the declared flow that ``name`` means: its name alone, or below its schema."""
    found = name if name in flows else place.name_among(name, flows)
    if found is not None:
        return found
    near = nearest(name, flows)
    into = [flow.name for flow in flows.values() if flow.target == name]
    hint = f"did you mean '{near}'?" if near else f"flows: {', '.join(sorted(flows))}"
    if into:
        hint = f"'{name}' is a table; the flows into it: {', '.join(into)}"
    raise UsageError(f"flow '{name}' is selected, but the pipeline has no such flow", hint=hint)
