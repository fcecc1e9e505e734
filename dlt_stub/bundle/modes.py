"""What a target's mode and presets change, and what they forbid.

Source: apply_target_mode.go, apply_presets.go, validate_target_mode.go, run_as.go,
capture_uc_dependencies.go and resource_mutator.go in bundle/config/mutator/resourcemutator of
databricks/cli, read 2026-11-24.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dlt_stub.bundle.context import normalize_name
from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    map_at,
    map_of,
    mapping,
    node_at,
    scalar,
    text_of,
)

DEVELOPMENT_CONCURRENT_RUNS = 4
_TRIGGERS = ("schedule", "continuous", "trigger")
_PREFIXED = {"jobs": "name", "pipelines": "name", "dashboards": "display_name"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Presets:
    """What is changed in every resource; nothing unless the mode or ``presets`` says so."""

    name_prefix: str = ""
    pipelines_development: bool = False
    pause_status: str | None = None
    max_concurrent_runs: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    prefixes_schemas: bool = True


def presets_of(root: MapNode, mode: str | None, user_short_name: str) -> Presets:
    """Return the presets of the bundle, with development mode's own where it sets none."""
    section = map_of(root.get("presets"))
    is_development = mode == "development"
    tags = {key: _text(value) for key, value in map_of(section.get("tags")).entries.items()}
    if is_development:
        tags.setdefault("dev", user_short_name)
    pipelines = section.get("pipelines_development")
    explicit = pipelines.value if isinstance(pipelines, ScalarNode) else None
    runs = section.get("jobs_max_concurrent_runs")
    max_runs = runs.value if isinstance(runs, ScalarNode) else None
    skip_schemas = node_at(root, ("experimental", "skip_name_prefix_for_schema"))
    return Presets(
        name_prefix=text_of(section.get("name_prefix"))
        or (f"[dev {user_short_name}] " if is_development else ""),
        pipelines_development=explicit is True or (is_development and explicit is not False),
        pause_status=text_of(section.get("trigger_pause_status"))
        or ("PAUSED" if is_development else None),
        max_concurrent_runs=max_runs
        if isinstance(max_runs, int)
        else (DEVELOPMENT_CONCURRENT_RUNS if is_development else None),
        tags=tuple(sorted(tags.items())),
        prefixes_schemas=not (isinstance(skip_schemas, ScalarNode) and skip_schemas.value is True),
    )


def schema_prefix(name_prefix: str) -> str:
    """Return the prefix in the form names in Unity Catalog allow: ``[dev a] `` is ``dev_a_``."""
    stripped = name_prefix.replace("[", "").strip(" ")
    return normalize_name(stripped) + ("_" if stripped.endswith("]") else "")


def capture_schemas(resources: MapNode) -> MapNode:
    """Return the resources with names of the bundle's own schemas turned into references.

    Without it a pipeline that names its schema would miss the prefix the schema gets.
    """
    keys: dict[tuple[str | None, str | None], str] = {}
    for key, node in map_of(resources.get("schemas")).entries.items():
        schema = map_of(node)
        keys.setdefault((text_of(schema.get("catalog_name")), text_of(schema.get("name"))), key)

    def capture(catalog_field: str, *schema_fields: str) -> Callable[[YamlPath, Node], Node]:
        def change(_path: YamlPath, node: Node) -> Node:
            if not isinstance(node, MapNode):
                return node
            catalog = text_of(node.get(catalog_field))
            for field in schema_fields:
                name = node.get(field)
                key = keys.get((catalog, text_of(name))) if name and catalog else None
                if key is not None and name is not None:
                    reference = f"${{resources.schemas.{key}.name}}"
                    node = node.with_entry(field, scalar(reference, name.origin))
            return node

        return change

    changed = map_at(resources, ("volumes", "*"), capture("catalog_name", "schema_name"))
    return map_of(map_at(changed, ("pipelines", "*"), capture("catalog", "schema", "target")))


