"""Checks a tree against dataclasses: unknown fields, wrong types, missing fields.

The CLI only warns of an unknown field and drops it. Here it is an error: a field that is dropped
changes what runs without anybody seeing it.
"""

import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin

from dlt_stub.bundle.diagnostics import Report, YamlPath, render_path
from dlt_stub.bundle.shapes import KINDS, NOT_RUN_HERE, ResourceKind
from dlt_stub.bundle.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    map_of,
    scalar,
)
from dlt_stub.errors import nearest

_TRUE = frozenset({"true", "yes", "y", "on"})
_FALSE = frozenset({"false", "no", "n", "off"})


@cache
def fields_of(sdk_class: type) -> Mapping[str, object]:
    """Return the type of each field of a dataclass.

    The SDK's annotations are strings; the class itself must not be a namespace for them, because a
    field named ``compute`` would hide the module ``compute``.
    """
    module = vars(sys.modules[sdk_class.__module__])
    return typing.get_type_hints(sdk_class, module, {})


@cache
def _required_of(sdk_class: Any) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in fields(sdk_class)
        if field.default is MISSING and field.default_factory is MISSING
    )


class TypeChecker:
    """Checks nodes against types; the result holds values of the right type, or unknowns.

    With ``references_pass`` a string that holds ``${...}`` fits every type: it is not resolved yet.
    With ``names_pass`` unknown fields are not reported: they were, before the target was merged in.
    """

    def __init__(
        self, report: Report, *, references_pass: bool = False, names_pass: bool = False
    ) -> None:
        self._report = report
        self._references_pass = references_pass
        self._names_pass = names_pass

    def check(self, node: Node, wanted: Any, path: YamlPath) -> Node:
        """Return ``node`` as a ``wanted`` (a type hint, hence Any)."""
        if isinstance(node, UnknownNode) or wanted is object:
            return node
        if isinstance(node, ScalarNode) and (node.value is None or self._is_reference(node)):
            return node
        origin = get_origin(wanted)
        if origin in (Union, types.UnionType):
            return self.check(node, _not_none(wanted), path)
        if origin is list:
            return self._check_list(node, get_args(wanted)[0], path)
        if origin is dict:
            return self._check_dict(node, get_args(wanted)[1], path)
        if is_dataclass(wanted):
            return self.check_fields(node, fields_of(wanted), path, _required_of(wanted))  # type: ignore[arg-type]  # a dataclass is a type here, never an instance
        return self._check_scalar(node, wanted, path)

    def check_fields(
        self,
        node: Node,
        known: Mapping[str, object],
        path: YamlPath,
        required: tuple[str, ...] = (),
    ) -> Node:
        """Return ``node`` as a mapping that holds ``known`` fields only."""
        if not isinstance(node, MapNode):
            return self._wrong(node, "a mapping", path)
        checked = node
        for key, value in node.entries.items():
            if key in known:
                checked = checked.with_entry(key, self.check(value, known[key], (*path, key)))
                continue
            if self._names_pass:
                continue
            near = nearest(key, known)
            self._report.error(
                f"unknown field {key!r} in {render_path(path) or 'the bundle'}",
                origin=node.key_origin(key),
                path=(*path, key),
                hint=f"did you mean {near!r}?" if near else f"known fields: {_listed(known)}",
            )
        for name in required:
            if node.get(name) is None:
                self._report.error(
                    f"required field {name!r} is missing", origin=node.origin, path=path
                )
        return checked

    def _check_list(self, node: Node, item_type: Any, path: YamlPath) -> Node:
        if not isinstance(node, ListNode):
            return self._wrong(node, "a list", path)
        items: list[Node] = []
        for place, item in enumerate(node.items):
            if isinstance(item, ScalarNode) and item.value is None:
                item = self._wrong(item, "an item", (*path, place))
            items.append(self.check(item, item_type, (*path, place)))
        return ListNode(items=tuple(items), origin=node.origin)

    def _check_dict(self, node: Node, value_type: Any, path: YamlPath) -> Node:
        if not isinstance(node, MapNode):
            return self._wrong(node, "a mapping", path)
        checked = node
        for key, value in node.entries.items():
            if value_type is str and isinstance(value, ScalarNode) and value.value is None:
                value = scalar("", value.origin)  # Go's value for an absent string
            checked = checked.with_entry(key, self.check(value, value_type, (*path, key)))
        return checked

    def _check_scalar(self, node: Node, wanted: type, path: YamlPath) -> Node:
        if not isinstance(node, ScalarNode):
            return self._wrong(node, _ENGLISH.get(wanted, "a single value"), path)
        if issubclass(wanted, Enum):
            return self._check_enum(node, wanted, path)
        value = _COERCE[wanted](node.value)
        if value is None:
            return self._wrong(node, _ENGLISH[wanted], path)
        return scalar(value, node.origin)

    def _check_enum(self, node: ScalarNode, wanted: type[Enum], path: YamlPath) -> Node:
        allowed = [str(member.value) for member in wanted]
        if node.value in allowed:
            return node
        near = nearest(str(node.value), allowed)
        self._report.error(
            f"{node.value!r} is no {wanted.__name__}",
            origin=node.origin,
            path=path,
            hint=f"did you mean {near!r}?" if near else f"allowed: {', '.join(allowed)}",
        )
        return UnknownNode(origin=node.origin)

    def _wrong(self, node: Node, expected: str, path: YamlPath) -> UnknownNode:
        self._report.error(
            f"expected {expected}, found {_shown(node)}", origin=node.origin, path=path
        )
        return UnknownNode(origin=node.origin)

    def _is_reference(self, node: ScalarNode) -> bool:
        return self._references_pass and isinstance(node.value, str) and "${" in node.value


