"""Reads a bundle for one target, step by step, and collects every fault on the way.

Source: the order of the steps is that of bundle/phases/load.go and initialize.go of databricks/cli,
read 2026-11-24.
"""

import glob
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from databricks.sdk.service.catalog import SchemaInfo, VolumeInfo
from databricks.sdk.service.dashboards import Dashboard
from databricks.sdk.service.jobs import JobRunAs, JobSettings
from databricks.sdk.service.pipelines import PipelineSpec

from dlt_stub.bundle import checks, local_paths, modes
from dlt_stub.bundle.context import (
    ResourceLookup,
    SectionLookup,
    bundle_context,
    guess_user_name,
    resource_ids,
    short_name,
    workspace_context,
)
from dlt_stub.bundle.diagnostics import (
    BundleFaultsError,
    Report,
    Severity,
    YamlPath,
    render_path,
)
from dlt_stub.bundle.merge import list_of_texts, merge_documents, merge_target
from dlt_stub.bundle.model import Bundle, BundleDashboard, BundleReading
from dlt_stub.bundle.references import Resolver
from dlt_stub.bundle.shapes import KINDS, RootSection
from dlt_stub.bundle.typed import TypeChecker, check_resources
from dlt_stub.bundle.variables import VariableSources, assign_variables, read_overrides
from dlt_stub.bundle.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    map_of,
    node_at,
    read_yaml,
    text_of,
    to_plain,
)
from dlt_stub.errors import Origin, nearest

ROOT_FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
NOTHING: Mapping[str, str] = MappingProxyType({})
_SECTIONS = ("bundle", "workspace", "presets", "run_as", "sync", "experimental")


def load_bundle(
    root: Path,
    *,
    target: str | None = None,
    variables: Mapping[str, str] = NOTHING,
    environ: Mapping[str, str] = NOTHING,
    user_name: str | None = None,
) -> Bundle:
    """Return the bundle in folder ``root``, resolved for ``target`` or the default target.

    ``variables`` is what ``--var`` gives; ``environ`` is searched for ``BUNDLE_VAR_<name>`` and,
    without ``user_name``, for who is at this machine.

    Raises:
        BundleFaultsError: the bundle has errors; ``diagnostics`` holds all of them.
    """
    reading = read_bundle(
        root, target=target, variables=variables, environ=environ, user_name=user_name
    )
    if reading.bundle is None:
        errors = tuple(d for d in reading.diagnostics if d.severity is Severity.ERROR)
        raise BundleFaultsError(errors)
    return reading.bundle


def read_bundle(
    root: Path,
    *,
    target: str | None = None,
    variables: Mapping[str, str] = NOTHING,
    environ: Mapping[str, str] = NOTHING,
    user_name: str | None = None,
) -> BundleReading:
    """Return the bundle, if it has no errors, and every diagnostic in the order of the files."""
    report = Report()
    user = user_name or guess_user_name(environ)
    reader = _Reader(root.absolute(), user, variables, environ, report)
    bundle = reader.read(target)
    if bundle is None or report.has_errors:
        return BundleReading(bundle=None, diagnostics=report.diagnostics)
    bundle = replace(bundle, warnings=report.diagnostics)
    return BundleReading(bundle=bundle, diagnostics=report.diagnostics)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    name: str
    mode: str | None