def apply_presets(resources: MapNode, presets: Presets) -> MapNode:
    """Return the resources with prefixes, tags, pauses and development set as the presets say."""
    changed: Node = resources
    for kind, field in _PREFIXED.items():
        changed = map_at(changed, (kind, "*"), _prefixing(field, presets.name_prefix))
    if presets.prefixes_schemas:
        prefix = schema_prefix(presets.name_prefix)
        changed = map_at(changed, ("schemas", "*"), _prefixing("name", prefix))
    for kind in ("jobs", "pipelines"):
        changed = map_at(changed, (kind, "*"), _tagging(presets.tags))
    changed = map_at(changed, ("jobs", "*"), _with_runs_and_pauses(presets))
    changed = map_at(changed, ("pipelines", "*"), _with_development(presets))
    return map_of(changed)


def _prefixing(field: str, prefix: str) -> Callable[[YamlPath, Node], Node]:
    def change(_path: YamlPath, node: Node) -> Node:
        name = map_of(node).get(field)
        text = text_of(name)
        if not prefix or not isinstance(node, MapNode) or name is None or text is None:
            return node
        return node.with_entry(field, scalar(prefix + text, name.origin))

    return change


def _tagging(tags: tuple[tuple[str, str], ...]) -> Callable[[YamlPath, Node], Node]:
    def change(_path: YamlPath, node: Node) -> Node:
        if not tags or not isinstance(node, MapNode):
            return node
        present = node.get("tags")
        section = present if isinstance(present, MapNode) else mapping({}, node.origin)
        for key, value in tags:
            if section.get(key) is None:
                section = section.with_entry(key, scalar(value, node.origin))
        return node.with_entry("tags", section)

    return change


def _with_runs_and_pauses(presets: Presets) -> Callable[[YamlPath, Node], Node]:
    def change(_path: YamlPath, node: Node) -> Node:
        if not isinstance(node, MapNode):
            return node
        if node.get("max_concurrent_runs") is None and presets.max_concurrent_runs is not None:
            node = node.with_entry(
                "max_concurrent_runs", scalar(presets.max_concurrent_runs, node.origin)
            )
        if presets.pause_status is None:
            return node
        return _pausing(node, presets.pause_status)

    return change


def _pausing(job: MapNode, status: str) -> MapNode:
    for name in _TRIGGERS:
        trigger = job.get(name)
        if isinstance(trigger, MapNode) and trigger.get("pause_status") is None:
            paused = trigger.with_entry("pause_status", scalar(status, trigger.origin))
            job = job.with_entry(name, paused)
    return job


def _with_development(presets: Presets) -> Callable[[YamlPath, Node], Node]:
    def change(_path: YamlPath, node: Node) -> Node:
        if not isinstance(node, MapNode):
            return node
        if presets.pipelines_development:
            node = node.with_entry("development", scalar(True, node.origin))
        if presets.pause_status == "PAUSED" and node.get("continuous") is not None:
            node = node.with_entry("continuous", scalar(False, node.origin))
        return node

    return change


def fill_defaults(resources: MapNode, run_as: MapNode | None) -> MapNode:
    """Return the resources with what the CLI fills in where the bundle says nothing."""

    def change_job(_path: YamlPath, node: Node) -> Node:
        if not isinstance(node, MapNode):
            return node
        defaults: dict[str, Node] = {
            "name": scalar("Untitled", node.origin),
            "max_concurrent_runs": scalar(1, node.origin),
            "queue": mapping({"enabled": scalar(True, node.origin)}, node.origin),
        }
        if run_as is not None:
            defaults["run_as"] = run_as
        return _pausing(_with_defaults(node, defaults), "UNPAUSED")

    def change_pipeline(_path: YamlPath, node: Node) -> Node:
        defaults: dict[str, Node] = {"edition": scalar("ADVANCED"), "channel": scalar("CURRENT")}
        return _with_defaults(node, defaults) if isinstance(node, MapNode) else node

    def change_volume(_path: YamlPath, node: Node) -> Node:
        defaults: dict[str, Node] = {"volume_type": scalar("MANAGED")}
        return _with_defaults(node, defaults) if isinstance(node, MapNode) else node

    changed = map_at(resources, ("jobs", "*"), change_job)
    changed = map_at(changed, ("pipelines", "*"), change_pipeline)
    return map_of(map_at(changed, ("volumes", "*"), change_volume))


