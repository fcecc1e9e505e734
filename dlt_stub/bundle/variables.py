"""Gives every variable its value.

Precedence, highest first: ``--var``, ``BUNDLE_VAR_<name>``, the target's
``.databricks/bundle/<target>/variable-overrides.json``, the target's override, the default.
Source: bundle/config/mutator/set_variables.go and bundle/config/root.go of databricks/cli, read
2026-11-24.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    map_of,
    node_at,
    read_yaml,
    scalar,
    text_of,
)
from dlt_stub.errors import Origin, nearest

ENVIRONMENT_PREFIX = "BUNDLE_VAR_"
_FULL_FORM = frozenset({"default", "lookup", "type", "description"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSources:
    """Where values come from besides the bundle's own files."""

    given: Mapping[str, str]  # --var
    environ: Mapping[str, str]
    overrides: MapNode  # variable-overrides.json


def read_overrides(root: Path, target: str, report: Report) -> MapNode:
    """Return what the target's override file sets; without the file, nothing."""
    name = f".databricks/bundle/{target}/variable-overrides.json"
    file = root / name
    if "/" in target or target in ("", ".", ".."):
        report.error(
            f"target {target!r} cannot be the name of a folder, where its state is kept",
            origin=Origin(path="databricks.yml"),
            path=("targets", target),
        )
        return map_of(None)
    if not file.is_file():
        return map_of(None)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        report.error(f"the variables file cannot be read: {error}", origin=Origin(path=name))
        return map_of(None)
    node = read_yaml(text, name, report)
    if node is not None and not isinstance(node, MapNode):
        report.error("the variables file must hold one JSON object", origin=node.origin)
    return map_of(node)


def assign_variables(
    root: MapNode, target: str, sources: VariableSources, report: Report
) -> MapNode:
    """Return each variable's value, references not resolved yet."""
    declared = map_of(root.get("variables"))
    overrides = map_of(node_at(root, ("targets", target, "variables")))
    _report_undeclared(declared, overrides, target, sources, report)
    values = {
        name: _Variable(name, map_of(node), declared, report).value(
            overrides.get(name), ("targets", target, "variables", name), sources
        )
        for name, node in declared.entries.items()
    }
    return MapNode(entries=values, keys=declared.keys, origin=declared.origin)


class _Variable:
    """One declared variable and the rules for what may set it."""

    def __init__(self, name: str, node: MapNode, declared: MapNode, report: Report) -> None:
        self._name = name
        self._node = node
        self._origin = declared.key_origin(name)
        self._path: YamlPath = ("variables", name)
        self._report = report
        self._is_complex = text_of(node.get("type")) == "complex"

    def value(self, override: Node | None, at: YamlPath, sources: VariableSources) -> Node:
        outside = self._from_outside(sources)
        if outside is not None:
            return outside
        default, lookup = self._node.get("default"), self._node.get("lookup")
        if override is not None:
            default, lookup, at = self._overridden(override, default, lookup, at)
        else:
            at = (*self._path, "default")
        if lookup is not None:
            return self._refuse_lookup(lookup)
        from_file = sources.overrides.get(self._name)
        if from_file is not None:
            return self._fitting(from_file, self._path)
        if default is None:
            return self._refuse_missing()
        return self._fitting(default, at)

    def _from_outside(self, sources: VariableSources) -> Node | None:
        environment_name = ENVIRONMENT_PREFIX + self._name
        for values, key, place in (
            (sources.given, self._name, f"--var {self._name}"),
            (sources.environ, environment_name, environment_name),
        ):
            if key not in values:
                continue
            origin = Origin(path=place)
            if self._is_complex:
                self._report.error(
                    f"variable {self._name!r} is complex and cannot be set by {place}",
                    origin=origin,
                    hint="set it in the target, or in variable-overrides.json",
                )
                return UnknownNode(origin=origin)
            return scalar(values[key], origin)
        return None

    def _overridden(
        self, override: Node, default: Node | None, lookup: Node | None, at: YamlPath
    ) -> tuple[Node | None, Node | None, YamlPath]:
        """Return default and lookup after a target's override, in its long or short form."""
        if isinstance(override, MapNode) and _is_full_form(override):
            if (new_default := override.get("default")) is not None:
                return new_default, None, (*at, "default")
            if (new_lookup := override.get("lookup")) is not None:
                return None, new_lookup, (*at, "lookup")
            return default, lookup, (*self._path, "default")
        return override, None, at

    def _fitting(self, node: Node, path: YamlPath) -> Node:
        is_reference = "${" in (text_of(node) or "")
        if isinstance(node, UnknownNode) or is_reference:
            return node
        if self._is_complex and isinstance(node, ScalarNode):
            said = f"variable {self._name!r} is of type complex, its value is a single value"
        elif not self._is_complex and isinstance(node, MapNode | ListNode):
            said = f"variable {self._name!r} is not of type complex, its value is a map or list"
        else:
            return node
        self._report.error(
            said, origin=node.origin, path=path, hint="a map or list needs `type: complex`"
        )
        return UnknownNode(origin=node.origin)

    def _refuse_lookup(self, lookup: Node) -> Node:
        self._report.error(
            f"variable {self._name!r} is looked up in a workspace, and there is none here",
            origin=lookup.origin,
            path=(*self._path, "lookup"),
            hint=self._how_to_set(),
        )
        return UnknownNode(origin=lookup.origin)

    def _refuse_missing(self) -> Node:
        self._report.error(
            f"variable {self._name!r} has no value",
            origin=self._origin,
            path=self._path,
            hint=self._how_to_set(),
        )
        return UnknownNode(origin=self._origin)

    def _how_to_set(self) -> str:
        return (
            f"use --var {self._name}=..., the environment variable "
            f"{ENVIRONMENT_PREFIX}{self._name}, or a default in databricks.yml"
        )


def _is_full_form(override: MapNode) -> bool:
    keys = set(override.entries)
    return bool(keys) and keys <= _FULL_FORM and not keys.isdisjoint({"default", "lookup"})


def _report_undeclared(
    declared: MapNode, overrides: MapNode, target: str, sources: VariableSources, report: Report
) -> None:
    assigned = [(name, Origin(path=f"--var {name}"), ()) for name in sources.given]
    assigned += [
        (name, sources.overrides.key_origin(name), ()) for name in sources.overrides.entries
    ]
    places: list[tuple[str, Origin, YamlPath]] = [*assigned]
    for name in overrides.entries:
        places.append((name, overrides.key_origin(name), ("targets", target, "variables", name)))
    for name, origin, path in places:
        if name not in declared.entries:
            near = nearest(name, declared.entries)
            report.error(
                f"variable {name!r} is given a value but not defined",
                origin=origin,
                path=path,
                hint=f"did you mean {near!r}?" if near else "define it under `variables`",
            )
