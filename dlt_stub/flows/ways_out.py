"""The commands that get a stuck flow going again, and what each does to the rows there are.

Source: docs "Recover a pipeline from streaming checkpoint failure" and "Full refresh for streaming
tables" (what reads a table that is made anew has to be made anew too), 2026-11-24.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlt_stub.declare.records import AutoCdcFlow, Dataset, Flow
from dlt_stub.errors import DefinitionError
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow

RESET_ALLOWED = "pipelines.reset.allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What can be done about one flow: the flow, its target, and the tables that stream from it."""

    place: PipelinePlace
    flow: Flow
    target: ResolvedDataset
    is_streaming: bool
    is_aggregated: bool
    readers: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the flow's checkpoint."""
        return self.place.flow(self.flow.target, self.flow.name)

    @property
    def is_idempotent(self) -> bool:
        """Whether rows that come again change nothing: changes by key, or a complete result."""
        return isinstance(self.flow, AutoCdcFlow) or self.is_aggregated

    def full_refresh(self) -> str | None:
        """Return the command that makes the target anew; None where its rows must be kept."""
        if self.target.is_sink or not is_reset_allowed(self.target.dataset):
            return None
        names = (self.target.name, *self.readers)
        return f"{self.place.command('--full-refresh-selection', names)} makes {_all(names)} anew"

    def reset(self) -> str:
        """Return the command that reads the source from its start, and what comes of the rows."""
        command = self.place.command("--reset-checkpoint-selection", (self.flow.name,))
        if isinstance(self.flow, AutoCdcFlow):
            rows = "keeps the rows, and each change counts once although it is read again"
        elif self.is_aggregated:
            rows = "computes the result anew"
        else:
            rows = "keeps the rows, and what is still in the source comes a second time"
        return f"{command} {rows}"

    def read_again(self, *, follows_changes: bool = False) -> str:
        """Return the ways to read the source from its start, the one without a loss first.

        Args:
            follows_changes: Whether rows that came of changed or deleted ones should go as well.
        """
        full, reset = self.full_refresh(), self.reset()
        if full is None:
            return reset
        of_source = f"{full}, from what the source holds now"
        is_reset_first = self.is_idempotent and not follows_changes
        return "; ".join((reset, of_source) if is_reset_first else (of_source, reset))


def ways_out(
    flow: ResolvedFlow, target: ResolvedDataset, place: PipelinePlace, graph: Graph | None
) -> Ways:
    """Return what can be done about ``flow``; ``graph`` says who streams from its target."""
    return Ways(
        place=place,
        flow=flow.flow,
        target=target,
        is_streaming=flow.analysis.is_streaming,
        is_aggregated=flow.analysis.is_aggregated,
        readers=() if graph is None else _readers(target.name, graph),
    )


def made_anew(dataset: ResolvedDataset, place: PipelinePlace, otherwise: str = "") -> str:
    """Return how a table is made anew whose definition does not fit what is stored."""
    if not is_reset_allowed(dataset.dataset):
        kept = f"{RESET_ALLOWED} of {dataset.name} is false, so that its rows are kept"
        return f"{kept}: {otherwise or 'give the new definition another name'}"
    command = place.command("--full-refresh-selection", (dataset.name,))
    return f"{command} makes it anew{', or ' + otherwise if otherwise else ''}"


def is_reset_allowed(dataset: Dataset) -> bool:
    """Return whether a full refresh may take the dataset's rows.

    Raises:
        DefinitionError: its property is neither true nor false.
    """
    value = str(dataset.table_properties.get(RESET_ALLOWED, "true"))
    if value.lower() not in ("true", "false"):
        raise DefinitionError(
            f"{RESET_ALLOWED} of '{dataset.name}' is {value!r}; allowed: true, false",
            origin=dataset.origin,
        )
    return value.lower() == "true"


def _readers(table: str, graph: Graph) -> tuple[str, ...]:
    """Return the tables that stream from ``table``, directly or through others, in their order."""
    found = {table}
    for dataset in graph.tables:  # each stands after those it reads
        if dataset.is_sink or not is_reset_allowed(dataset.dataset):
            continue
        if any(found & set(flow.analysis.streams) for flow in dataset.flows):
            found.add(dataset.name)
    return tuple(each.name for each in graph.tables if each.name in found - {table})


def _all(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and what streams from it"
