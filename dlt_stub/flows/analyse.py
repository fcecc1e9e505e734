"""Runs a query on empty inputs of the right shape and says what it turned out to be."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType, MapType, NullType, StructType

from dlt_stub.cdc import Version, snapshot_schema, target_schema
from dlt_stub.cloud_files import CloudFilesState
from dlt_stub.declare.reads import CloudFilesRequest
from dlt_stub.declare.records import (
    END_AT,
    START_AT,
    Action,
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Expectation,
    Flow,
    SnapshotFlow,
)
from dlt_stub.declare.registry import origin_in
from dlt_stub.engine.catalog import quote
from dlt_stub.engine.delta_log import read_table_layout
from dlt_stub.engine.sql_tree import jvm_of
from dlt_stub.errors import DefinitionError, DltStubError, GraphError, NotEmulatedError
from dlt_stub.expectations import Check, check_rules
from dlt_stub.flows.failures import reason
from dlt_stub.flows.file_batches import source_cleaning, source_of, source_state
from dlt_stub.flows.flow_run import FlowContext
from dlt_stub.flows.progress import snapshots_of, source_of_files
from dlt_stub.flows.reads import ProbeReads
from dlt_stub.flows.snapshots import latest_version
from dlt_stub.flows.stateful import state_words, streaming_nodes
from dlt_stub.graph import Analysis, ResolvedDataset, UnresolvedDatasetError
from dlt_stub.paths import segment

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
    """Analyses flows; ``empty_folder`` is an empty folder that streams of no rows watch.

    With ``looks_only`` nothing is written into the pipeline's own state, but into ``scratch``; nor
    is it where ``is_made_anew`` says that a flow is about to forget its state.
    """

    context: FlowContext
    empty_folder: Path
    scratch: Path
    looks_only: bool = False
    is_made_anew: Callable[[Flow], bool] = lambda _: False

    def analyse(self, flow: Flow, resolved: Mapping[str, ResolvedDataset]) -> Analysis:
        """Return what ``flow`` reads and writes.

        Raises:
            UnresolvedDatasetError: it reads a dataset that is not resolved yet.
            DefinitionError: the query or an expectation cannot be analysed.
            NotEmulatedError: it does what is not run here.
        """
        target = self.context.datasets[flow.target]
        with self.context.settings.of(flow, target, self.context.session):
            return self._analysed(flow, resolved)

    def _analysed(self, flow: Flow, resolved: Mapping[str, ResolvedDataset]) -> Analysis:
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
            if isinstance(flow, SnapshotFlow):
                return self._of_snapshots(flow, reads)
            frame = reads.query()
            checked = self._with_target_checks(flow, frame, reads)
            analysis = self._analysis(flow, checked, reads)
        except (Exception, SystemExit) as error:
            if reads.waits_for is not None:
                raise UnresolvedDatasetError(reads.waits_for) from None
            if isinstance(error, DltStubError):
                raise
            is_sparks = isinstance(error, PySparkException)
            said = "cannot be analysed: " if is_sparks else f"raised {type(error).__name__}: "
            raise DefinitionError(
                f"the query of flow '{flow.name}' {said}{reason(error)}",
                origin=origin_in(error) or flow.origin,
            ) from error
        if reads.waits_for is not None:  # the user's code caught what would have told us
            raise UnresolvedDatasetError(reads.waits_for)
        return analysis

    def _analysis(self, flow: Flow, frame: DataFrame, reads: ProbeReads) -> Analysis:
        plan = frame._jdf.queryExecution().analyzed()
        nodes = {str(node.nodeName()) for node in streaming_nodes(plan)}
        is_sink = self.context.datasets[flow.target].kind is DatasetKind.SINK
        is_aggregated = (
            "Aggregate" in nodes and "EventTimeWatermark" not in nodes and not is_sink
        )  # a sink is appended to: Spark says what that forbids
        if reads.request is not None and reads.streams:
            raise NotEmulatedError(
                f"flow '{flow.name}' reads cloudFiles beside a stream of '{reads.streams[0]}': "
                "a flow reads one kind of stream here",
                origin=flow.origin,
                hint="stage the files in a table of their own, then join the two streams",
            )
        if reads.request is not None and nodes & _STATEFUL:
            raise NotEmulatedError(
                f"flow '{flow.name}' keeps state ({', '.join(sorted(nodes & _STATEFUL))}) above a "
                "cloudFiles source: file batches are run one by one here",
                origin=flow.origin,
                hint="stage the files in a table of their own and keep the state in a second one",
            )
        if frame.isStreaming:
            self._refuse_what_streams_cannot(plan, is_complete=is_aggregated)
        if isinstance(flow, AutoCdcFlow):
            if not frame.isStreaming and not flow.once:
                raise GraphError(
                    f"flow '{flow.name}': source data for apply_changes must be a streaming query",
                    origin=flow.origin,
                )
            schema = target_schema(frame.schema, flow, spark=self.context.session)
        else:
            schema = frame.schema
            if frame.isStreaming:
                self._refuse_untyped(flow, schema)
        return Analysis(
            schema=schema,
            is_streaming=frame.isStreaming,
            is_aggregated=is_aggregated,
            inputs=tuple(reads.inputs),
            streams=tuple(reads.streams),
            cloud_files=reads.request,
            reads_event_log=reads.reads_event_log,
            state=state_words(plan) if frame.isStreaming and reads.request is None else (),
        )

    def _of_snapshots(self, flow: SnapshotFlow, reads: ProbeReads) -> Analysis:
        """Look at the next snapshot: the user's function is asked for it, and again by the run."""
        target = self.context.datasets[flow.target]
        self._refuse_expectations(target)
        found: tuple[DataFrame, Version] | None
        if isinstance(flow.source, str):
            found = reads.query(), self.context.clock.now()
        else:
            state = snapshots_of(self.context.place.flow(flow.target, flow.name))
            found = reads.next_snapshot(None if self.is_made_anew(flow) else latest_version(state))
        if reads.waits_for is not None:
            raise UnresolvedDatasetError(reads.waits_for)
        if found is None:
            schema = self._schema_so_far(flow, target)
        else:
            schema = snapshot_schema(found[0].schema, flow, found[1], spark=self.context.session)
        return Analysis(schema=schema, is_streaming=False, inputs=tuple(reads.inputs))

    def _schema_so_far(self, flow: SnapshotFlow, target: Dataset) -> StructType:
        location = str(self.context.place.table(flow.target))
        if not self.is_made_anew(flow):
            stored = read_table_layout(self.context.session, location)
            if stored is not None:
                return stored.schema
        if target.schema is not None:
            return StructType([])  # the declared columns are the target's
        raise NotEmulatedError(
            f"flow '{flow.name}' has no snapshot yet, so the columns of '{flow.target}' are not "
            "known",
            origin=flow.origin,
            hint="declare them: dlt.create_streaming_table(..., schema=...)",
        )

    def _refuse_what_streams_cannot(self, plan: Any, *, is_complete: bool) -> None:
        """Let Spark refuse ``plan`` now: file batches would run it as the batch query it is not."""
        sql = jvm_of(self.context.session).org.apache.spark.sql
        checker = getattr(sql.catalyst.analysis, "UnsupportedOperationChecker$")
        modes = sql.streaming.OutputMode
        mode = modes.Complete() if is_complete else modes.Append()
        getattr(checker, "MODULE$").checkForStreaming(plan, mode)

    def _refuse_untyped(self, flow: Flow, schema: StructType) -> None:
        """Refuse what Delta's own streaming sink does: batches of a stream go past it here.

        Source: Delta's DeltaSink.addBatch, DELTA_NULL_SCHEMA_IN_STREAMING_WRITE, 2026-11-24.
        """
        dataset = self.context.datasets[flow.target]
        is_stored = dataset.kind is not DatasetKind.VIEW
        if dataset.sink is not None and dataset.sink.handler is not None:
            is_stored = False  # the user's function may do with it what it likes
        for field in schema.fields if is_stored else ():
            if _has_void(field.dataType):
                raise DefinitionError(
                    f"[DELTA_NULL_SCHEMA_IN_STREAMING_WRITE] column '{field.name}' of flow "
                    f"'{flow.name}' is of type {field.dataType.simpleString()}; a stream can "
                    "write no column without a type",
                    origin=flow.origin,
                    hint='F.lit(None).cast("string")',
                )

    def _with_target_checks(self, flow: Flow, frame: DataFrame, reads: ProbeReads) -> DataFrame:
        dataset = self.context.datasets[flow.target]
        if isinstance(flow, AutoCdcFlow):
            if not dataset.expectations:
                return frame
            self._check_rules_of_changes(flow, frame, dataset)
            return reads.checked(frame, dataset.name)
        assert isinstance(flow, AppendFlow)
        if dataset.kind is DatasetKind.VIEW and not dataset.expectations:
            return frame
        return reads.checked(frame, dataset.name)

    def _check_rules_of_changes(self, flow: AutoCdcFlow, frame: DataFrame, target: Dataset) -> None:
        """Return if rules on a target of changes mean here what they mean on Databricks.

        They are looked at on the changes as they come in. Source: docs "AUTO CDC INTO" (rules of
        the target) and "Manage data quality with pipeline expectations" (rows are dropped before
        they are written), 2026-11-24. Whether a dropped change leaves the key's older row is not
        said there: a rule over the keys alone holds for all changes of a key or for none.
        """
        schema = target_schema(frame.schema, flow, spark=self.context.session)
        shown = frame.select(*(quote(n) for n in schema.names if n not in (START_AT, END_AT)))
        check_rules(shown, _check_of(target, target.expectations))
        for expectation in target.expectations:
            if expectation.action is not Action.DROP:
                continue
            if flow.apply_as_truncates is not None:  # a truncate has no keys
                self._refuse_expectations(target)
            try:
                keys = frame.select(*map(quote, flow.keys))
                check_rules(keys, _check_of(target, (expectation,)))
            except DefinitionError:
                self._refuse_expectations(target)

    def _refuse_expectations(self, dataset: Dataset) -> None:
        if dataset.expectations:
            raise NotEmulatedError(
                f"expectations on '{dataset.name}', a target of apply_changes, are not run "
                "locally but for those that drop nothing, or look at its keys alone",
                origin=dataset.origin,
                hint="put them on a view between the source and apply_changes",
            )

    def _probe_files(self, flow: Flow, request: CloudFilesRequest) -> DataFrame:
        state = self._source_state(flow)
        source_cleaning(request, self.context)
        stream: DataFrame = source_of(request).probe(self.context.session, state)
        return stream

    def _source_state(self, flow: Flow) -> CloudFilesState:
        is_anew = self.is_made_anew(flow)
        if not (self.looks_only or is_anew):
            return source_state(flow, self.context.place)
        # Asking for the schema writes it: what is only looked at is a copy. A ledger that is left
        # behind is not read at all: that it is broken may be why.
        copy = self.scratch / segment(flow.target) / segment(flow.name)
        if not copy.exists():
            folder = source_of_files(self.context.place.flow(flow.target, flow.name))
            if folder.exists() and not is_anew:
                shutil.copytree(folder, copy)
            else:
                copy.mkdir(parents=True)
        return CloudFilesState(copy)


def _has_void(kind: DataType) -> bool:
    match kind:
        case ArrayType():
            return _has_void(kind.elementType)
        case MapType():
            return _has_void(kind.keyType) or _has_void(kind.valueType)
        case StructType():
            return any(_has_void(field.dataType) for field in kind.fields)
    return isinstance(kind, NullType)


def _check_of(dataset: Dataset, expectations: tuple[Expectation, ...]) -> Check:
    return Check(observed_as="", dataset=dataset.name, expectations=expectations)
