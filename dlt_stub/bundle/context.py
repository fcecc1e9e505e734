"""What ``${var...}``, ``${bundle...}``, ``${workspace...}`` and ``${resources...}`` stand for.

Source: default_workspace_root.go, default_workspace_paths.go, prepend_workspace_prefix.go,
initialize_volume_paths.go and libs/iamutil/user.go of databricks/cli, read 2026-11-24. The ids are
ours: a workspace gives them at deployment, here they follow from bundle, target and key.
"""

import hashlib
import posixpath
import re
import uuid
from collections.abc import Mapping
from dataclasses import fields

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.references import Missing, Resolver, navigate
from dlt_stub.bundle.shapes import BundleSection, GitSection, WorkspaceSection
from dlt_stub.bundle.yaml_nodes import MapNode, Node, UnknownNode, map_of, mapping, scalar, text_of
from dlt_stub.errors import nearest

_NAMESPACE = uuid.UUID("6f2f9c0e-5f43-5c0e-9d0b-2f6f2b1f8a11")
_WORKSPACE_PATHS = {
    "file_path": "files",
    "resource_path": "resources",
    "artifact_path": "artifacts",
    "state_path": "state",
}
_KEEP_AS_IS = ("/Workspace/", "/Volumes/", "${workspace.")


def normalize_name(name: str) -> str:
    """Return ``name`` in lower case, with one underscore for whatever is no letter or digit."""
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


def short_name(user_name: str) -> str:
    """Return the short form of a user name, which development mode puts into names."""
    return normalize_name(user_name.partition("@")[0])


def guess_user_name(environ: Mapping[str, str]) -> str:
    """Return who is at this machine; a workspace would say who is logged in to it."""
    for variable in ("USER", "LOGNAME", "USERNAME"):
        if environ.get(variable):
            return environ[variable]
    return "local"


def bundle_context(root: MapNode, target: str, mode: str | None) -> MapNode:
    """Return ``bundle`` as references see it."""
    section = map_of(root.get("bundle"))
    section = section.with_entry("target", scalar(target))
    section = section.with_entry("environment", scalar(target))
    return section.with_entry("mode", scalar(mode or ""))


def workspace_context(root: MapNode, user_name: str) -> MapNode:
    """Return ``workspace`` as references see it: the current user and every path set."""
    section = map_of(root.get("workspace"))
    base_node = section.get("root_path")
    base = text_of(base_node) or "~/.bundle/${bundle.name}/${bundle.target}"
    if base.startswith("~/"):
        base = posixpath.join("/Workspace/Users", user_name, base[2:])
    base_origin = base_node.origin if base_node else section.origin
    section = section.with_entry("root_path", scalar(_with_prefix(base), base_origin))
    for name, folder in _WORKSPACE_PATHS.items():
        given = section.get(name)
        path = text_of(given) or posixpath.join(_with_prefix(base), folder)
        origin = given.origin if given else base_origin
        section = section.with_entry(name, scalar(_with_prefix(path), origin))
    short = short_name(user_name)
    user = {
        "userName": scalar(user_name),
        "user_name": scalar(user_name),
        "short_name": scalar(short),
        "domain_friendly_name": scalar(short.replace("_", "-")),
    }
    return section.with_entry("current_user", mapping(user))


def _with_prefix(path: str) -> str:
    return path if path.startswith(_KEEP_AS_IS) else f"/Workspace{path}"


class SectionLookup:
    """Answers references to variables, ``bundle`` and ``workspace``."""

    def __init__(
        self, *, variables: MapNode, bundle: MapNode, workspace: MapNode, report: Report
    ) -> None:
        self._variables = variables
        self._sections = {"bundle": bundle, "workspace": workspace}
        self._report = report
        self._values: dict[str, Node] = {}

    def __call__(self, resolver: Resolver, path: YamlPath) -> Node | Missing:
        """Return what ``path`` leads to, itself resolved."""
        match path:
            case ("var", str(name), *rest):
                return self._variable(resolver, name, tuple(rest), f"var.{name}")
            case ("variables", str(name), "value" | "default", *rest):
                return self._variable(resolver, name, tuple(rest), f"variables.{name}.value")
            case ("bundle" | "workspace" as section, *rest):
                return self._section(resolver, section, tuple(rest))
            case _:
                return Missing(nearest_reference=None)

    def _variable(
        self, resolver: Resolver, name: str, rest: YamlPath, so_far: str
    ) -> Node | Missing:
        raw = self._variables.entries.get(name)
        if raw is None:
            near = nearest(name, self._variables.entries)
            return Missing(nearest_reference=f"var.{near}" if near else None)
        if name not in self._values:
            self._values[name] = resolver.resolve(raw, ("variables", name))
        return navigate(self._values[name], rest, so_far)

    def _section(self, resolver: Resolver, section: str, rest: YamlPath) -> Node | Missing:
        found = navigate(self._sections[section], rest, section)
        if isinstance(found, Missing) and rest in _EMPTY_WHEN_UNSET:
            if rest[0] == "git":
                self._report.warning(
                    "git is not asked for its branch, commit and origin: they are empty here",
                    origin=self._sections[section].origin,
                    path=(section, *rest),
                )
            return scalar("")
        return found if isinstance(found, Missing) else resolver.resolve(found, (section, *rest))


