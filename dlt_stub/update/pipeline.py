"""A pipeline a test or a job can update: the first of the three nouns of our Python face."""

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.readwriter import DataFrameReader

from dlt_stub.clock import Clock, SystemClock
from dlt_stub.dbutils import Dbutils, with_secret
from dlt_stub.declare.notebook_sources import RUN_MAGICS
from dlt_stub.declare.user_code import user_world
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.engine.java_lock import held_by_java
from dlt_stub.engine.session import start_session
from dlt_stub.errors import UnknownFieldError, UsageError
from dlt_stub.events import (
    READ_MODE,
    Event,
    Listener,
    event_schema,
    listing,
    read_events,
    read_latest_events,
)
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.sessions import knowing_workspace, private_session
from dlt_stub.graph import Graph
from dlt_stub.locks import exclusive
from dlt_stub.maintenance import MAINTENANCE
from dlt_stub.paths import WorkspacePaths
from dlt_stub.redaction import redacting
from dlt_stub.update.globals import modules_of, pipeline_names
from dlt_stub.update.records import Selection, UpdateCause, UpdateResult
from dlt_stub.update.retries import Retries, is_update_retryable
from dlt_stub.update.run import PipelineSources, UpdateRun

SOURCE_SUFFIXES = (".py", ".sql", ".ipynb")  # all are found; what does not run here is refused
# A stream keeps the progress of its last 100 micro-batches only; an update reads them all.
_SESSION_SETTINGS = {
    "spark.sql.streaming.numRecentProgressUpdates": "1000000",
    # It only prunes earlier; with it a flow with one fail rule takes 16 s to plan and run, not 2 s.
    "spark.sql.constraintPropagation.enabled": "false",
    # Source: docs "Build a custom stateful application with transformWithState", 2026-11-24: the
    # default on Databricks, and the only one transformWithState runs on.
    "spark.sql.streaming.stateStore.providerClass": "org.apache.spark.sql.execution.streaming."
    "state.RocksDBStateStoreProvider",
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
}