def check_resources(resources: MapNode, report: Report) -> MapNode:
    """Return the resources with every value of the type databricks-sdk gives it."""
    checker = TypeChecker(report)
    checked = resources
    for kind_name, entries in resources.entries.items():
        kind = KINDS.get(kind_name)
        if kind is None:
            _report_kind(kind_name, resources, report)
            continue
        for key, node in map_of(entries).entries.items():
            path: YamlPath = ("resources", kind_name, key)
            if isinstance(node, ScalarNode) and node.value is None:
                report.error(f"resource {kind_name}.{key} is empty", origin=node.origin, path=path)
                node = UnknownNode(origin=node.origin)
            elif not isinstance(node, UnknownNode):
                node = checker.check_fields(node, known_fields(kind), path, kind.required)
            checked = checked.with_entry(
                kind_name, map_of(checked.get(kind_name)).with_entry(key, node)
            )
    return checked


def known_fields(kind: ResourceKind) -> Mapping[str, object]:
    """Return every field a bundle may give to a resource of this kind."""
    own = {
        name: hint
        for name, hint in fields_of(kind.sdk_class).items()
        if name not in kind.refused and (kind.allowed is None or name in kind.allowed)
    }
    return {**own, **kind.bundle_only}


def _report_kind(kind_name: str, resources: MapNode, report: Report) -> None:
    origin, path = resources.key_origin(kind_name), ("resources", kind_name)
    if kind_name in NOT_RUN_HERE:
        report.warning(
            f"resources.{kind_name} exist in a workspace only: left out here",
            origin=origin,
            path=path,
        )
        return
    near = nearest(kind_name, [*KINDS, *NOT_RUN_HERE])
    hint = f"did you mean {near!r}?" if near else f"run here: {', '.join(KINDS)}"
    report.error(f"unknown kind of resource {kind_name!r}", origin=origin, path=path, hint=hint)


def _not_none(union: Any) -> Any:
    chosen = [option for option in get_args(union) if option is not type(None)]
    return chosen[0]


def _to_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _to_bool(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    text = value.lower() if isinstance(value, str) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def _to_int(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"[-+]?[0-9]+", value) else None
    return value if isinstance(value, int) else None


def _to_float(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", value) else None
    return float(value) if isinstance(value, int | float) else None


_COERCE: dict[type, Any] = {str: _to_text, bool: _to_bool, int: _to_int, float: _to_float}
_ENGLISH: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
}


def _shown(node: Node) -> str:
    match node:
        case MapNode():
            return "a mapping"
        case ListNode():
            return "a list"
        case ScalarNode():
            return repr(node.value)
        case UnknownNode():
            return "nothing"


def _listed(known: Mapping[str, object]) -> str:
    return ", ".join(sorted(known))
