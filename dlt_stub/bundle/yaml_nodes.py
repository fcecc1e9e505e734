"""YAML with positions: a small tree in which every value knows its file, line and column."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.errors import Origin

ScalarValue = str | int | float | bool | None
# What a file may come to once its aliases are written out, and how deep it may go: far beyond what
# anybody writes, and little enough to be read in a second.
MOST_VALUES = 100_000
DEEPEST = 100
NO_ORIGIN = Origin(path="(computed)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalarNode:
    """A single value."""

    value: ScalarValue
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNode:
    """A sequence."""

    items: "tuple[Node, ...]"
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNode:
    """A mapping in the order written; ``keys`` says where each key stands."""

    entries: "Mapping[str, Node]"
    keys: Mapping[str, Origin]
    origin: Origin

    def get(self, key: str) -> "Node | None":
        """Return the value under ``key``; a null counts as absent."""
        node = self.entries.get(key)
        return None if isinstance(node, ScalarNode) and node.value is None else node

    def key_origin(self, key: str) -> Origin:
        """Return where ``key`` stands, or the mapping itself if it is computed."""
        return self.keys.get(key, self.origin)

    def with_entry(self, key: str, node: "Node", key_origin: Origin | None = None) -> "MapNode":
        """Return this mapping with ``key`` set."""
        origin = key_origin or self.keys.get(key) or node.origin
        return replace(self, entries={**self.entries, key: node}, keys={**self.keys, key: origin})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownNode:
    """A value that could not be determined: its fault is reported, so nobody reports it again."""

    origin: Origin


Node = ScalarNode | ListNode | MapNode | UnknownNode


class _Loader(yaml.SafeLoader):
    """Resolves plain scalars as the Databricks CLI's YAML does.

    PyYAML's own YAML 1.1 rules would turn ``on`` into a boolean, ``12:30`` into 750 and a date
    into a date.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012  # PyYAML reads it from the class


_PLAIN = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0o?[0-7_]+)$", list("-+0123456789")),
    (
        "float",
        (
            r"^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    ),
    ("merge", r"^<<$", ["<"]),
)
_TAG = "tag:yaml.org,2002:"
_COLLECTIONS = (f"{_TAG}map", f"{_TAG}seq")
for _name, _pattern, _first in _PLAIN:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)


def read_yaml(text: str, path: str, report: Report) -> Node | None:
    """Return the document in ``text`` with its positions, or None if it is not valid YAML."""
    try:
        root = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        origin = _origin(mark, path) if mark else Origin(path=path)
        report.error(f"not valid YAML: {said}", origin=origin)
        return None
    except yaml.YAMLError as error:
        report.error(f"not valid YAML: {error}", origin=Origin(path=path))
        return None
    except RecursionError:
        report.error("not valid YAML: it is nested too deep", origin=Origin(path=path))
        return None
    if root is None:
        return None
    if (fault := _beyond_measure(root)) is not None:
        report.error(fault, origin=Origin(path=path))
        return None
    return _Converter(path, report).convert(root, ())


