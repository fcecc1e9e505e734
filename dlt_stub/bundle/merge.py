"""Merges configuration trees as the Databricks CLI does.

Source: bundle/config/root.go and libs/dyn/merge of databricks/cli, read 2026-11-24. Maps are
merged, lists are joined, a scalar is replaced; null never replaces anything. In a target's
override of a resource, items of the lists in ``KEYED_LISTS`` are merged by their key instead.
"""

from dataclasses import replace

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    items_of,
    map_of,
    node_at,
    text_of,
)

KEYED_LISTS = {
    ("jobs", "tasks"): "task_key",
    ("jobs", "job_clusters"): "job_cluster_key",
    ("jobs", "parameters"): "name",
    ("pipelines", "clusters"): "label",
}
OVERRIDABLE = ("bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets")


def merge(base: Node, override: Node, report: Report, path: YamlPath = ()) -> Node:
    """Return ``base`` with ``override`` laid over it."""
    if isinstance(override, UnknownNode) or _is_null(base):
        return override
    if isinstance(base, UnknownNode) or _is_null(override):
        return base
    if isinstance(base, MapNode) and isinstance(override, MapNode):
        return _merge_maps(base, override, report, path)
    if isinstance(base, ListNode) and isinstance(override, ListNode):
        return _merge_lists(base, override, report, path)
    if isinstance(base, ScalarNode) and isinstance(override, ScalarNode):
        return override
    report.error(
        f"cannot merge {_kind(override)} into {_kind(base)}",
        origin=override.origin,
        path=path,
        detail=f"the other value stands at {base.origin}",
    )
    return base


def _merge_maps(base: MapNode, override: MapNode, report: Report, path: YamlPath) -> MapNode:
    merged = base
    for key, node in override.entries.items():
        below = base.entries.get(key)
        if below is not None:
            node = merge(below, node, report, (*path, key))
            merged = merged.with_entry(key, node)
        else:
            merged = merged.with_entry(key, node, override.key_origin(key))
    return merged


def _merge_lists(base: ListNode, override: ListNode, report: Report, path: YamlPath) -> ListNode:
    key_field = _key_field(path)
    if key_field is None:
        return replace(base, items=(*base.items, *override.items))
    items = list(base.items)
    known = {text_of(map_of(item).get(key_field)): i for i, item in enumerate(items)}
    for item in override.items:
        key = text_of(map_of(item).get(key_field))
        if key is not None and key in known:
            place = known[key]
            items[place] = merge(items[place], item, report, (*path, place))
        else:
            items.append(item)
    return replace(base, items=tuple(items))


def _key_field(path: YamlPath) -> str | None:
    match path:
        case ("resources", str(kind), _, str(field)):
            return KEYED_LISTS.get((kind, field))
        case _:
            return None


def merge_target(root: MapNode, target_name: str, report: Report) -> MapNode:
    """Return the root with the overrides of one target applied."""
    target = map_of(node_at(root, ("targets", target_name)))
    for section in OVERRIDABLE:
        override = target.get(section)
        if override is None:
            continue
        base = root.get(section)
        merged = override if base is None else merge(base, override, report, (section,))
        root = root.with_entry(section, merged, target.key_origin(section))
    if (run_as := target.get("run_as")) is not None:
        root = root.with_entry("run_as", run_as, target.key_origin("run_as"))
    return root


def merge_documents(documents: list[MapNode], report: Report) -> MapNode:
    """Return the root document with every included one merged into it, in order.

    A resource key may stand only once in the whole bundle, whatever its kind.
    Source: bundle/config/validate/unique_resource_keys.go of databricks/cli, read 2026-11-24.
    """
    _report_doubled_keys(documents, report)
    root, *included = documents
    for document in included:
        root = _merge_maps(root, document, report, ())
    return root


def _report_doubled_keys(documents: list[MapNode], report: Report) -> None:
    places: dict[str, list[tuple[str, MapNode]]] = {}
    for document in documents:
        for kind, resources in map_of(document.get("resources")).entries.items():
            for key in map_of(resources).entries:
                places.setdefault(key, []).append((kind, map_of(resources)))
    for key, found in places.items():
        if len(found) > 1:
            names = ", ".join(sorted(f"{kind}.{key}" for kind, _ in found))
            kind, resources = max(
                found,
                key=lambda place: _sortable(place[1], key),
            )
            others = ", ".join(
                str(other.key_origin(key)) for _, other in found if other is not resources
            )
            report.error(
                f"resource key {key!r} is used twice: {names}",
                origin=resources.key_origin(key),
                path=("resources", kind, key),
                detail=f"also at {others}",
                hint="give one of them another key: `run KEY` names a job or a pipeline by it",
            )


def _sortable(resources: MapNode, key: str) -> tuple[str, int, int]:
    origin = resources.key_origin(key)
    return origin.path, origin.line or 0, origin.column or 0


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None


def _kind(node: Node) -> str:
    match node:
        case MapNode():
            return "a mapping"
        case ListNode():
            return "a list"
        case _:
            return "a single value"


def list_of_texts(node: Node | None) -> list[tuple[str, Node]]:
    """Return the strings of a list with their nodes."""
    return [(text, item) for item in items_of(node) if (text := text_of(item)) is not None]
