"""What a query function reads: on empty inputs when it is probed, on new rows when it runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.streaming.readwriter import DataStreamReader
from pyspark.sql.types import StructType

from dlt_stub.cdc import Version
from dlt_stub.declare.reads import CloudFilesRequest, reading
from dlt_stub.declare.records import (
    AppendFlow,
    AutoCdcFlow,
    Dataset,
    DatasetKind,
    Flow,
    SnapshotFlow,
)
from dlt_stub.declare.registry import user_origin
from dlt_stub.engine.catalog import TableRegistry, name_levels
from dlt_stub.errors import GraphError, NotEmulatedError, Origin, nearest
from dlt_stub.events import READ_MODE, UNMERGED, event_schema, hold, listing, settle
from dlt_stub.expectations import Check, check_rules, put_check
from dlt_stub.flows.files_now import columns_now, files_now
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import checkpoint_of, has_committed
from dlt_stub.graph import ResolvedDataset, UnresolvedDatasetError

# Options of a streaming read from a Delta table that Spark's Delta source honours as Databricks
# does. Source: docs "Delta table streaming reads and writes", 2026-11-24.
_STREAM_OPTIONS = {
    "skipchangecommits": "skipChangeCommits",
    "ignoredeletes": "ignoreDeletes",
    "ignorechanges": "ignoreChanges",
    "maxfilespertrigger": "maxFilesPerTrigger",
    "maxbytespertrigger": "maxBytesPerTrigger",
    "startingversion": "startingVersion",
    "startingtimestamp": "startingTimestamp",
}


_CHANGE_OPTIONS = frozenset({"skipchangecommits", "ignoredeletes", "ignorechanges"})


class ProbeFiles(Protocol):
    """Makes the empty stream that stands for a cloudFiles source while a query is probed."""

    def __call__(self, flow: Flow, request: CloudFilesRequest) -> DataFrame:
        """Return a stream of no files in the source's current schema."""