class _Reader:
    """One reading of one bundle; each step takes the configuration and returns the next one."""

    def __init__(
        self,
        root: Path,
        user_name: str,
        variables: Mapping[str, str],
        environ: Mapping[str, str],
        report: Report,
    ) -> None:
        self._root = root
        self._user = user_name
        self._short_user = short_name(user_name)
        self._given = variables
        self._environ = environ
        self._report = report

    def read(self, target_name: str | None) -> Bundle | None:
        """Return the bundle as far as it could be read; None if nothing more could be told."""
        documents = self._read_files()
        if documents is None:
            return None
        config = merge_documents(documents, self._report)
        self._check_shape(config)
        target = self._select_target(config, target_name)
        if target is None:
            return None
        config = merge_target(config, target.name, self._report)
        config = self._with_contexts(config, target)
        variables = self._assign_variables(config, target)
        config, variables = self._resolve_sections(config, variables)
        self._check_resolved_sections(config)
        self._check_mode(config, target)
        name = text_of(node_at(config, ("bundle", "name"))) or ""
        resources = map_of(config.get("resources"))
        ids = resource_ids(resources, name, target.name)
        resources = self._apply_mode(resources, config, target)
        resources = self._resolve_resources(resources, ids)
        resources = check_resources(resources, self._report)
        resources = local_paths.localize(resources, self._roots(config), self._report)
        checks.check_resources_hold(resources, ids, self._report)
        if self._report.has_errors:
            return None
        return self._build(config, resources, variables, ids, target)

    def _read_files(self) -> list[MapNode] | None:
        found = [name for name in ROOT_FILES if (self._root / name).is_file()]
        if len(found) != 1:
            said = "several root files: " + ", ".join(found) if found else "no databricks.yml"
            self._report.error(
                f"there is {said} in {self._root}",
                origin=Origin(path=found[0] if found else ROOT_FILES[0]),
                hint=None if found else "run this in the folder of a bundle",
            )
            return None
        root = self._read_file(found[0])
        if root is None:
            return None
        included = [self._read_file(name, included=True) for name in self._include(root)]
        documents = [document for document in included if document is not None]
        return None if len(documents) < len(included) else [root, *documents]

    def _read_file(self, name: str, *, included: bool = False) -> MapNode | None:
        origin = Origin(path=name)
        try:
            text = (self._root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            self._report.error(f"not UTF-8: {error.reason}", origin=origin)
            return None
        except OSError as error:
            self._report.error(f"cannot be read: {error.strerror}", origin=origin)
            return None
        faults_before = len(self._report.diagnostics)
        node = read_yaml(text, name, self._report)
        if node is None and len(self._report.diagnostics) == faults_before:
            return MapNode(entries={}, keys={}, origin=origin)
        if node is not None and not isinstance(node, MapNode):
            self._report.error("a bundle file must hold a mapping", origin=node.origin)
            return None
        if included and isinstance(node, MapNode) and node.get("include"):
            self._report.warning(
                "include has no effect outside the root file", origin=node.key_origin("include")
            )
        return node

    def _include(self, root: MapNode) -> list[str]:
        names: list[str] = []
        for pattern, node in list_of_texts(root.get("include")):
            matches = local_paths.glob_like_go(pattern, self._root)
            if Path(pattern).is_absolute():
                self._report.error(f"include {pattern!r} must be relative", origin=node.origin)
            elif not matches and not glob.has_magic(pattern):
                self._report.error(f"include {pattern!r} matches no file", origin=node.origin)
            for match in matches:
                if match in names or match in ROOT_FILES:
                    continue
                if Path(match).suffix not in (".yml", ".yaml", ".json"):
                    self._report.error(
                        f"include matches {match!r}, which is neither YAML nor JSON",
                        origin=node.origin,
                    )
                    continue
                names.append(match)
        return names

    def _check_shape(self, config: MapNode) -> None:
        TypeChecker(self._report, references_pass=True).check(config, RootSection, ())
        if config.get("bundle") is None:
            self._report.error("required section 'bundle' is missing", origin=config.origin)

    def _check_resolved_sections(self, config: MapNode) -> None:
        sections = {k: v for k, v in config.entries.items() if k in _SECTIONS}
        resolved = replace(config, entries=sections)
        TypeChecker(self._report, names_pass=True).check(resolved, RootSection, ())

    def _select_target(self, config: MapNode, wanted: str | None) -> _Target | None:
        targets = map_of(config.get("targets"))
        name = wanted or self._default_target(config, targets)
        if name is None:
            return None
        if name not in targets.entries:
            near = nearest(name, targets.entries)
            self._report.error(
                f"target {name!r} is not defined",
                origin=config.key_origin("targets"),
                path=("targets",),
                hint=f"did you mean {near!r}?"
                if near
                else "there are: " + ", ".join(targets.entries),
            )
            return None
        return _Target(name=name, mode=text_of(map_of(targets.get(name)).get("mode")))

    def _default_target(self, config: MapNode, targets: MapNode) -> str | None:
        if len(targets.entries) == 1:
            return next(iter(targets.entries))
        marked = [
            name
            for name, node in targets.entries.items()
            if isinstance(flag := map_of(node).get("default"), ScalarNode) and flag.value is True
        ]
        if len(marked) == 1:
            return marked[0]
        said = (
            f"several targets are the default: {', '.join(marked)}"
            if marked
            else ("no target is the default" if targets.entries else "no targets are defined")
        )
        self._report.error(
            said,
            origin=config.key_origin("targets"),
            path=("targets",),
            hint="mark one with `default: true`, or name one with --target",
        )
        return None

    def _with_contexts(self, config: MapNode, target: _Target) -> MapNode:
        config = config.with_entry("bundle", bundle_context(config, target.name, target.mode))
        return config.with_entry("workspace", workspace_context(config, self._user))

    def _assign_variables(self, config: MapNode, target: _Target) -> MapNode:
        sources = VariableSources(
            given=self._given,
            environ=self._environ,
            overrides=read_overrides(self._root, target.name, self._report),
        )
        return assign_variables(config, target.name, sources, self._report)

    def _resolve_sections(self, config: MapNode, variables: MapNode) -> tuple[MapNode, MapNode]:
        lookup = SectionLookup(
            variables=variables,
            bundle=map_of(config.get("bundle")),
            workspace=map_of(config.get("workspace")),
            report=self._report,
        )
        prefixes = ("var", "variables", "bundle", "workspace")
        resolver = Resolver(lookup, prefixes, self._report)
        values = {name: resolver.value_of_variable(name) for name in variables.entries}
        for section in (*_SECTIONS, "resources"):
            if (node := config.entries.get(section)) is not None:
                config = config.with_entry(section, resolver.resolve(node, (section,)))
        return config, replace(variables, entries=values)

    def _check_mode(self, config: MapNode, target: _Target) -> None:
        modes.check_run_as(config, self._report)
        if target.mode == "development":
            modes.check_development(config, self._user, self._short_user, self._report)
        elif target.mode == "production":
            modes.check_production(config, target.name, self._report)

    def _apply_mode(self, resources: MapNode, config: MapNode, target: _Target) -> MapNode:
        presets = modes.presets_of(config, target.mode, self._short_user)
        run_as = config.get("run_as")
        resources = modes.capture_schemas(resources)
        resources = modes.apply_presets(resources, presets)
        return modes.fill_defaults(resources, run_as if isinstance(run_as, MapNode) else None)

    def _resolve_resources(self, resources: MapNode, ids: Mapping[tuple[str, str], str]) -> MapNode:
        lookup = ResourceLookup(resources=resources, ids=ids)
        resolver = Resolver(lookup, ("resources",), self._report)
        return map_of(resolver.resolve(resources, ("resources",)))

    def _roots(self, config: MapNode) -> local_paths.LocalRoots:
        return local_paths.LocalRoots(
            root=self._root,
            sync_root=local_paths.find_sync_root(self._root, config),
            workspace_file_path=text_of(node_at(config, ("workspace", "file_path"))) or "",
        )

    def _build(
        self,
        config: MapNode,
        resources: MapNode,
        variables: MapNode,
        ids: Mapping[tuple[str, str], str],
        target: _Target,
    ) -> Bundle:
        bodies = {kind: to_plain(map_of(resources.get(kind))) for kind in KINDS}
        run_as = config.get("run_as")
        return Bundle(
            name=text_of(node_at(config, ("bundle", "name"))) or "",
            target=target.name,
            mode=target.mode,
            root=self._root,
            user_name=self._user,
            user_short_name=self._short_user,
            workspace_root_path=text_of(node_at(config, ("workspace", "root_path"))) or "",
            workspace_file_path=text_of(node_at(config, ("workspace", "file_path"))) or "",
            variables={name: to_plain(node) for name, node in variables.entries.items()},
            pipelines={
                key: PipelineSpec.from_dict({**body, "id": ids[("pipelines", key)]})
                for key, body in bodies["pipelines"].items()
            },
            jobs={key: JobSettings.from_dict(body) for key, body in bodies["jobs"].items()},
            schemas={key: SchemaInfo.from_dict(body) for key, body in bodies["schemas"].items()},
            volumes={key: VolumeInfo.from_dict(body) for key, body in bodies["volumes"].items()},
            dashboards={
                key: _dashboard(body, ids[("dashboards", key)])
                for key, body in bodies["dashboards"].items()
            },
            run_as=JobRunAs.from_dict(to_plain(run_as)) if run_as is not None else None,
            ids=MappingProxyType(dict(ids)),
            origins=MappingProxyType(dict(_origins(resources, ("resources",)))),
        )


def _dashboard(body: Mapping[str, Any], dashboard_id: str) -> BundleDashboard:
    file = body.get("file_path")
    return BundleDashboard(
        dashboard=Dashboard.from_dict({**body, "dashboard_id": dashboard_id}),
        file=Path(file) if file else None,
        dataset_catalog=body.get("dataset_catalog"),
        dataset_schema=body.get("dataset_schema"),
        embed_credentials=bool(body.get("embed_credentials")),
    )


def _origins(node: Node, path: YamlPath) -> list[tuple[str, Origin]]:
    found = [(render_path(path), node.origin)]
    if isinstance(node, MapNode):
        for key, value in node.entries.items():
            found += _origins(value, (*path, key))
    elif isinstance(node, ListNode):
        for place, item in enumerate(node.items):
            found += _origins(item, (*path, place))
    return found