def _with_defaults(node: MapNode, defaults: dict[str, Node]) -> MapNode:
    for name, value in defaults.items():
        if node.get(name) is None:
            node = node.with_entry(name, value)
    return node


def check_run_as(root: MapNode, report: Report) -> None:
    """Report a ``run_as`` that names nobody, or two identities."""
    run_as = root.get("run_as")
    if "run_as" not in root.entries or isinstance(run_as, UnknownNode):
        return
    section = map_of(run_as)
    named = [name for name in ("service_principal_name", "user_name") if _is_set(section, name)]
    if len(named) == 1:
        return
    said = "neither is given" if not named else "both are given"
    report.error(
        f"run_as must name either service_principal_name or user_name: {said}",
        origin=root.key_origin("run_as"),
        path=("run_as",),
    )


def check_development(root: MapNode, user_name: str, user_short_name: str, report: Report) -> None:
    """Report what would let two developers' deployments collide."""

    def names_user(text: str) -> bool:
        return user_name in text or user_short_name in text

    presets, workspace = map_of(root.get("presets")), map_of(root.get("workspace"))
    if text_of(presets.get("trigger_pause_status")) == "UNPAUSED":
        report.error(
            "target with 'mode: development' cannot set trigger_pause_status to UNPAUSED",
            origin=presets.key_origin("trigger_pause_status"),
            path=("presets", "trigger_pause_status"),
            hint="set pause_status: UNPAUSED on the one trigger that must fire",
        )
    prefix = text_of(presets.get("name_prefix"))
    if prefix and not names_user(prefix):
        report.error(
            "name_prefix must name the current user when using 'mode: development'",
            origin=presets.key_origin("name_prefix"),
            path=("presets", "name_prefix"),
            hint="put ${workspace.current_user.short_name} into it",
        )
    for field in ("root_path", "file_path", "resource_path", "artifact_path", "state_path"):
        path = text_of(workspace.get(field))
        if path and not names_user(path):
            report.error(
                f"{field} must start with '~/' or name the current user when using "
                "'mode: development'",
                origin=workspace.key_origin(field),
                path=("workspace", field),
            )
            return


def check_production(root: MapNode, target: str, report: Report) -> None:
    """Report what would let production be deployed twice, or as a development copy.

    A service principal that deploys is not known here: only ``run_as`` softens the rule.
    """
    resources = map_of(root.get("resources"))
    for key, node in map_of(resources.get("pipelines")).entries.items():
        development = map_of(node).get("development")
        if isinstance(development, ScalarNode) and development.value is True:
            report.error(
                "target with 'mode: production' cannot include a pipeline with 'development: true'",
                origin=development.origin,
                path=("resources", "pipelines", key, "development"),
            )
    if node_at(root, ("targets", target, "workspace", "root_path")) is not None:
        return
    jobs = map_of(resources.get("jobs")).entries.values()
    has_run_as = all(map_of(job).get("run_as") is not None for job in jobs) or _run_as_set(root)
    tell = report.warning if has_run_as else report.error
    tell(
        f"target with 'mode: production' {'should' if has_run_as else 'must'} set "
        "'workspace.root_path' to make sure only one copy is deployed",
        origin=map_of(root.get("targets")).key_origin(target),
        path=("targets", target),
        hint="root_path: /Workspace/Users/<user>/.bundle/${bundle.name}/${bundle.target}",
    )


def _run_as_set(root: MapNode) -> bool:
    return root.get("run_as") is not None


def _is_set(section: MapNode, name: str) -> bool:
    node = section.get(name)
    return node is not None and text_of(node) != ""


def _text(node: Node) -> str:
    return "" if not isinstance(node, ScalarNode) or node.value is None else str(node.value)
