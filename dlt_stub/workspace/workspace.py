"""A bundle, deployed to a folder: its pipelines, jobs, tables and volumes on this machine."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from databricks.sdk.service import jobs
from databricks.sdk.service.pipelines import PipelineSpec
from pyspark.sql import DataFrame, SparkSession

from dlt_stub.atomic import write_text
from dlt_stub.bundle import Bundle, load_bundle, pipeline_source_files
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.engine.java_lock import held_by_java
from dlt_stub.engine.lost import is_spark_lost, lost_spark
from dlt_stub.engine.session import start_session
from dlt_stub.errors import NotEmulatedError, StateError, UsageError, nearest
from dlt_stub.events import Listener
from dlt_stub.flows.sessions import knowing_workspace, private_session
from dlt_stub.jobs import (
    FileArrivalTrigger,
    JobRun,
    RunEvent,
    TriggerInfo,
    WatchEvent,
    run_job,
    runs,
    trigger_state_file,
    watch_job,
)
from dlt_stub.paths import WorkspacePaths
from dlt_stub.update.pipeline import Pipeline
from dlt_stub.workspace.tasks import OnUpdate, TaskRunner

FORMAT = "1"
FOLDER = ".dlt_stub"


def _ignore(event: object) -> None:
    """Take no notice of an event: the display of a caller that has none."""


class Workspace:
    """The local workspace a bundle is run in: the second noun of our Python face."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        storage: str | os.PathLike[str],
        spark: SparkSession | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.bundle = bundle
        self.paths = WorkspacePaths.at(storage)
        self.registry = TableRegistry(self.paths)
        self._spark = spark
        self._clock = clock or SystemClock()
        self._check_format()
        for volume in bundle.volumes.values():
            name = f"/Volumes/{volume.catalog_name}/{volume.schema_name}/{volume.name}"
            Path(self.paths.to_local(name)).mkdir(parents=True, exist_ok=True)

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str] = ".",
        *,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        storage: str | os.PathLike[str] | None = None,
        spark: SparkSession | None = None,
        clock: Clock | None = None,
    ) -> "Workspace":
        """Return the workspace of the bundle in ``root``; its volumes exist afterwards.

        Raises:
            BundleError: the bundle has faults; the message holds all of them.
            StateError: the folder was written by another version of dlt_stub.
        """
        bundle = load_bundle(
            Path(root).absolute(), target=target, variables=variables or {}, environ=os.environ
        )
        return cls(bundle, storage=storage or Path(root) / FOLDER, spark=spark, clock=clock)

    @property
    def spark(self) -> SparkSession:
        """The Spark session of this process; started when first needed, and when it was lost."""
        if self._spark is None or is_spark_lost():
            self._spark = start_session()
        return self._spark

    def pipeline(self, key: str) -> Pipeline:
        """Return the pipeline the bundle calls ``key``.

        Compute, channel, edition, photon, notifications, tags and permissions say where and for
        whom it runs on Databricks, not what rows come out: they mean nothing here.

        Raises:
            UsageError: there is none.
            NotEmulatedError: it has a setting that could change results and is not honoured.
        """
        spec = self.bundle.pipelines.get(key)
        if spec is None:
            raise _unknown("pipeline", key, self.bundle.pipelines)
        _refuse_unhonoured(spec, key)
        assert spec.catalog is not None  # the bundle reader has refused what has neither
        assert spec.schema is not None
        published = None
        if spec.event_log is not None and spec.event_log.name:
            log = spec.event_log
            published = (
                log.catalog or spec.catalog,
                log.schema or spec.schema,
                spec.event_log.name,
            )
        return Pipeline(
            source=pipeline_source_files(spec),
            storage=self.paths.root,
            catalog=spec.catalog,
            schema=spec.schema,
            configuration=spec.configuration or {},
            name=spec.name or key,
            root=spec.root_path or self.bundle.root,
            event_log=published,
            pipeline_id=self.bundle.pipeline_id(key),
            key=key,
            development=bool(spec.development),
            spark=None if self._spark is None else self.spark,
            clock=self._clock,
        )

    def run_job(
        self,
        key: str,
        *,
        parameters: Mapping[str, str] | None = None,
        trigger: TriggerInfo | None = None,
        on_event: Callable[[RunEvent], None] = _ignore,
        on_update: OnUpdate | None = None,
        listener: Listener | None = None,
    ) -> JobRun:
        """Run the job the bundle calls ``key`` once and return the run.

        Raises:
            UsageError: there is no such job or parameter.
            NotEmulatedError: the job uses what is not run here.
        """
        settings = self._job(key)
        runner = TaskRunner(
            paths=self.paths,
            pipeline_of=lambda pipeline_id: self.pipeline(self.bundle.resource_key(pipeline_id)),
            task_session=self.session,
            listener=listener,
            on_update=on_update,
        )
        self._spark = self.spark  # one session for all tasks
        return run_job(
            settings,
            job_key=self._state_key(key),
            run_task=runner,
            paths=self.paths,
            clock=self._clock,
            parameters=parameters or {},
            trigger=trigger or TriggerInfo(),
            on_event=on_event,
            hold=lambda lock, what: held_by_java(self.spark, lock, what=what),
        )

    def trigger(
        self, key: str, *, waits_seconds: float | None = None, poll_interval_seconds: float = 60.0
    ) -> FileArrivalTrigger:
        """Return the file-arrival trigger of a job; its location exists afterwards.

        Files that are there at its very first look count as new, else whoever lands a file before
        starting to watch would wait for ever.

        Raises:
            UsageError: the job has no file-arrival trigger.
        """
        settings = self._job(key)
        arrival = settings.trigger.file_arrival if settings.trigger else None
        if arrival is None:
            raise UsageError(
                f"job '{key}' has no file-arrival trigger to watch",
                hint=f"dlt-stub run {key} runs it once",
            )
        location = Path(self.paths.to_local(arrival.url))
        location.mkdir(parents=True, exist_ok=True)
        return FileArrivalTrigger(
            configuration=arrival,
            location=location,
            state_file=trigger_state_file(self.paths, self._state_key(key)),
            clock=self._clock,
            poll_interval_seconds=poll_interval_seconds,
            waits_seconds=waits_seconds,
            fire_for_existing=True,
        )

    def watch(
        self,
        key: str,
        *,
        waits_seconds: float | None = None,
        poll_interval_seconds: float = 60.0,
        max_runs: int | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_watch: Callable[[WatchEvent], None] = _ignore,
        on_event: Callable[[RunEvent], None] = _ignore,
        on_update: OnUpdate | None = None,
        listener: Listener | None = None,
    ) -> int:
        """Run the job each time its trigger fires, until told to stop; return how many runs.

        Raises:
            BusyError: another process watches the job already.
            SparkLostError: Spark's Java process has ended under a run, and again when the run was
                repeated with a new one.
        """

        def run(info: TriggerInfo) -> JobRun:
            done = self.run_job(
                key, trigger=info, on_event=on_event, on_update=on_update, listener=listener
            )
            if not done.state.has_succeeded and (lost := lost_spark()) is not None:
                raise lost
            return done

        return watch_job(
            self.trigger(
                key, waits_seconds=waits_seconds, poll_interval_seconds=poll_interval_seconds
            ),
            run=run,
            clock=self._clock,
            should_stop=should_stop,
            max_runs=max_runs,
            on_event=on_watch,
        )

    def runs(self, key: str) -> tuple[JobRun, ...]:
        """Return the runs of a job, as they are kept in the workspace."""
        self._job(key)
        return tuple(runs(self.paths, self._state_key(key)))

    def sql(self, text: str) -> DataFrame:
        """Run Databricks SQL over the workspace's tables.

        Shape: what the query returns, batch.
        """
        return self.session().sql(text)

    def session(self) -> UserSession:
        """Return a session of its own that knows the workspace's tables, functions and volumes."""
        catalog, schema = self._default_schema()
        return knowing_workspace(
            private_session(self.spark),
            paths=self.paths,
            registry=self.registry,
            catalog=catalog,
            schema=schema,
        )

    def _default_schema(self) -> tuple[str, str]:
        for spec in self.bundle.pipelines.values():
            if spec.catalog and spec.schema:
                return spec.catalog, spec.schema
        return "main", "default"

    def _job(self, key: str) -> jobs.JobSettings:
        settings = self.bundle.jobs.get(key)
        if settings is None:
            raise _unknown("job", key, self.bundle.jobs)
        return settings

    def _state_key(self, key: str) -> str:
        return f"{self.bundle.target}.{key}"

    def _check_format(self) -> None:
        file = self.paths.format_file
        if not file.exists():
            write_text(file, FORMAT)  # whole: another process may be opening the workspace too
        found = file.read_text(encoding="utf-8").strip()
        if found != FORMAT:
            raise StateError(
                f"workspace folder {self.paths.root} has format {found!r}; allowed: {FORMAT}",
                hint="use the dlt-stub version that wrote it, or another folder",
            )