@dataclass(slots=True, kw_only=True)
class PipelineReads(ABC):
    """Answers the reads of one flow's query, views included; subclasses say what tables hold."""

    place: PipelinePlace
    session: SparkSession
    registry: TableRegistry
    datasets: Mapping[str, Dataset]
    view_flows: Mapping[str, AppendFlow]
    flow: Flow
    checks: list[tuple[Check, Observation | None]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    reads_event_log: bool = False
    temp_views: dict[str, DataFrame] = field(default_factory=dict)
    has_read_datasets: bool = False  # which are empty while the function is probed
    _inside_view: list[str] = field(default_factory=list)

    def query(self) -> DataFrame:
        """Run the flow's query function and return its rows, before the target's expectations.

        Shape: what the user's function returns; streaming or batch as the subclass reads.
        """
        with reading(self):
            if isinstance(self.flow, AppendFlow):
                return self._frame_of(self.flow)
            assert isinstance(self.flow.source, str)
            is_streaming = isinstance(self.flow, AutoCdcFlow) and not self.flow.once
            return self.table(self.flow.source, streaming=is_streaming, options={})

    def next_snapshot(self, latest: Version | None) -> tuple[DataFrame, Version] | None:
        """Return the snapshot that the user's function says follows version ``latest``.

        Shape: what the user's function returns, batch.

        Raises:
            GraphError: it returns something else than a batch DataFrame with a version, or None.
        """
        assert isinstance(self.flow, SnapshotFlow)
        assert not isinstance(self.flow.source, str)
        with reading(self):
            found = self.flow.source(latest)
        if found is None:
            return None
        is_pair = isinstance(found, tuple) and len(found) == 2
        snapshot, version = found if is_pair else (found, None)
        if is_pair and snapshot is None:
            return None  # the example of databricks-dlt's docstring
        if not is_pair or not isinstance(snapshot, DataFrame) or version is None:
            raise self._wrong_snapshot(f"returned {_named(found)}")
        if snapshot.isStreaming:
            raise self._wrong_snapshot("returned a streaming DataFrame")
        return snapshot, version

    def _wrong_snapshot(self, what: str) -> GraphError:
        return GraphError(
            f"the snapshot function of flow '{self.flow.name}' {what}; allowed: a batch DataFrame "
            "and its version, or None",
            origin=self.flow.origin,
            hint="return (spark.read.load(path), version)",
        )

    def table(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return a dataset of this pipeline, its event log, or an outside table.

        Shape: its columns and grain.

        Raises:
            GraphError: no such table, or a stream was asked of a batch view or the reverse.
            NotEmulatedError: an option that could change results is not honoured here.
        """
        dataset = self.place.dataset_called(name, self.datasets)
        if name.strip("`").lower() in self.temp_views:
            return self._temp_view(name, dataset, streaming=streaming, options=options)
        if dataset is not None:
            self.has_read_datasets = True
            if not self._inside_view and dataset not in self.inputs:
                self.inputs.append(dataset)
            if self.datasets[dataset].kind is DatasetKind.SINK:
                raise GraphError(
                    f"flow '{self.flow.name}' reads '{dataset}', a sink: flows write into it only",
                    origin=user_origin(),
                    hint="read the table it writes by that table's own name",
                )
            if self.datasets[dataset].kind is DatasetKind.VIEW:
                _refuse_options(options, f"view '{dataset}'", "put them where the view reads")
                return self._view(dataset, streaming=streaming)
            if streaming:
                self.check_stream(dataset)
            return self.dataset(dataset, streaming=streaming, options=_checked(options, streaming))
        if streaming:
            self.check_stream(name)
        if self.place.is_event_log(name):
            self.reads_event_log = self.has_read_datasets = True
            # Events are never changed nor deleted: what says what to do then says nothing here.
            options = {k: v for k, v in options.items() if k.lower() not in _CHANGE_OPTIONS}
            _refuse_options(options, "the event log", "leave them out")
            return self.event_log(streaming=streaming)
        return self._outside(name, streaming=streaming, options=_checked(options, streaming))

    def names_of(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Return the names of several levels that columns of table ``name`` may be written with."""
        levels = name_levels(name) or ()
        if len(levels) == 1 and levels[0].lower() in self.temp_views:
            return ()
        catalog, schema, table = self.place.full_name(name)
        return ("LIVE", table), (schema, table), (catalog, schema, table)

    def local(self, path: str) -> str:
        """Return where ``path`` lies on this machine."""
        return self.place.paths.to_local(path)

    def files(self, request: CloudFilesRequest) -> DataFrame:
        """Return the files of ``request`` as they are now.

        Shape: the columns Auto Loader would find, the rescued ones last, batch.
        """
        return files_now(self.session, request)

    @abstractmethod
    def cloud_files(self, request: CloudFilesRequest) -> DataFrame:
        """Return the files of ``request``."""

    @abstractmethod
    def dataset(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return the rows of a table of this pipeline."""

    def check_stream(self, name: str) -> None:  # noqa: B027 - most reads have nothing to check
        """Take note that the query streams from table ``name``."""

    def _events_in(self, folder: Path, *, streaming: bool) -> DataFrame:
        return event_frame(self.session, str(folder), streaming=streaming)

    @abstractmethod
    def observation(self, name: str) -> Observation | None:
        """Return what takes the counts of one check; None where the query's progress does."""

    def event_log(self, *, streaming: bool) -> DataFrame:
        """Return the pipeline's own events.

        Shape: the event log's ten columns, one row an event.
        """
        return self._events_in(self.place.event_log, streaming=streaming)

    def checked(self, frame: DataFrame, dataset: str) -> DataFrame:
        """Return ``frame`` with the expectations of ``dataset`` in its plan.

        Shape: the columns and grain of ``frame``, less the rows that drop rules remove.
        """
        check = self._check(dataset)
        observation = self.observation(check.observed_as)
        self.checks.append((check, observation))
        return put_check(frame, check, flow=self.flow.name, observation=observation)

    def _origin(self) -> Origin:
        """Return the line that reads: the user's own, or the declaration that names its source."""
        return self.flow.origin if self._is_named_source else user_origin()

    @property
    def _is_named_source(self) -> bool:
        is_named = not isinstance(self.flow, AppendFlow) and isinstance(self.flow.source, str)
        return is_named and not self._inside_view

    def _wrong_source(self, name: str, *, streaming: bool) -> GraphError:
        """Return what Databricks says: a batch source "must be a streaming query" (measured)."""
        word = "apply_changes" if isinstance(self.flow, AutoCdcFlow) else "snapshots"
        kinds = ("batch", "streaming") if streaming else ("streaming", "batch")
        once = " with once=True" if isinstance(self.flow, AutoCdcFlow) and self.flow.once else ""
        return GraphError(
            f"flow '{self.flow.name}': source data for {word}{once} must be a {kinds[1]} query; "
            f"view '{name}' is a {kinds[0]} view",
            origin=self.flow.origin,
            hint=f"let '{name}' read with spark.{'readStream' if streaming else 'read'}",
        )

    def _check(self, dataset: str) -> Check:
        return Check(
            observed_as=f"{dataset}#{len(self.checks)}",
            dataset=dataset,
            expectations=self.datasets[dataset].expectations,
        )

    def _frame_of(self, flow: AppendFlow) -> DataFrame:
        # What a view's query function calls its own is not the name its reader gives something.
        outer, self.temp_views = self.temp_views, {}
        try:
            frame = flow.query()
        finally:
            self.temp_views = outer
        if not isinstance(frame, DataFrame):
            raise GraphError(
                f"the query of flow '{flow.name}' returned {type(frame).__name__}; allowed: a "
                "DataFrame",
                origin=flow.origin,
                hint="return the DataFrame; write nothing inside a query function",
            )
        return frame

    def _view(self, name: str, *, streaming: bool) -> DataFrame:
        if name in self._inside_view:
            cycle = " -> ".join([*self._inside_view, name])
            raise GraphError(f"views read each other in a cycle: {cycle}", origin=self._origin())
        self._inside_view.append(name)
        try:
            frame = self._frame_of(self.view_flows[name])
        finally:
            self._inside_view.pop()
        if self.tells_streaming() and streaming != frame.isStreaming:
            if self._is_named_source:
                raise self._wrong_source(name, streaming=streaming)
            kind, verb = ("batch", "read") if streaming else ("streaming", "read_stream")
            raise GraphError(
                f"view '{name}' is a {kind} view and cannot be read as the other kind",
                origin=self._origin(),
                hint=f'dlt.{verb}("{name}")',
            )
        if not self.datasets[name].expectations:
            return frame
        return self.checked(frame, name)

    def _temp_view(
        self, name: str, dataset: str | None, *, streaming: bool, options: Mapping[str, str]
    ) -> DataFrame:
        if dataset is not None:
            raise NotEmulatedError(
                f"'{name}' is both dataset '{dataset}' and a temporary view of this query "
                "function: which of them Databricks reads is not documented",
                origin=user_origin(),
                hint="give the view another name",
            )
        _refuse_options(options, f"the temporary view '{name}'", "put them where the view reads")
        frame = self.temp_views[name.strip("`").lower()]
        if streaming and self.tells_streaming() and not frame.isStreaming:
            raise GraphError(
                f"temporary view '{name}' is a batch view and cannot be read as a stream",
                origin=user_origin(),
                hint="make it of what spark.readStream gives",
            )
        return frame

    def tells_streaming(self) -> bool:
        """Return whether frames here show by themselves whether the deployed query streams."""
        return True

    def _is_temp_view(self, name: str) -> bool:
        """Return whether a source file, not a query function, made a temporary view ``name``."""
        state: Any = self.session._jsparkSession.sessionState()  # Py4J
        parts = state.sqlParser().parseMultipartIdentifier(name)
        return bool(state.catalog().isTempView(parts))

    def _outside(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        entry = self.registry.find(name, catalog=self.place.catalog, schema=self.place.schema)
        if entry is None and not streaming and self._is_temp_view(name):
            _refuse_options(options, f"the temporary view '{name}'", "leave them out")
            return DataFrameReader(self.session).table(name)
        if entry is None:
            near = nearest(name, self.datasets) or self.registry.nearest(name)
            raise GraphError(
                f"flow '{self.flow.name}' reads '{name}', which is neither declared in this "
                "pipeline nor a table of the local workspace",
                origin=self._origin(),
                hint=f"did you mean '{near}'?" if near else "run the pipeline that makes it first",
            )
        if entry.provider == "json":  # another pipeline's event log
            _refuse_options(options, f"the event log {entry.full_name}", "leave them out")
            return self._events_in(Path(entry.location), streaming=streaming)
        return delta_frame(self.session, entry.location, streaming=streaming, options=options)


@dataclass(slots=True, kw_only=True)
class ProbeReads(PipelineReads):
    """Reads on empty inputs of the right shape: Spark itself refuses what streaming refuses."""

    resolved: Mapping[str, ResolvedDataset]
    empty_folder: str
    probe_files: ProbeFiles
    request: CloudFilesRequest | None = None
    streams: list[str] = field(default_factory=list)
    waits_for: str | None = None  # told even where the user's code swallows the exception

    def check_stream(self, name: str) -> None:
        """Take note that the query streams from table ``name``."""
        self.streams.append(name)

    def checked(self, frame: DataFrame, dataset: str) -> DataFrame:
        """Return ``frame`` with the expectations of ``dataset``, each found good, in its plan.

        Shape: the columns and grain of ``frame``.
        """
        check_rules(frame, self._check(dataset))
        return PipelineReads.checked(self, frame, dataset)

    def event_log(self, *, streaming: bool) -> DataFrame:
        """Return no events: there may be none yet.

        Shape: the event log's ten columns, empty.
        """
        if streaming:
            return empty_stream(self.session, event_schema(), self.empty_folder)
        return self.session.createDataFrame([], event_schema())

    def dataset(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return no rows of the dataset's schema.

        Shape: the dataset's columns, empty.
        """
        if name not in self.resolved:
            self.waits_for = self.waits_for or name
            raise UnresolvedDatasetError(name)
        schema = self.resolved[name].schema
        if streaming:
            return empty_stream(self.session, schema, self.empty_folder)
        return self.session.createDataFrame([], schema)

    def cloud_files(self, request: CloudFilesRequest) -> DataFrame:
        """Return a stream of no files in the source's current schema.

        Shape: the source's columns and hidden ``_metadata``, streaming, empty.
        """
        if self.request is not None and self.request != request:
            raise NotEmulatedError(
                f"flow '{self.flow.name}' reads two cloudFiles sources; one flow has one here",
                origin=request.origin,
                hint="give each source a flow of its own with @dlt.append_flow",
            )
        self.request = request
        streams = list(self.streams)
        frame = self.probe_files(self.flow, request)
        self.streams = streams  # the empty stream that stands for the files is ours
        return frame

    def files(self, request: CloudFilesRequest) -> DataFrame:
        """Return no rows of the columns that ``request`` finds now.

        Shape: the columns Auto Loader would find, hidden ``_metadata``, batch, empty.
        """
        schema = columns_now(self.session, request)
        return DataFrameReader(self.session).schema(schema).parquet(self.empty_folder)

    def observation(self, name: str) -> Observation | None:
        """Return None: nothing is executed."""
        return None


@dataclass(slots=True, kw_only=True)
class StreamReads(PipelineReads):
    """Reads on the real tables, as streams with a checkpoint; counts arrive in the progress."""

    held: list[Callable[[], None]] = field(default_factory=list)  # event logs, against merging

    def release(self) -> None:
        """Let what the query has read be merged: it has ended."""
        while self.held:
            self.held.pop()()

    def _events_in(self, folder: Path, *, streaming: bool) -> DataFrame:
        has_begun = False
        if streaming:
            self.held.append(hold(folder))
            settle(folder)
            flow = self.place.flow(self.flow.target, self.flow.name)
            has_begun = has_committed(checkpoint_of(flow))
        return event_frame(self.session, str(folder), streaming=streaming, has_begun=has_begun)

    def dataset(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return the dataset's Delta table.

        Shape: the dataset's columns and grain.
        """
        return self.stored(name, streaming=streaming, options=options)

    def stored(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return the Delta table of dataset ``name``.

        Shape: the dataset's columns and grain.

        Raises:
            GraphError: it has none: it was left out of this update and of all before.
        """
        location = self.place.table(name)
        if not location.exists():
            raise GraphError(
                f"flow '{self.flow.name}' reads '{name}', which no update has made yet",
                origin=user_origin(),
                hint=f"refresh {name} too: --refresh {name}",
            )
        return delta_frame(self.session, str(location), streaming=streaming, options=options)

    def cloud_files(self, request: CloudFilesRequest) -> DataFrame:
        """Refuse: a flow that mixes files with other streams is not run here."""
        raise NotEmulatedError(
            f"flow '{self.flow.name}' reads cloudFiles in a query that did not when it was probed",
            origin=request.origin,
        )

    def observation(self, name: str) -> Observation | None:
        """Return None: counts of a stream arrive in its progress."""
        return None


@dataclass(slots=True, kw_only=True)
class BatchReads(StreamReads):
    """Reads on the real tables as batches: materialized views, and file batches."""

    batch: DataFrame | None = None  # the micro-batch of files, when there is one

    def dataset(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return the dataset's Delta table as it is now.

        Shape: the dataset's columns and grain, batch.
        """
        return self.stored(name, streaming=False, options=options)

    def check_stream(self, name: str) -> None:
        """Refuse: the probe saw no such stream.

        Raises:
            NotEmulatedError: always.
        """
        raise NotEmulatedError(
            f"flow '{self.flow.name}' streams from '{name}' in a query that did not when it was "
            "probed",
            origin=user_origin(),
        )

    def cloud_files(self, request: CloudFilesRequest) -> DataFrame:
        """Return the rows of the micro-batch.

        Shape: the source's columns and hidden ``_metadata``, one row for each row of a file, batch.
        """
        assert self.batch is not None
        return self.batch

    def observation(self, name: str) -> Observation | None:
        """Return a fresh observation."""
        return Observation(name)

    def tells_streaming(self) -> bool:
        """Return False: a micro-batch stands for a stream."""
        return self.batch is None


def _named(found: object) -> str:
    if not isinstance(found, tuple):
        return type(found).__name__
    return f"({', '.join(type(each).__name__ for each in found)})"


def delta_frame(
    session: SparkSession, location: str, *, streaming: bool, options: Mapping[str, str]
) -> DataFrame:
    """Return the Delta table at ``location``, read past the user's interception.

    Shape: the table's columns and grain.
    """
    if streaming:
        return DataStreamReader(session).format("delta").options(**options).load(location)
    return DataFrameReader(session).format("delta").options(**options).load(location)


def event_frame(
    session: SparkSession, folder: str, *, streaming: bool, has_begun: bool = False
) -> DataFrame:
    """Return the events in the segments below ``folder``.

    A stream that ``has_begun`` has seen all that is merged, as single segments: what is merged is
    no news to it. Until it has ended, its caller holds the log against merging.

    Shape: the event log's ten columns, one row an event.
    """
    with listing(Path(folder)):
        if not streaming:
            return DataFrameReader(session).schema(event_schema()).json(folder, mode=READ_MODE)
    # Spark's file source would drop files older than a week beside a newer one.
    reader = DataStreamReader(session).schema(event_schema()).option("maxFileAge", "36500d")
    if has_begun:
        reader = reader.option("pathGlobFilter", UNMERGED)
    return reader.json(folder, mode=READ_MODE)


def empty_stream(session: SparkSession, schema: StructType, folder: str) -> DataFrame:
    """Return a stream that never has rows.

    Shape: ``schema``, streaming.
    """
    return DataStreamReader(session).schema(schema).format("parquet").load(folder)


def _refuse_options(options: Mapping[str, str], what: str, hint: str) -> None:
    if options:
        raise NotEmulatedError(
            f"option {next(iter(options))!r} of a read of {what} is not run locally",
            origin=user_origin(),
            hint=hint,
        )


def _checked(options: Mapping[str, str], streaming: bool) -> dict[str, str]:
    allowed = _STREAM_OPTIONS if streaming else {}
    checked = {}
    for key, value in options.items():
        if key.lower() not in allowed:
            kind = "a streaming" if streaming else "a batch"
            raise NotEmulatedError(
                f"option {key!r} of {kind} table read is not run locally",
                origin=user_origin(),
                hint=f"honoured here: {', '.join(sorted(allowed.values())) or 'none'}",
            )
        checked[allowed[key.lower()]] = value
    return checked
