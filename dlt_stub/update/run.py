"""One update of one pipeline, from its source files to its tables."""

import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from dlt_stub import stopping
from dlt_stub.clock import Clock
from dlt_stub.declare.records import AppendFlow, Dataset, DatasetKind, Declarations, Flow
from dlt_stub.declare.user_code import load_declarations
from dlt_stub.engine.catalog import TableEntry, TableRegistry, name_table
from dlt_stub.errors import (
    DiskError,
    SparkLostError,
    UnknownFieldError,
    UsageError,
)
from dlt_stub.events import (
    EVENT_COLUMNS,
    Event,
    EventLog,
    Listener,
    UpdateState,
    settle,
)
from dlt_stub.flows.analyse import Prober
from dlt_stub.flows.external import set_up_sink
from dlt_stub.flows.file_batches import source_of
from dlt_stub.flows.flow_run import FlowContext
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import reset_progress
from dlt_stub.flows.settings import unknown_settings
from dlt_stub.flows.tables import (
    finish_reset,
    left_out_properties,
    reset_table,
    set_up_table,
    table_entry,
)
from dlt_stub.flows.untold import committed_tellings, forget
from dlt_stub.flows.ways_out import is_reset_allowed
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow, resolve
from dlt_stub.locks import exclusive
from dlt_stub.maintenance import Maintenance
from dlt_stub.sql_sources import SqlSources
from dlt_stub.update.explain import StoredTable, check_newest, explained
from dlt_stub.update.flows import FlowRunner
from dlt_stub.update.hooks import FINISH_SECONDS, NO_HOOKS, Hooks
from dlt_stub.update.naming import with_declared_names, with_declared_targets
from dlt_stub.update.progress import Progress
from dlt_stub.update.records import (
    FlowResult,
    Selection,
    UpdateCause,
    UpdateResult,
)
from dlt_stub.update.retries import NO_RETRIES, Retries

EVENT_LOG = "EVENT_LOG"
SET_UP_SECONDS = 300.0  # how long an update waits for another pipeline's that sets up its tables


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSources:
    """The files of a pipeline and the names they find when they run."""

    files: Sequence[Path]
    root: Path | None
    user_globals: Mapping[str, Any]
    runs_magics: bool = False