class Pipeline:
    """A pipeline over source files, with its tables below one local workspace folder.

    Args:
        source: Source files or ``folder/**`` globs, relative to ``root`` or the working folder.
        storage: The workspace folder; made when missing.
        catalog: The catalog its tables are published in.
        schema: The schema its tables are published in.
        configuration: What ``spark.conf.get`` answers; ``/Volumes`` paths become local ones, and
            ``{{secrets/<scope>/<key>}}`` the secret, when an update begins.
        name: Shown in events; also what the pipeline's id is made from, unless it is given.
        root: The folder helper modules are imported from (``root_path`` of the bundle).
        event_log: Catalog, schema and name the event log is published as.
        pipeline_id: The id of a pipeline that a bundle declares.
        key: What the command line calls it; its name unless given.
        development: Whether what fails is not tried again, as in development mode.
        spark: The session to use; by default the process's own is started.
        clock: What events are dated by.
    """

    def __init__(
        self,
        *,
        source: Sequence[str | os.PathLike[str]],
        storage: str | os.PathLike[str],
        catalog: str,
        schema: str,
        configuration: Mapping[str, str] | None = None,
        name: str = "pipeline",
        root: str | os.PathLike[str] | None = None,
        event_log: tuple[str, str, str] | None = None,
        pipeline_id: str | None = None,
        key: str | None = None,
        development: bool = True,
        spark: SparkSession | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self.paths = WorkspacePaths.at(storage)
        self.pipeline_id = pipeline_id or str(
            uuid.uuid5(uuid.NAMESPACE_URL, f"dlt_stub/{catalog}/{schema}/{name}")
        )
        self.configuration = dict(configuration or {})
        self.place = PipelinePlace(
            paths=self.paths,
            pipeline_id=self.pipeline_id,
            catalog=catalog,
            schema=schema,
            event_log_name=event_log,
            pipeline_key=key or name,
        )
        self.registry = TableRegistry(self.paths)
        self._root = Path(root).absolute() if root is not None else None
        self._files = source_files(source, self._root or Path.cwd())
        self._spark = spark
        self._clock = clock or SystemClock()
        self.development = development
        self._retries = Retries.of(self.configuration, development=development)

    @property
    def spark(self) -> SparkSession:
        """The Spark session the pipeline runs on; started when first needed."""
        if self._spark is None:
            self._spark = start_session()
        return self._spark

    def update(
        self,
        *,
        refresh: Sequence[str] = (),
        full_refresh: bool = False,
        full_refresh_selection: Sequence[str] = (),
        refresh_flow_selection: Sequence[str] = (),
        reset_checkpoint_selection: Sequence[str] = (),
        validate_only: bool = False,
        cause: UpdateCause = UpdateCause.API_CALL,
        listener: Listener | None = None,
    ) -> UpdateResult:
        """Bring the selected datasets up to date and return how that ended.

        An update that files with new columns interrupt is followed by another at once, as on
        Databricks; so is one that failed in production mode, unless a user started it. The result
        is the last one's.

        Args:
            refresh: Datasets to bring up to date; all of them when nothing is selected.
            full_refresh: Whether every selected table is made anew, its rows and progress gone.
            full_refresh_selection: Datasets to make anew.
            refresh_flow_selection: Flows to run, beside those into the datasets named above.
            reset_checkpoint_selection: Flows that forget how far they have read; rows are kept.
            validate_only: Whether the graph is resolved and nothing else.
            cause: Why it is started; ``USER_ACTION`` is never tried again.
            listener: Told of every event as it happens.

        Raises:
            BusyError: another update of this pipeline is active, in this process or another.

        Source: ``StartUpdate`` of databricks-sdk 0.156.0, 2026-11-24: a request beside an active
        update fails, and that one goes on; a validation is an update too.
        """
        selection = Selection(
            refresh=tuple(refresh),
            full_refresh=full_refresh,
            full_refresh_selection=tuple(full_refresh_selection),
            refresh_flow_selection=tuple(refresh_flow_selection),
            reset_checkpoint_selection=tuple(reset_checkpoint_selection),
            validate_only=validate_only,
        )
        with self._alone():
            last = ""
            tries_left = 0 if cause is UpdateCause.USER_ACTION else self._retries.of_update
            while True:
                result = self._run(selection, cause, listener)
                if isinstance(result.error, UnknownFieldError) and str(result.error) != last:
                    last = str(result.error)  # the same columns twice would go on for ever
                    cause = UpdateCause.SCHEMA_CHANGE
                elif tries_left and is_update_retryable(result.error):
                    tries_left -= 1
                    cause = UpdateCause.RETRY_ON_FAILURE
                else:
                    return result
                if result.has_reset:  # the files already read anew are not read again
                    selection = selection.without_resets()

    def resolve(self) -> Graph:
        """Return the resolved graph; nothing is run.

        Raises:
            DefinitionError: a source file, dataset or flow is wrong.
        """
        session = self._session()
        with self._world(session) as names:
            run = self._update_run(session, names, Selection(), UpdateCause.API_CALL, None)
            return run.resolve()

    def table(self, name: str) -> DataFrame:
        """Return a dataset that is stored, private ones included, or a table of the workspace.

        Shape: the dataset's columns and grain, batch.

        Raises:
            UsageError: there is no such table yet.
        """
        entry = self.registry.find(
            name,
            catalog=self.place.catalog,
            schema=self.place.schema,
            pipeline_id=self.pipeline_id,  # a test may look at what is not published
        )
        if entry is None:
            raise self.registry.unknown(name)
        reader = DataFrameReader(self.spark)
        if entry.provider == "json":
            return reader.schema(event_schema()).json(entry.location, mode=READ_MODE)
        return reader.format("delta").load(entry.location)

    def events(self) -> DataFrame:
        """Return the pipeline's event log.

        Shape: the event log's ten columns, one row an event, batch.
        """
        reader = DataFrameReader(self.spark).schema(event_schema())
        with listing(self.place.event_log):
            return reader.json(str(self.place.event_log), mode=READ_MODE)

    def event_records(self, *, only_latest: bool = False) -> list[Event]:
        """Return the events of every update the log keeps, oldest first; needs no Spark.

        ``only_latest`` asks for the newest update's, without reading what is older.
        """
        log = self.place.event_log
        return read_latest_events(log) if only_latest else list(read_events(log))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other update of this pipeline run in the block, nor the Java of a killed one."""
        what = f"an update of pipeline '{self.name}'"
        java_lock = self.place.lock.with_name("java.lock")
        with exclusive(self.place.lock, what=what), held_by_java(self.spark, java_lock, what=what):
            yield

    def _run(
        self, selection: Selection, cause: UpdateCause, listener: Listener | None
    ) -> UpdateResult:
        session = self._session()
        with self._world(session) as names:
            return self._update_run(session, names, selection, cause, listener).run()

    @contextmanager
    def _world(self, session: UserSession) -> Iterator[dict[str, Any]]:
        """Let user code run inside the block, and give the names it finds as globals."""
        dbutils = Dbutils(self.paths)
        names = pipeline_names(session, dbutils)
        with (
            user_world(session, root=self._root, modules=modules_of(names)),
            redacting(),
        ):
            yield names

    def _update_run(
        self,
        session: UserSession,
        names: dict[str, Any],  # Any: whatever user code finds by name
        selection: Selection,
        cause: UpdateCause,
        listener: Listener | None,
    ) -> UpdateRun:
        return UpdateRun(
            place=self.place,
            pipeline_name=self.name,
            sources=PipelineSources(
                files=self._files,
                root=self._root,
                user_globals=names,
                runs_magics=self.configuration.get(RUN_MAGICS, "").lower() == "true",
            ),
            session=session,
            registry=self.registry,
            clock=self._clock,
            selection=selection,
            cause=cause,
            listener=listener,
            retries=self._retries,
            is_maintained=self.configuration.get(MAINTENANCE, "true").strip().lower() != "false",
        )

    def _session(self) -> UserSession:
        """Return a session of this update's own, so that no setting outlives it."""
        private = private_session(self.spark, _SESSION_SETTINGS)
        for key, given in self.configuration.items():
            value = with_secret(given, what=f"configuration {key!r} of pipeline '{self.name}'")
            try:
                private.conf.set(key, self.paths.to_local(value))
            except AnalysisException as error:
                raise UsageError(
                    f"configuration {key!r} of pipeline '{self.name}' cannot be set: "
                    f"{str(error).splitlines()[0]}",
                    hint="a static Spark setting belongs to the session the pipeline is given",
                ) from error
        return knowing_workspace(
            private,
            paths=self.paths,
            registry=self.registry,
            catalog=self.place.catalog,
            schema=self.place.schema,
            stays_in_schema=True,
        )


def source_files(source: Sequence[str | os.PathLike[str]], base: Path) -> tuple[Path, ...]:
    """Return the files of ``source``, each glob's in the order of their paths.

    Raises:
        UsageError: an entry names no file.
    """
    files: list[Path] = []
    for entry in source:
        text = os.fspath(entry)
        where = Path(text)
        where = where if where.is_absolute() else base / where
        if text.endswith("/**"):
            found = sorted(p for p in where.parent.rglob("*") if p.suffix in SOURCE_SUFFIXES)
        else:
            found = [where] if where.is_file() else []
        if not found:
            raise UsageError(
                f"source {text!r} names no file below {base}",
                hint="a source is a file, or a folder followed by /**",
            )
        files.extend(file for file in found if file not in files)
    return tuple(files)
