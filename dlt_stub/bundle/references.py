"""Resolves ``${...}`` references.

Source: libs/dyn/dynvar and bundle/config/mutator/resolve_variable_references.go of databricks/cli,
read 2026-11-24. A string that is one reference and nothing else takes the referenced value with its
type; inside a longer string only single values can stand. What begins with none of the prefixes
asked for is left as it is, and so is ``{{...}}``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    MOST_VALUES,
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    scalar,
)
from dlt_stub.errors import Origin, nearest

_SEGMENT = r"[^\W\d_](?:[\w-]*[^\W_])?"
_INDEX = r"(?:\[[0-9]+\])*"
REFERENCE = re.compile(rf"\$\{{({_SEGMENT}(?:\.{_SEGMENT}{_INDEX})*{_INDEX})\}}")
LONGEST_TEXT = 1_000_000  # characters that references may put into one text
PREFIXES = ("var", "variables", "bundle", "workspace", "resources")
# Sections of a bundle a reference may name, though nothing of ours resolves them.
_OTHER_PREFIXES = ("artifacts", "targets")

Lookup = Callable[["Resolver", YamlPath], "Node | Missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A reference that leads nowhere; ``nearest_reference`` is what was probably meant."""

    nearest_reference: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    reference: str
    origin: Origin
    path: YamlPath


