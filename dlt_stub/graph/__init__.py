"""The graph: which dataset reads which, and what each turns out to be."""

from dlt_stub.graph.records import Analysis, Graph, ResolvedDataset, ResolvedFlow
from dlt_stub.graph.resolve import Analyse, UnresolvedDatasetError, resolve
from dlt_stub.graph.types import is_same_type, merged_type

__all__ = [
    "Analyse",
    "Analysis",
    "Graph",
    "ResolvedDataset",
    "ResolvedFlow",
    "UnresolvedDatasetError",
    "is_same_type",
    "merged_type",
    "resolve",
]