_EMPTY_WHEN_UNSET = frozenset(
    {(field.name,) for field in (*fields(BundleSection), *fields(WorkspaceSection))}
    | {("git", field.name) for field in fields(GitSection)}
)


class ResourceLookup:
    """Answers references to resources: their fields, ``id`` and a volume's ``volume_path``."""

    def __init__(self, *, resources: MapNode, ids: Mapping[tuple[str, str], str]) -> None:
        self._resources = resources
        self._ids = ids

    def __call__(self, resolver: Resolver, path: YamlPath) -> Node | Missing:
        """Return what ``path`` leads to, itself resolved."""
        found = navigate(self._resources, path[1:3], "resources")
        if isinstance(found, Missing) or len(path) < 4:
            return found if isinstance(found, Missing) else Missing(reason="a field must be named")
        _, kind, key, *rest = path
        if rest == ["id"]:
            return self._id(resolver, str(kind), str(key), map_of(found))
        if kind == "volumes" and rest == ["volume_path"]:
            return self._joined(resolver, str(key), map_of(found), "/Volumes/", "/")
        so_far = ".".join(str(part) for part in path[:3])
        computed = ("id", "volume_path") if kind == "volumes" else ("id",)
        if len(rest) == 1 and isinstance(found, MapNode) and rest[0] not in found.entries:
            near = nearest(str(rest[0]), [*computed, *found.entries])
            return Missing(nearest_reference=f"{so_far}.{near}" if near else None)
        value = navigate(found, tuple(rest), so_far)
        return value if isinstance(value, Missing) else resolver.resolve(value, path)

    def _id(self, resolver: Resolver, kind: str, key: str, resource: MapNode) -> Node:
        if kind == "volumes":
            return self._joined(resolver, key, resource, "", ".")
        if kind == "schemas":
            names = ("catalog_name", "name")
            return self._join(resolver, ("resources", kind, key), resource, names, "", ".")
        return scalar(self._ids[(kind, key)])

    def _joined(
        self, resolver: Resolver, key: str, volume: MapNode, before: str, between: str
    ) -> Node:
        names = ("catalog_name", "schema_name", "name")
        return self._join(resolver, ("resources", "volumes", key), volume, names, before, between)

    def _join(
        self,
        resolver: Resolver,
        path: YamlPath,
        resource: MapNode,
        names: tuple[str, ...],
        before: str,
        between: str,
    ) -> Node:
        parts = []
        for name in names:
            node = resource.get(name)
            part = text_of(resolver.resolve(node, (*path, name))) if node else None
            if part is None:  # the missing field is an error of its own
                return UnknownNode(origin=resource.origin)
            parts.append(part)
        return scalar(before + between.join(parts))


def resource_ids(resources: MapNode, bundle_name: str, target: str) -> dict[tuple[str, str], str]:
    """Return the id of every resource, which stays the same as long as bundle, target and key do.

    A pipeline's id is a UUID and a job's a whole number of 15 digits, as in a workspace.
    """
    ids = {}
    for kind, entries in resources.entries.items():
        for key in map_of(entries).entries:
            name = f"{bundle_name}/{target}/{kind}/{key}"
            if kind == "jobs":
                digest = hashlib.sha256(name.encode()).digest()
                ids[(kind, key)] = str(10**14 + int.from_bytes(digest[:8]) % (9 * 10**14))
            else:
                ids[(kind, key)] = str(uuid.uuid5(_NAMESPACE, name))
    return ids
