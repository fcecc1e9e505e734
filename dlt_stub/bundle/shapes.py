"""Which fields a bundle file may hold: databricks-sdk's dataclasses, and what only a bundle has.

The resources' own model is databricks-sdk's; the classes here describe the sections around them.
Source: the CLI's bundle schema (`databricks bundle schema`), checked 2026-11-24.

Accepted without a word, because they change nothing that happens on this machine: permissions,
grants, lifecycle, tags, notifications, health, compute, artifacts, sync, scripts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from databricks.sdk.service import catalog, dashboards, jobs, pipelines


class Mode(StrEnum):
    """What a target is for."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class PauseStatus(StrEnum):
    """Whether triggers fire."""

    PAUSED = "PAUSED"
    UNPAUSED = "UNPAUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSection:
    """``bundle.git``."""

    branch: str | None = None
    origin_url: str | None = None
    commit: str | None = None
    actual_branch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSection:
    """``bundle``."""

    name: str
    uuid: str | None = None
    databricks_cli_version: str | None = None
    cluster_id: str | None = None
    compute_id: str | None = None
    engine: str | None = None
    git: GitSection | None = None
    deployment: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSection:
    """``workspace``."""

    host: str | None = None
    profile: str | None = None
    auth_type: str | None = None
    client_id: str | None = None
    account_id: str | None = None
    workspace_id: str | None = None
    google_service_account: str | None = None
    azure_client_id: str | None = None
    azure_environment: str | None = None
    azure_login_app_id: str | None = None
    azure_tenant_id: str | None = None
    azure_use_msi: bool | None = None
    azure_workspace_resource_id: str | None = None
    experimental_is_unified_host: bool | None = None
    root_path: str | None = None
    file_path: str | None = None
    resource_path: str | None = None
    artifact_path: str | None = None
    state_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetsSection:
    """``presets``."""

    name_prefix: str | None = None
    pipelines_development: bool | None = None
    trigger_pause_status: PauseStatus | None = None
    jobs_max_concurrent_runs: int | None = None
    source_linked_deployment: bool | None = None
    artifacts_dynamic_version: bool | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSection:
    """``sync``."""

    paths: list[str] | None = None
    include: list[str] | None = None
    exclude: list[str] | None = None


class VariableType(StrEnum):
    """The type a variable may be given; without one it is a string."""

    STRING = "string"
    COMPLEX = "complex"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSection:
    """One of ``variables``."""

    default: object = None
    description: str | None = None
    lookup: object = None
    type: VariableType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection:
    """One of ``targets``."""

    default: bool | None = None
    mode: Mode | None = None
    presets: PresetsSection | None = None
    workspace: WorkspaceSection | None = None
    run_as: jobs.JobRunAs | None = None
    sync: SyncSection | None = None
    git: GitSection | None = None
    variables: dict[str, object] | None = None
    cluster_id: str | None = None
    compute_id: str | None = None
    bundle: object = None
    resources: object = None
    permissions: object = None
    artifacts: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSection:
    """A bundle file; ``databricks.yml`` and whatever it includes have the same fields."""

    bundle: BundleSection | None = None
    include: list[str] | None = None
    variables: dict[str, VariableSection] | None = None
    targets: dict[str, TargetSection] | None = None
    workspace: WorkspaceSection | None = None
    presets: PresetsSection | None = None
    run_as: jobs.JobRunAs | None = None
    sync: SyncSection | None = None
    resources: object = None
    permissions: object = None
    artifacts: object = None
    experimental: object = None
    environments: object = None
    python: object = None
    scripts: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceKind:
    """One kind of resource: its SDK class and how a bundle's fields differ from the class's."""

    sdk_class: type
    bundle_only: Mapping[str, object]
    allowed: frozenset[str] | None = None  # None: every field of the class
    refused: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()


_EVERYWHERE: dict[str, object] = {"lifecycle": object, "permissions": object}
_GRANTED: dict[str, object] = {"lifecycle": object, "grants": object}

KINDS: Mapping[str, ResourceKind] = {
    "pipelines": ResourceKind(
        sdk_class=pipelines.PipelineSpec,
        bundle_only={
            **_EVERYWHERE,
            "allow_duplicate_names": bool | None,
            "cascade_on_destroy": bool | None,
            "parameters": dict[str, str] | None,
            "run_as": pipelines.RunAs | None,
        },
        refused=frozenset({"deployment"}),  # the CLI sets it
    ),
    "jobs": ResourceKind(
        sdk_class=jobs.JobSettings,
        bundle_only=_EVERYWHERE,
        refused=frozenset({"deployment", "edit_mode", "format"}),  # the CLI sets them
    ),
    "schemas": ResourceKind(
        sdk_class=catalog.SchemaInfo,
        bundle_only=_GRANTED,
        allowed=frozenset(
            {
                "catalog_name",
                "comment",
                "custom_max_retention_hours",
                "name",
                "properties",
                "storage_root",
            }
        ),
        required=("catalog_name", "name"),
    ),
    "volumes": ResourceKind(
        sdk_class=catalog.VolumeInfo,
        bundle_only=_GRANTED,
        allowed=frozenset(
            {"catalog_name", "comment", "name", "schema_name", "storage_location", "volume_type"}
        ),
        required=("catalog_name", "schema_name", "name"),
    ),
    "dashboards": ResourceKind(
        sdk_class=dashboards.Dashboard,
        bundle_only={
            **_EVERYWHERE,
            "dataset_catalog": str | None,
            "dataset_schema": str | None,
            "embed_credentials": bool | None,
            "file_path": str | None,
            "serialized_dashboard": object,  # text, or the dashboard itself as YAML
        },
        allowed=frozenset({"display_name", "parent_path", "warehouse_id"}),
    ),
}

NOT_RUN_HERE = frozenset(
    {
        "alerts",
        "apps",
        "catalogs",
        "clusters",
        "database_catalogs",
        "database_instances",
        "experiments",
        "external_locations",
        "genie_spaces",
        "instance_pools",
        "job_runs",
        "model_serving_endpoints",
        "models",
        "postgres_branches",
        "postgres_catalogs",
        "postgres_databases",
        "postgres_endpoints",
        "postgres_projects",
        "postgres_roles",
        "postgres_synced_tables",
        "quality_monitors",
        "registered_models",
        "secret_scopes",
        "secrets",
        "sql_warehouses",
        "synced_database_tables",
        "vector_search_endpoints",
        "vector_search_indexes",
    }
)
