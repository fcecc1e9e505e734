"""The resolved graph: what each dataset and flow turned out to be."""

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql.types import StructType

from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.records import Dataset, DatasetKind, Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What running one flow's query on empty inputs of the right shape showed."""

    schema: StructType  # what the flow writes into its target
    is_streaming: bool
    is_aggregated: bool = False  # a streaming aggregation: its target holds the complete result
    inputs: tuple[str, ...] = ()  # datasets of this pipeline, in the order they were read
    streams: tuple[str, ...] = ()  # datasets and other sources it streams from
    cloud_files: CloudFilesRequest | None = None
    reads_event_log: bool = False
    state: tuple[str, ...] = ()  # what a streaming query keeps between micro-batches


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedFlow:
    """A flow and what its analysis showed."""

    flow: Flow
    analysis: Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedDataset:
    """A dataset whose kind and schema are known; a view has no table."""

    dataset: Dataset
    kind: DatasetKind
    schema: StructType
    flows: tuple[ResolvedFlow, ...]

    @property
    def name(self) -> str:
        """The dataset's name as declared."""
        return self.dataset.name

    @property
    def is_view(self) -> bool:
        """Whether it is seen inside the pipeline only."""
        return self.kind is DatasetKind.VIEW

    @property
    def is_sink(self) -> bool:
        """Whether it lies outside the pipeline, which writes it and does not own its rows."""
        return self.kind is DatasetKind.SINK

    @property
    def is_streaming(self) -> bool:
        """Whether its rows come from streaming flows."""
        return any(flow.analysis.is_streaming for flow in self.flows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Every dataset of the pipeline, each after those it reads."""

    datasets: Mapping[str, ResolvedDataset]

    @property
    def tables(self) -> tuple[ResolvedDataset, ...]:
        """The datasets that are written, sinks included, each after those it reads."""
        return tuple(dataset for dataset in self.datasets.values() if not dataset.is_view)

    def tables_read_by(self, flow: ResolvedFlow) -> frozenset[str]:
        """Return the tables ``flow`` reads, those behind views included."""
        found: set[str] = set()
        waiting = list(flow.analysis.inputs)
        while waiting:
            dataset = self.datasets[waiting.pop()]
            if dataset.is_view:
                waiting.extend(name for each in dataset.flows for name in each.analysis.inputs)
            else:
                found.add(dataset.name)
        return frozenset(found)
