"""Runs a query on empty inputs of the right shape and says what it turned out to be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from dlt_stub.cdc import target_schema
from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.records import AppendFlow, AutoCdcFlow, DatasetKind, Flow
from dlt_stub.errors import DefinitionError, DltStubError, GraphError, NotEmulatedError
from dlt_stub.flows.reads import ProbeReads
from dlt_stub.flows.run import FlowContext, source_of, source_state
from dlt_stub.graph import Analysis, ResolvedDataset, UnresolvedDatasetError

# Nodes that keep state between micro-batches; a file batch knows nothing of the others.
_STATEFUL = {
    "Aggregate",
    "Deduplicate",
    "DeduplicateWithinWatermark",
    "Distinct",
    "EventTimeWatermark",
    "FlatMapGroupsInPandasWithState",
    "FlatMapGroupsWithState",
    "GlobalLimit",
    "Join",
    "TransformWithState",
    "TransformWithStateInPySpark",
    "Window",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """Analyses flows; ``empty_folder`` is an empty folder that streams of no rows watch."""

    context: FlowContext
    empty_folder: Path

    def analyse(self, flow: Flow, resolved: Mapping[str, ResolvedDataset]) -> Analysis:
        """Return what ``flow`` reads and writes.

        Raises:
            UnresolvedDatasetError: it reads a dataset that is not resolved yet.
            DefinitionError: the query or an expectation cannot be analysed.
            NotEmulatedError: it does what is not run here.
        """
        reads = ProbeReads(
            place=self.context.place,
            session=self.context.session,
            registry=self.context.registry,
            datasets=self.context.datasets,
            view_flows=self.context.view_flows,
            flow=flow,
            resolved=resolved,
            empty_folder=str(self.empty_folder),
            probe_files=self._probe_files,
        )
        try:
            frame = reads.query()
            checked = self._with_target_checks(flow, frame, reads)
        except (DltStubError, UnresolvedDatasetError):
            raise
        except AnalysisException as error:
            raise DefinitionError(
                f"the query of flow '{flow.name}' cannot be analysed: {error.getMessage()}",
                origin=flow.origin,
            ) from error
        except Exception as error:
            raise DefinitionError(
                f"the query of flow '{flow.name}' raised {type(error).__name__}: {error}",
                origin=flow.origin,
            ) from error
        return self._analysis(flow, checked, reads)

    def _analysis(self, flow: Flow, frame: DataFrame, reads: ProbeReads) -> Analysis:
        nodes = set(_streaming_nodes(frame._jdf.queryExecution().analyzed()))
        if reads.request is not None and nodes & _STATEFUL:
            raise NotEmulatedError(
                f"flow '{flow.name}' keeps state ({', '.join(sorted(nodes & _STATEFUL))}) above a "
                "cloudFiles source: file batches are run one by one here",
                origin=flow.origin,
                hint="stage the files in a table of their own and keep the state in a second one",
            )
        if isinstance(flow, AutoCdcFlow):
            if not frame.isStreaming:
                raise GraphError(
                    f"flow '{flow.name}': source data for apply_changes must be a streaming query",
                    origin=flow.origin,
                )
            schema = target_schema(frame.schema, flow, spark=self.context.session)
        else:
            schema = frame.schema
        return Analysis(
            schema=schema,
            is_streaming=frame.isStreaming,
            is_aggregated="Aggregate" in nodes and "EventTimeWatermark" not in nodes,
            inputs=tuple(reads.inputs),
            cloud_files=reads.request,
            reads_event_log=reads.reads_event_log,
        )

    def _with_target_checks(self, flow: Flow, frame: DataFrame, reads: ProbeReads) -> DataFrame:
        dataset = self.context.datasets[flow.target]
        if isinstance(flow, AutoCdcFlow):
            if dataset.expectations:
                raise NotEmulatedError(
                    f"expectations on '{dataset.name}', a target of apply_changes, are not run "
                    "locally yet",
                    origin=dataset.origin,
                    hint="put them on a view between the source and apply_changes",
                )
            return frame
        assert isinstance(flow, AppendFlow)
        if dataset.kind is DatasetKind.VIEW and not dataset.expectations:
            return frame
        return reads.checked(frame, dataset.name)

    def _probe_files(self, flow: Flow, request: CloudFilesRequest) -> DataFrame:
        state = source_state(flow, self.context.place)
        stream: DataFrame = source_of(request).probe(self.context.session, state)
        return stream


def _streaming_nodes(plan: Any) -> Iterator[str]:  # a Py4J handle of Spark's LogicalPlan
    if not plan.isStreaming():
        return
    children = plan.children()
    if (
        plan.nodeName() != "Join"
        or children.apply(0).isStreaming() == children.apply(1).isStreaming()
    ):
        yield str(plan.nodeName())
    for index in range(children.size()):
        yield from _streaming_nodes(children.apply(index))
