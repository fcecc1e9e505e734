"""What a workspace refuses in pipelines, volumes and dashboards, though the CLI lets it pass.

Source: databricks-sdk's docstrings of ``pipelines``, ``catalog`` and ``dashboards``, checked
2026-11-24.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.job_checks import JobChecker
from dlt_stub.bundle.yaml_nodes import (
    MapNode,
    ScalarNode,
    UnknownNode,
    items_of,
    map_of,
    text_of,
)

_LIBRARY_KINDS = ("glob", "file", "notebook", "jar", "maven", "whl")
_LOCATION = re.compile(r"^(?:s3|gs|abfss|r2)://[^/]+")
_NOT_IN_NAMES = re.compile(r"[./\s\x00-\x1f\x7f]")


def check_resources_hold(
    resources: MapNode, ids: Mapping[tuple[str, str], str], report: Report
) -> None:
    """Report everything a workspace would refuse."""
    by_kind: dict[str, set[str]] = {}
    for (kind, _), resource_id in ids.items():
        by_kind.setdefault(kind, set()).add(resource_id)
    for key, node in _each(resources, "jobs"):
        JobChecker(key, node, by_kind, report).check()
    for key, node in _each(resources, "pipelines"):
        _check_pipeline(key, node, report)
    for key, node in _each(resources, "schemas"):
        _check_names(("resources", "schemas", key), node, ("catalog_name", "name"), report)
    for key, node in _each(resources, "volumes"):
        _check_volume(key, node, report)
    for key, node in _each(resources, "dashboards"):
        _check_dashboard(key, node, report)


def _each(resources: MapNode, kind: str) -> list[tuple[str, MapNode]]:
    entries = map_of(resources.get(kind)).entries
    return [(key, node) for key, node in entries.items() if isinstance(node, MapNode)]


def _check_pipeline(key: str, pipeline: MapNode, report: Report) -> None:
    path: YamlPath = ("resources", "pipelines", key)
    _check_names(path, pipeline, ("catalog", "schema", "target"), report)
    if pipeline.get("catalog") is None:
        report.error(f"pipeline {key!r} has no catalog", origin=pipeline.origin, path=path)
    has_schema = [name for name in ("schema", "target") if pipeline.get(name) is not None]
    if not has_schema:
        report.error(f"pipeline {key!r} has no schema", origin=pipeline.origin, path=path)
    elif len(has_schema) > 1:
        report.error(
            f"pipeline {key!r} has both schema and target",
            origin=pipeline.key_origin("target"),
            path=(*path, "target"),
            hint="target is the old name of schema: keep schema",
        )
    serverless = pipeline.get("serverless")
    if (
        isinstance(serverless, ScalarNode)
        and serverless.value is True
        and items_of(pipeline.get("clusters"))
    ):
        report.error(
            f"pipeline {key!r} is serverless and has clusters",
            origin=pipeline.key_origin("clusters"),
            path=(*path, "clusters"),
        )
    _check_libraries(key, pipeline, path, report)


def _check_libraries(key: str, pipeline: MapNode, path: YamlPath, report: Report) -> None:
    if pipeline.get("ingestion_definition") or pipeline.get("gateway_definition"):
        return
    libraries = pipeline.get("libraries")
    if isinstance(libraries, UnknownNode):
        return
    if not items_of(libraries):
        report.error(
            f"pipeline {key!r} has no libraries",
            origin=libraries.origin if libraries else pipeline.origin,
            path=(*path, "libraries"),
            hint="name its source files: libraries: [{glob: {include: ../pipelines/x/**}}]",
        )
    for place, item in enumerate(items_of(libraries)):
        library = map_of(item)
        kinds = [kind for kind in _LIBRARY_KINDS if library.get(kind) is not None]
        if len(kinds) != 1 and isinstance(item, MapNode):
            report.error(
                f"a library is exactly one of {', '.join(_LIBRARY_KINDS)}: found "
                + (" and ".join(kinds) or "none"),
                origin=item.origin,
                path=(*path, "libraries", place),
            )
        for kind, field in (("glob", "include"), ("file", "path"), ("notebook", "path")):
            section = library.get(kind)
            if isinstance(section, MapNode) and section.get(field) is None:
                report.error(
                    f"required field {field!r} is missing",
                    origin=section.origin,
                    path=(*path, "libraries", place, kind),
                )


def _check_volume(key: str, volume: MapNode, report: Report) -> None:
    path: YamlPath = ("resources", "volumes", key)
    _check_names(path, volume, ("catalog_name", "schema_name", "name"), report)
    kind, location = text_of(volume.get("volume_type")), volume.get("storage_location")
    if kind == "EXTERNAL" and location is None:
        report.error(
            f"volume {key!r} is EXTERNAL and has no storage_location",
            origin=volume.key_origin("volume_type"),
            path=path,
            hint="give it a folder of an external location, such as gs://bucket/folder",
        )
    if kind == "MANAGED" and location is not None:
        report.error(
            f"volume {key!r} is MANAGED and has a storage_location",
            origin=location.origin,
            path=(*path, "storage_location"),
            hint="leave it out, or set volume_type: EXTERNAL",
        )
    url = text_of(location)
    if kind == "EXTERNAL" and location and url is not None and not _LOCATION.match(url):
        report.error(
            f"storage_location {url!r} is no cloud URL",
            origin=location.origin,
            path=(*path, "storage_location"),
            hint="it begins with gs://, s3://, abfss:// or r2://",
        )


def _check_dashboard(key: str, dashboard: MapNode, report: Report) -> None:
    path: YamlPath = ("resources", "dashboards", key)
    file_node, inline = dashboard.get("file_path"), dashboard.get("serialized_dashboard")
    if (file_node is None) == (inline is None):
        report.error(
            f"dashboard {key!r} needs either file_path or serialized_dashboard",
            origin=dashboard.origin,
            path=path,
        )
    file = text_of(file_node)
    if file_node is not None and file is not None and Path(file).is_file():
        try:
            json.loads(Path(file).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            report.error(
                f"the dashboard's file is not valid JSON: {error}",
                origin=file_node.origin,
                path=(*path, "file_path"),
            )


def _check_names(
    path: YamlPath, resource: MapNode, fields: tuple[str, ...], report: Report
) -> None:
    """Names in Unity Catalog hold no dot, space, slash or control character."""
    for field in fields:
        node = resource.get(field)
        name = text_of(node)
        if node is not None and name is not None and (not name or _NOT_IN_NAMES.search(name)):
            report.error(
                f"{field} {name!r} cannot be a name in Unity Catalog",
                origin=node.origin,
                path=(*path, field),
                hint="a name is not empty and holds no dot, slash, space or control character",
            )