class UpdateRun:
    """Carries out one update inside ``user_world``; every step emits its events."""

    def __init__(
        self,
        *,
        place: PipelinePlace,
        pipeline_name: str,
        sources: PipelineSources,
        session: SparkSession,
        registry: TableRegistry,
        clock: Clock,
        selection: Selection,
        cause: UpdateCause,
        listener: Listener | None,
        retries: Retries = NO_RETRIES,
        is_maintained: bool = True,
    ) -> None:
        self.update_id = str(uuid.uuid4())
        self._place = place
        self._sources = sources
        self._session = session
        self._registry = registry
        self._selection = selection
        self._cause = cause
        self._clock = clock
        self._events: list[Event] = []
        self._has_reset = False
        self._retries = retries
        self._is_maintained = is_maintained
        self._hooks = NO_HOOKS
        self._tables: list[ResolvedDataset] = []

        def listen(event: Event) -> None:
            self._events.append(event)
            self._hooks.tell([event])
            if listener:
                listener(event)

        self._log = EventLog(
            place.event_log,
            clock=clock,
            listener=listen,
            origin={
                "pipeline_id": place.pipeline_id,
                "pipeline_name": pipeline_name,
                "pipeline_type": "WORKSPACE",
                "update_id": self.update_id,
            },
        )
        self._progress = Progress(self._log, self.update_id)

    def run(self) -> UpdateResult:
        """Return how the update ended; failures are in the result, not raised.

        Raises:
            Stopped: that was wished; the event log has the update as CANCELED.
        """
        flows: Mapping[str, FlowResult] = {}
        self._log.remove_drafts()
        try:
            self._progress.created(self._cause, self._selection)
            self._progress.update(UpdateState.INITIALIZING)
            self._publish_event_log()
            graph, context = self._resolve(
                looks_only=self._selection.validate_only, calls_hooks=True
            )
            if not self._selection.validate_only:
                self._tell_untold()  # before a reset takes what is kept for it
                # One at a time in a workspace: of two pipelines with one table the later one is
                # refused before it has reset, made or registered anything.
                with exclusive(
                    self._place.paths.root / "set_up.lock",
                    what="setting up tables",
                    wait_seconds=SET_UP_SECONDS,
                ):
                    self._set_up(graph)
                self._progress.update(UpdateState.RUNNING)
                self._progress.flush()
                flows = FlowRunner(
                    graph=graph,
                    context=context,
                    selection=self._selection,
                    retries=self._retries,
                    progress=self._progress,
                    explain=self._explained,
                ).run()
        except BaseException as raised:
            error = self._explained(raised, self._tables)
            if isinstance(error, Exception):
                return self._ended(UpdateState.FAILED, flows, error)
            self._progress.update(UpdateState.CANCELED, error)
            try:
                self._progress.flush()
            finally:
                raise error from (raised if error is not raised else raised.__cause__)
        cause = _root_cause(flows)
        state = UpdateState.COMPLETED if cause is None else UpdateState.FAILED
        if isinstance(cause, UnknownFieldError):
            state = UpdateState.CANCELED
        return self._ended(state, flows, cause, graph)

    def _ended(
        self,
        state: UpdateState,
        flows: Mapping[str, FlowResult],
        cause: Exception | None,
        graph: Graph | None = None,
    ) -> UpdateResult:
        """Tell how the update has ended; one whose event log cannot be written has failed."""
        self._progress.update(state, cause if state is UpdateState.FAILED else None)
        try:
            self._progress.flush()
            if graph is not None and self._may_maintain(cause):
                Maintenance(
                    place=self._place, spark=self._session, log=self._log, clock=self._clock
                ).run(graph)
            self._finish_hooks()
        except DiskError as unwritten:
            return self._result(UpdateState.FAILED, flows, cause or unwritten)
        return self._result(state, flows, cause)

    def _may_maintain(self, cause: Exception | None) -> bool:
        if not self._is_maintained or self._selection.validate_only or stopping.is_wished():
            return False
        return not isinstance(cause, DiskError | SparkLostError)

    def _explained(
        self, error: BaseException, datasets: Iterable[ResolvedDataset]
    ) -> BaseException:
        tables = map(self._stored_as, _stored(datasets))
        return explained(error, tables=tables, event_log=self._place.event_log)

    def _stored_as(self, dataset: ResolvedDataset) -> StoredTable:
        return StoredTable(
            name=dataset.name,
            folders=(self._place.table(dataset.name), self._place.auxiliary(dataset.name)),
            may_be_made_anew=is_reset_allowed(dataset.dataset),
        )

    def _finish_hooks(self) -> None:
        if not self._hooks.finish():
            self._progress.note(
                f"event hooks were not called with all events within {FINISH_SECONDS} seconds"
            )
        self._progress.flush()

    def resolve(self) -> Graph:
        """Return the resolved graph; nothing is run or created."""
        return self._resolve(looks_only=True)[0]

    def _resolve(self, *, looks_only: bool, calls_hooks: bool = False) -> tuple[Graph, FlowContext]:
        declarations = with_declared_targets(
            load_declarations(
                self._sources.files,
                root=self._sources.root,
                user_globals=dict(self._sources.user_globals),
                declare_sql=SqlSources(self._session),
                runs_magics=self._sources.runs_magics,
            ),
            self._place,
        )
        if calls_hooks and declarations.hooks:
            self._hooks = Hooks(
                declarations.hooks, record=self._log.record, on_failure=self._progress.hook
            )
            self._hooks.tell(self._events)  # what the update has said so far
        self._selection = with_declared_names(self._selection, declarations, self._place)
        datasets = {dataset.name: dataset for dataset in declarations.datasets}
        context = FlowContext(
            clock=self._clock,
            place=self._place,
            update_id=self.update_id,
            session=self._session,
            registry=self._registry,
            datasets=datasets,
            view_flows={
                flow.target: flow
                for flow in declarations.flows
                if isinstance(flow, AppendFlow)
                and flow.target in datasets
                and datasets[flow.target].kind is DatasetKind.VIEW
            },
        )
        with tempfile.TemporaryDirectory(prefix="dlt_stub-probe-") as name:
            empty, scratch = Path(name) / "empty", Path(name) / "state"
            empty.mkdir()
            prober = Prober(
                context=context,
                empty_folder=empty,
                scratch=scratch,
                looks_only=looks_only,
                is_made_anew=lambda flow: self._is_made_anew(flow, datasets[flow.target]),
            )
            graph = resolve(declarations, analyse=prober.analyse)
        self._tables = list(graph.tables)
        for dataset in graph.datasets.values():
            self._progress.dataset(dataset)
            for flow in dataset.flows:
                self._progress.flow_definition(flow, dataset)
        notes = (*declarations.notes, *_unread_settings(declarations, context))
        for note in (*notes, *_unread_options(graph)):
            self._progress.note(note)
        return graph, context

    def _is_made_anew(self, flow: Flow, target: Dataset) -> bool:
        if flow.name in self._selection.reset_checkpoint_selection:
            return True
        is_reset = self._selection.includes(flow) and self._selection.resets(target.name)
        return is_reset and is_reset_allowed(target)

    def _publish_event_log(self) -> None:
        self._place.event_log.mkdir(parents=True, exist_ok=True)
        settle(self._place.event_log)
        if self._place.event_log_name is None:
            return
        catalog, schema, name = self._place.event_log_name
        entry = TableEntry(
            catalog=catalog,
            schema=schema,
            name=name,
            location=str(self._place.event_log),
            provider="json",
            kind=EVENT_LOG,
            pipeline_id=self._place.pipeline_id,
            ddl=EVENT_COLUMNS,
        )
        self._registry.put(entry)
        name_table(self._session, entry)

    def _tell_untold(self) -> None:
        for file, telling in committed_tellings(self._place.flows):
            self._progress.make_up_for(telling)
            forget(file)

    def _set_up(self, graph: Graph) -> None:
        selected = [
            dataset
            for dataset in graph.tables
            if any(self._selection.includes(flow.flow) for flow in dataset.flows)
        ]
        for dataset in _stored(selected):  # before a reset removes what another pipeline owns
            self._registry.check(table_entry(dataset, place=self._place))
        resets = [each for each in selected if self._selection.resets(each.name)]
        rewound = self._flows_to_rewind(graph)
        if resets or rewound:
            self._progress.update(UpdateState.RESETTING)
        for dataset in _stored(resets):
            if not reset_table(dataset, place=self._place):
                self._progress.note(
                    f"'{dataset.name}' keeps its rows: pipelines.reset.allowed is false"
                )
        # A sink keeps what was written: its flows begin again.
        # Source: docs "create_sink", note on full refresh, 2026-11-24.
        rewound += [flow for each in resets if each.is_sink for flow in each.flows]
        for flow in rewound:
            reset_progress(self._place.flow(flow.flow.target, flow.flow.name))
        self._has_reset = True
        # A reset that was cut short is finished even where it is not selected: half of it is wrong.
        selected += [
            each
            for each in _stored(graph.tables)
            if each not in selected and finish_reset(each, place=self._place)
        ]
        self._progress.update(UpdateState.SETTING_UP_TABLES)
        for dataset in selected:
            for name in left_out_properties(dataset.dataset):
                self._progress.note(
                    f"'{dataset.name}' has property {name}, which steers Databricks' own writers: "
                    "it is not set here, and changes no row"
                )
            if not dataset.is_sink:
                check_newest(self._stored_as(dataset))
            set_up = set_up_sink if dataset.is_sink else set_up_table
            set_up(dataset, place=self._place, spark=self._session, registry=self._registry)

    def _flows_to_rewind(self, graph: Graph) -> list[ResolvedFlow]:
        found = [
            flow
            for dataset in graph.tables
            for flow in dataset.flows
            if flow.flow.name in self._selection.reset_checkpoint_selection
        ]
        for flow in found:
            if not flow.analysis.is_streaming:
                raise UsageError(
                    f"flow '{flow.flow.name}' is no streaming flow: it has no checkpoint",
                    hint=f"its query says all there is: --refresh {flow.flow.target}",
                )
        return found

    def _result(
        self, state: UpdateState, flows: Mapping[str, FlowResult], error: Exception | None
    ) -> UpdateResult:
        return UpdateResult(
            update_id=self.update_id,
            state=state,
            cause=self._cause,
            flows=flows,
            events=tuple(self._events),
            error=error,
            has_reset=self._has_reset,
        )


def _stored(datasets: Iterable[ResolvedDataset]) -> list[ResolvedDataset]:
    return [each for each in datasets if not each.is_sink]


def _unread_settings(declarations: Declarations, context: FlowContext) -> Iterator[str]:
    for flow in declarations.flows:
        target = context.datasets[flow.target]
        for key in unknown_settings(flow, target, context.session):
            yield f"spark_conf {key!r} of flow '{flow.name}' changes nothing here: Spark has none"


def _unread_options(graph: Graph) -> Iterator[str]:
    for dataset in graph.datasets.values():
        for flow in dataset.flows:
            request = flow.analysis.cloud_files
            for note in source_of(request).options.notes if request is not None else ():
                yield f"{flow.flow.name}: {note}"


def _root_cause(flows: Mapping[str, FlowResult]) -> Exception | None:
    errors = [flow.error for flow in flows.values() if isinstance(flow.error, Exception)]
    for error in errors:
        if not isinstance(error, UnknownFieldError):
            return error
    return errors[0] if errors else None
