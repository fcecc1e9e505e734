"""A bundle in a workspace of its own, with what a test does to it: land files, run jobs, look."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from databricks.sdk.service.jobs import RunResultState
from pyspark.sql import DataFrame, SparkSession

from dlt_stub.accounting import Reconciliation, reconcile
from dlt_stub.bundle import Bundle
from dlt_stub.errors import UsageError, nearest
from dlt_stub.jobs import JobRun
from dlt_stub.testing.landing import land
from dlt_stub.testing.pipeline import PipelineUnderTest
from dlt_stub.update import UpdateResult
from dlt_stub.workspace import Workspace


class JobFailed(AssertionError):
    """Raised when a job that must succeed does not; the message holds every task's state."""


class WorkspaceUnderTest:
    """A bundle deployed to a folder; ``updates`` are those its jobs ran, oldest first.

    Args:
        root: The bundle's folder.
        storage: The workspace folder; one that exists is gone on with.
        target: The bundle's target; its default one unless given.
        variables: Bundle variables, as ``--var`` gives them.
        spark: The session to use; by default the process's own.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] = ".",
        *,
        storage: str | os.PathLike[str],
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        spark: SparkSession | None = None,
    ) -> None:
        self.workspace = Workspace.open(
            root, target=target, variables=variables, storage=storage, spark=spark
        )
        self.updates: list[UpdateResult] = []

    @property
    def storage(self) -> Path:
        """The workspace folder."""
        return self.workspace.paths.root

    @property
    def bundle(self) -> Bundle:
        """The bundle as its target and variables make it."""
        return self.workspace.bundle

    def pipeline(self, key: str) -> PipelineUnderTest:
        """Return the pipeline the bundle calls ``key``."""
        return PipelineUnderTest(self.workspace.pipeline(key))

    def run_job(self, key: str, **arguments: Any) -> JobRun:  # whatever Workspace.run_job takes
        """Run a job once, which must succeed, and return the run.

        Raises:
            JobFailed: it did not.
        """
        run = self.try_run_job(key, **arguments)
        if run.state.result is not RunResultState.SUCCESS:
            tasks = "\n".join(
                f"  {task.task_key}: {task.state.result}: {task.state.message}"
                for task in run.tasks
            )
            raise JobFailed(f"job '{key}' ended {run.state.result}:\n{tasks}")
        return run

    def try_run_job(self, key: str, **arguments: Any) -> JobRun:  # whatever Workspace.run_job takes
        """Run a job once and return the run, however it ended."""
        told: Callable[[str, UpdateResult], None] = arguments.pop("on_update", lambda *_: None)

        def remember(name: str, update: UpdateResult) -> None:
            self.updates.append(update)
            told(name, update)

        return self.workspace.run_job(key, on_update=remember, **arguments)

    def volume(self, key: str) -> str:
        """Return the ``/Volumes/...`` path of the volume the bundle calls ``key``.

        Raises:
            UsageError: there is none.
        """
        volumes = self.workspace.bundle.volumes
        if key not in volumes:
            near = nearest(key, volumes)
            raise UsageError(
                f"the bundle has no volume '{key}'",
                hint=f"did you mean '{near}'?" if near else f"it has: {', '.join(volumes)}",
            )
        volume = volumes[key]
        return f"/Volumes/{volume.catalog_name}/{volume.schema_name}/{volume.name}"

    def path(self, path: str) -> Path:
        """Return where a ``/Volumes/...`` path lies on this machine."""
        return Path(self.workspace.paths.to_local(path))

    def trigger_location(self, job: str) -> Path:
        """Return the folder the job's file-arrival trigger watches, which exists afterwards."""
        return self.workspace.trigger(job).location

    def put(self, path: str, content: str | bytes, *, modified_at: datetime | None = None) -> Path:
        """Land a file at a ``/Volumes/...`` path, whole at once, and return it."""
        return land(self.path(path), content, modified_at=modified_at)

    def folder(self, table: str, *, pipeline: str) -> Path:
        """Return the folder of a table of a pipeline, hidden ones included: for other engines."""
        return self.workspace.pipeline(pipeline).place.table(table)

    def reconcile(self, pipeline: str) -> list[Reconciliation]:
        """Return the accounts of every file a pipeline was brought, for each of its tables."""
        return reconcile(self.workspace, pipeline)

    def session(self) -> SparkSession:
        """Return a session of its own that knows the workspace's tables and volumes."""
        return self.workspace.session()

    def sql(self, text: str) -> DataFrame:
        """Run Databricks SQL over the workspace's tables.

        Shape: what the query returns, batch.
        """
        return self.workspace.sql(text)