class Resolver:
    """Resolves the references that begin with ``prefixes``; each distinct one is looked up once."""

    def __init__(self, lookup: Lookup, prefixes: tuple[str, ...], report: Report) -> None:
        self._lookup = lookup
        self._prefixes = prefixes
        self._report = report
        self._known: dict[str, Node | Missing] = {}
        self._underway: list[_Step] = []
        self._cycles: set[frozenset[str]] = set()
        self._sizes: dict[int, tuple[Node, int]] = {}

    def resolve(self, node: Node, path: YamlPath) -> Node:
        """Return ``node`` with its references resolved."""
        match node:
            case MapNode():
                entries = {
                    key: self.resolve(value, (*path, key)) for key, value in node.entries.items()
                }
                return replace(node, entries=entries)
            case ListNode():
                items = (self.resolve(item, (*path, i)) for i, item in enumerate(node.items))
                return replace(node, items=tuple(items))
            case ScalarNode(value=str() as text, origin=origin):
                return self._resolve_text(text, origin, path)
            case _:
                return node

    def value_of_variable(self, name: str) -> Node:
        """Return a variable's value resolved, its own faults reported at the place of the value."""
        origin = Origin(path=f"variables.{name}")
        value = self._value_of(f"var.{name}", origin, ("variables", name))
        return value if value is not None else UnknownNode(origin=origin)

    def _resolve_text(self, text: str, origin: Origin, path: YamlPath) -> Node:
        matches = list(REFERENCE.finditer(text))
        if not matches:
            self._warn_of_broken_syntax(text, origin, path)
            return scalar(text, origin)
        values = {m[1]: self._value_of(m[1], origin, path) for m in matches}
        if any(isinstance(value, UnknownNode) for value in values.values()):
            return UnknownNode(origin=origin)
        only = values[matches[0][1]]
        if matches[0][0] == text and only is not None:
            if (size := self._size(only)) > MOST_VALUES:
                self._report.error(
                    f"{text} comes to {size:,} values, more than {MOST_VALUES:,}",
                    origin=origin,
                    path=path,
                )
                return UnknownNode(origin=origin)
            # The place of use counts: relative paths are relative to the file that uses them.
            return replace(only, origin=origin)
        return self._interpolate(text, values, origin, path)

    def _interpolate(
        self, text: str, values: dict[str, Node | None], origin: Origin, path: YamlPath
    ) -> Node:
        for reference, value in values.items():
            if isinstance(value, MapNode | ListNode):
                kind = "a mapping" if isinstance(value, MapNode) else "a list"
                self._report.error(
                    f"${{{reference}}} is {kind}: it cannot stand inside a longer string",
                    origin=origin,
                    path=path,
                )
                return UnknownNode(origin=origin)

        length = sum(len(_as_text(v)) for v in values.values() if isinstance(v, ScalarNode))
        if length * len(REFERENCE.findall(text)) > LONGEST_TEXT:
            self._report.error(
                f"the references in {text[:40]!r} come to more than {LONGEST_TEXT:,} characters",
                origin=origin,
                path=path,
            )
            return UnknownNode(origin=origin)

        def replacement(match: re.Match[str]) -> str:
            value = values[match[1]]
            return _as_text(value) if isinstance(value, ScalarNode) else match[0]

        return scalar(REFERENCE.sub(replacement, text), origin)

    def _size(self, node: Node) -> int:
        """Return how many values ``node`` holds, a shared one each time it occurs."""
        if isinstance(node, MapNode | ListNode):
            known = self._sizes.get(id(node))
            if known is None:
                items = node.entries.values() if isinstance(node, MapNode) else node.items
                known = node, 1 + sum(self._size(each) for each in items)
                self._sizes[id(node)] = known  # with the node, or another gets its id
            return known[1]
        return 1

    def _value_of(self, reference: str, origin: Origin, path: YamlPath) -> Node | None:
        """Return the value of a reference, or None if it is not ours to resolve."""
        target = parse_reference(reference)
        if target[0] not in self._prefixes:
            self._warn_of_unknown_prefix(str(target[0]), reference, origin, path)
            return None
        if any(step.reference == reference for step in self._underway):
            self._report_cycle(reference, origin, path)
            return UnknownNode(origin=origin)
        if reference not in self._known:
            self._underway.append(_Step(reference=reference, origin=origin, path=path))
            self._known[reference] = self._lookup(self, target)
            self._underway.pop()
        found = self._known[reference]
        if isinstance(found, Missing):
            near = found.nearest_reference
            self._report.error(
                f"reference ${{{reference}}} does not exist",
                origin=origin,
                path=path,
                detail=found.reason,
                hint=f"did you mean ${{{near}}}?" if near else None,
            )
            return UnknownNode(origin=origin)
        return found

    def _report_cycle(self, reference: str, origin: Origin, path: YamlPath) -> None:
        names = [step.reference for step in self._underway]
        members = self._underway[names.index(reference) :]
        cycle = frozenset(step.reference for step in members)
        if cycle in self._cycles:
            return
        self._cycles.add(cycle)
        shown = " -> ".join(f"${{{name}}}" for name in [*(s.reference for s in members), reference])
        if len(members) > 1:
            # Whoever asked first stands outside the cycle; the second step is inside.
            origin, path = members[1].origin, members[1].path
        self._report.error(f"references form a cycle: {shown}", origin=origin, path=path)

    def _warn_of_broken_syntax(self, text: str, origin: Origin, path: YamlPath) -> None:
        started = re.search(r"\$\{\s*(" + "|".join(PREFIXES) + r")\s*\.", text)
        if started:
            self._report.warning(
                f"{text!r} holds a malformed reference, which stays plain text",
                origin=origin,
                path=path,
                hint="a reference is written ${var.name}",
            )

    def _warn_of_unknown_prefix(
        self, prefix: str, reference: str, origin: Origin, path: YamlPath
    ) -> None:
        near = nearest(prefix, PREFIXES)
        if near and prefix not in (*PREFIXES, *_OTHER_PREFIXES):
            self._report.warning(
                f"${{{reference}}} names no section of the bundle, and stays plain text",
                origin=origin,
                path=path,
                hint=f"did you mean ${{{near}{reference.removeprefix(prefix)}}}?",
            )


def parse_reference(reference: str) -> YamlPath:
    """Return the path a reference names: ``a.b[0].c`` becomes ``("a", "b", 0, "c")``."""
    parts: list[str | int] = []
    for segment in reference.split("."):
        name, *indexes = segment.replace("]", "").split("[")
        parts += [name, *(int(index[:9]) for index in indexes)]  # no list is longer
    return tuple(parts)


def navigate(node: Node, path: YamlPath, so_far: str) -> Node | Missing:
    """Return what ``path`` leads to inside ``node``, which ``so_far`` refers to."""
    for part in path:
        if isinstance(node, UnknownNode):
            return node
        if isinstance(node, MapNode) and isinstance(part, str) and part in node.entries:
            node = node.entries[part]
            so_far += f".{part}"
        elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            so_far += f"[{part}]"
        else:
            names = node.entries if isinstance(node, MapNode) else ()
            near = nearest(str(part), names)
            return Missing(nearest_reference=f"{so_far}.{near}" if near else None)
    return node


def _as_text(node: ScalarNode) -> str:
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    return "" if node.value is None else str(node.value)