def _beyond_measure(root: yaml.Node) -> str | None:
    """Return why a document is not written out, or None; an alias counts each time it is used.

    Nodes are looked at once each, so this takes no longer than the file is long.
    """
    sizes: dict[int, tuple[int, int]] = {}  # of a node: values in it, levels in it
    begun: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting[-1]
        children = _children(node)
        left = [each for each in children if id(each) not in sizes and id(each) not in begun]
        if left and id(node) not in begun:
            begun.add(id(node))
            waiting += left
            continue
        waiting.pop()
        found = [sizes.get(id(each), (0, 0)) for each in children]  # (0, 0): it contains itself
        sizes[id(node)] = (
            1 + sum(values for values, _ in found),
            1 + max((levels for _, levels in found), default=0),
        )
        if sizes[id(node)][0] > MOST_VALUES:
            return (
                f"the file comes to more than {MOST_VALUES:,} values with its aliases written out"
            )
        if sizes[id(node)][1] > DEEPEST:
            return f"the file is nested more than {DEEPEST} levels deep"
    return None


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Converter:
    """Turns PyYAML's nodes into ours, merge keys applied."""

    def __init__(self, path: str, report: Report) -> None:
        self._path = path
        self._report = report

    def convert(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> Node:
        origin = _origin(node.start_mark, self._path)
        if any(node is seen for seen in above):
            self._report.error("an alias contains itself", origin=origin)
            return UnknownNode(origin=origin)
        if node.tag not in _COLLECTIONS and not isinstance(node, yaml.ScalarNode):
            return self._refuse_tag(node, origin)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, origin, (*above, node))
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.convert(item, (*above, node)) for item in node.value)
            return ListNode(items=items, origin=origin)
        return self._scalar(node, origin)

    def _scalar(self, node: yaml.Node, origin: Origin) -> Node:
        value = _SCALARS.get(node.tag)
        if value is None:
            return self._refuse_tag(node, origin)
        try:
            return ScalarNode(value=value(node.value), origin=origin)
        except ValueError:  # more digits than Python reads, or none: 0x_
            shown = node.value if len(node.value) < 40 else f"{node.value[:40]}..."
            self._report.error(f"{shown!r} is no number that can be read", origin=origin)
            return UnknownNode(origin=origin)

    def _refuse_tag(self, node: yaml.Node, origin: Origin) -> UnknownNode:
        self._report.error(f"tag {node.tag!r} is not allowed in a bundle", origin=origin)
        return UnknownNode(origin=origin)

    def _mapping(
        self, node: yaml.MappingNode, origin: Origin, above: tuple[yaml.Node, ...]
    ) -> MapNode:
        entries: dict[str, Node] = {}
        keys: dict[str, Origin] = {}
        inherited: list[MapNode] = []
        for key_node, value_node in node.value:
            key_origin = _origin(key_node.start_mark, self._path)
            if key_node.tag == _TAG + "merge":
                inherited += self._merged(value_node, above)
            elif key_node.tag != _TAG + "str":
                self._report.error("a key must be a string", origin=key_origin)
            elif key_node.value in entries:
                self._report.error(
                    f"key {key_node.value!r} is defined twice in one mapping", origin=key_origin
                )
            else:
                entries[key_node.value] = self.convert(value_node, above)
                keys[key_node.value] = key_origin
        for mapping in inherited:
            for key, value in mapping.entries.items():
                if key not in entries:
                    entries[key] = value
                    keys[key] = mapping.key_origin(key)
        return MapNode(entries=entries, keys=keys, origin=origin)

    def _merged(self, node: yaml.Node, above: tuple[yaml.Node, ...]) -> list[MapNode]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        converted = [self.convert(source, above) for source in sources]
        if not all(isinstance(source, MapNode) for source in converted):
            origin = _origin(node.start_mark, self._path)
            self._report.error("'<<' takes a mapping or a list of mappings", origin=origin)
        return [source for source in converted if isinstance(source, MapNode)]


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    legacy_octal = re.fullmatch(r"[-+]?0[0-7]+", digits)  # Go still reads 017 as 15
    return int(digits, 8 if legacy_octal else 0)


def _real(text: str) -> float:
    return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], ScalarValue]] = {
    _TAG + "str": str,
    _TAG + "null": lambda _text: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": _integer,
    _TAG + "float": _real,
}


def _origin(mark: yaml.Mark, path: str) -> Origin:
    return Origin(path=path, line=mark.line + 1, column=mark.column + 1)


def map_of(node: Node | None) -> MapNode:
    """Return ``node`` if it is a mapping, else an empty one."""
    if isinstance(node, MapNode):
        return node
    return MapNode(entries={}, keys={}, origin=node.origin if node else NO_ORIGIN)


def items_of(node: Node | None) -> tuple[Node, ...]:
    """Return the items of ``node`` if it is a list, else none."""
    return node.items if isinstance(node, ListNode) else ()


def text_of(node: Node | None) -> str | None:
    """Return the string ``node`` holds, if it holds one."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else None


def scalar(value: ScalarValue, origin: Origin = NO_ORIGIN) -> ScalarNode:
    """Return a value that is computed, or that stands at ``origin``."""
    return ScalarNode(value=value, origin=origin)


def mapping(values: Mapping[str, Node], origin: Origin = NO_ORIGIN) -> MapNode:
    """Return a computed mapping."""
    return MapNode(entries=dict(values), keys=dict.fromkeys(values, origin), origin=origin)


def node_at(node: Node | None, path: YamlPath) -> Node | None:
    """Return what stands under ``path``, if anything does."""
    for part in path:
        if isinstance(part, int):
            items = items_of(node)
            node = items[part] if part < len(items) else None
        else:
            node = node.entries.get(part) if isinstance(node, MapNode) else None
    return node


def map_at(
    node: Node,
    pattern: tuple[str, ...],
    change: Callable[[YamlPath, Node], Node],
    path: YamlPath = (),
) -> Node:
    """Return the tree, ``change`` applied wherever ``pattern`` leads; ``*`` is any key or item."""
    if not pattern:
        return change(path, node)
    head, rest = pattern[0], pattern[1:]
    if isinstance(node, ListNode) and head == "*":
        items = (map_at(item, rest, change, (*path, i)) for i, item in enumerate(node.items))
        return replace(node, items=tuple(items))
    if isinstance(node, MapNode):
        chosen = list(node.entries) if head == "*" else [head] if node.get(head) else []
        changed = {key: map_at(node.entries[key], rest, change, (*path, key)) for key in chosen}
        return replace(node, entries={**node.entries, **changed})
    return node


def to_plain(node: Node) -> Any:
    """Return the value as plain Python (what a JSON body holds: hence Any); unknown is None."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [to_plain(item) for item in node.items]
        case MapNode():
            return {key: to_plain(value) for key, value in node.entries.items()}
        case UnknownNode():
            return None