def _refuse_unhonoured(spec: PipelineSpec, key: str) -> None:
    found = {
        "continuous": "an update here ends when nothing is new" if spec.continuous else None,
        "ingestion_definition": "managed connectors do not run here"
        if spec.ingestion_definition
        else None,
        "gateway_definition": "managed connectors do not run here"
        if spec.gateway_definition
        else None,
        "filters": "which source files they leave out is not worked out" if spec.filters else None,
        "clusters.spark_conf": "settings of a cluster could change rows; put them in configuration"
        if any(cluster.spark_conf for cluster in spec.clusters or [])
        else None,
        "libraries": "jars, Maven packages and wheels are not installed"
        if any(each.jar or each.maven or each.whl for each in spec.libraries or [])
        else None,
    }
    for field, reason in found.items():
        if reason is not None:
            raise NotEmulatedError(
                f"{field} of pipeline '{key}' is not run locally: {reason}",
                hint="set it for the deployed target alone, under targets: in databricks.yml",
            )


def _unknown(kind: str, key: str, known: Mapping[str, object]) -> UsageError:
    near = nearest(key, known)
    return UsageError(
        f"the bundle has no {kind} '{key}'",
        hint=f"did you mean '{near}'?" if near else f"it has: {', '.join(known) or 'none'}",
    )
