"""A bundle for one target, as the rest of the house sees it: databricks-sdk's dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from databricks.sdk.service.catalog import SchemaInfo, VolumeInfo
from databricks.sdk.service.dashboards import Dashboard
from databricks.sdk.service.jobs import JobRunAs, JobSettings
from databricks.sdk.service.pipelines import PipelineSpec

from dlt_stub.bundle.diagnostics import Diagnostic
from dlt_stub.errors import Origin, UsageError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleDashboard:
    """A dashboard resource: the SDK's dataclass and what only a bundle says about it.

    ``file`` is absolute; without one, ``dashboard.serialized_dashboard`` holds the definition.
    """

    dashboard: Dashboard
    file: Path | None = None
    dataset_catalog: str | None = None
    dataset_schema: str | None = None
    embed_credentials: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle for one target: references resolved, mode applied, local paths absolute.

    A pipeline's ``PipelineSpec.id`` is the id that ``${resources.pipelines.<key>.id}`` stands for.
    ``variables`` holds plain values, or lists and dicts for complex ones (hence object).
    ``origins`` maps a path such as ``resources.jobs.x.tasks[0]`` to where it is written.
    """

    name: str
    target: str
    mode: str | None
    root: Path
    user_name: str
    user_short_name: str
    workspace_root_path: str
    workspace_file_path: str
    variables: Mapping[str, object]
    pipelines: Mapping[str, PipelineSpec]
    jobs: Mapping[str, JobSettings]
    schemas: Mapping[str, SchemaInfo]
    volumes: Mapping[str, VolumeInfo]
    dashboards: Mapping[str, BundleDashboard]
    run_as: JobRunAs | None
    ids: Mapping[tuple[str, str], str]
    origins: Mapping[str, Origin]
    warnings: tuple[Diagnostic, ...] = ()

    def pipeline_id(self, key: str) -> str:
        """Return the id of a pipeline.

        Raises:
            UsageError: there is no such pipeline.
        """
        return self._id("pipelines", key)

    def job_id(self, key: str) -> int:
        """Return the id of a job.

        Raises:
            UsageError: there is no such job.
        """
        return int(self._id("jobs", key))

    def resource_key(self, resource_id: str | int) -> str:
        """Return the key of the pipeline, job or dashboard with this id.

        Raises:
            UsageError: nothing in the bundle has this id.
        """
        for (_, key), known in self.ids.items():
            if known == str(resource_id):
                return key
        raise UsageError(
            f"no resource of bundle {self.name!r} has the id {str(resource_id)!r}",
            hint="refer to it as ${resources.<kind>.<key>.id}",
        )

    def _id(self, kind: str, key: str) -> str:
        try:
            return self.ids[(kind, key)]
        except KeyError:
            keys = [known for known_kind, known in self.ids if known_kind == kind]
            near = nearest(key, keys)
            raise UsageError(
                f"{key!r} is not among the {kind} of bundle {self.name!r}",
                hint=f"did you mean {near!r}?" if near else f"there are: {', '.join(keys)}",
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReading:
    """What came of reading a bundle: ``bundle`` is None exactly if a diagnostic is an error."""

    bundle: Bundle | None
    diagnostics: tuple[Diagnostic, ...]
