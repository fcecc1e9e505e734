"""Turns the paths a bundle names into paths on this machine, and lists a pipeline's sources.

A relative path is relative to the YAML file that writes it. Source: translate_paths*.go and
expand_pipeline_glob_paths.go of databricks/cli, read 2026-11-24. What a library glob may look like
is said by databricks-sdk's ``PipelineLibrary.glob``: a file, or a folder that ends in ``/**``.
"""

import glob
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from databricks.sdk.service.pipelines import PipelineSpec

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    ListNode,
    MapNode,
    Node,
    items_of,
    map_at,
    map_of,
    scalar,
    text_of,
)
from dlt_stub.errors import BundleError, Origin, nearest
from dlt_stub.notebooks import is_notebook

EVERYTHING_BELOW = "/**"
SOURCE_SUFFIXES = frozenset({".py", ".sql", ".ipynb"})
_WILDCARDS = re.compile(r"[*?\[\]{}]")
_REMOTE = re.compile(r"^(?:/|[A-Za-z][A-Za-z0-9+.-]*:)")

_TASK_FILES = (
    ("spark_python_task", "python_file"),
    ("sql_task", "file", "path"),
)
_TASK_NOTEBOOKS = (("notebook_task", "notebook_path"),)
_TASK_FOLDERS = (("dbt_task", "project_directory"),)
_TASKS = (("jobs", "*", "tasks", "*"), ("jobs", "*", "tasks", "*", "for_each_task", "task"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRoots:
    """Where the bundle lies here and where its files would lie in a workspace."""

    root: Path
    sync_root: Path  # nothing outside it is deployed
    workspace_file_path: str

    def folder_of(self, origin: Origin) -> Path:
        """Return the folder of the file in which ``origin`` lies."""
        return (self.root / origin.path).parent


def find_sync_root(root: Path, config: MapNode) -> Path:
    """Return the folder that is deployed: the bundle's, or the one above it that ``sync`` names."""
    folders = [root]
    for item in items_of(map_of(config.get("sync")).get("paths")):
        text = text_of(item)
        if text is not None:
            folders.append(Path(os.path.normpath((root / item.origin.path).parent / text)))
    return Path(os.path.commonpath(folders))


def localize(resources: MapNode, roots: LocalRoots, report: Report) -> MapNode:
    """Return the resources with local paths made absolute; missing files are reported."""
    git_jobs = frozenset(
        key
        for key, job in map_of(resources.get("jobs")).entries.items()
        if map_of(job).get("git_source") is not None
    )
    at = _Locator(roots, git_jobs, report)
    changed: Node = map_at(resources, ("pipelines", "*", "libraries"), at.expand_libraries)
    steps: list[tuple[tuple[str, ...], Callable[[YamlPath, Node], Node]]] = [
        (("pipelines", "*", "libraries", "*", "notebook", "path"), at.notebook),
        (("pipelines", "*", "libraries", "*", "file", "path"), at.file),
        (("pipelines", "*", "libraries", "*", "glob", "include"), at.library_glob),
        (("pipelines", "*", "root_path"), at.folder),
        (("dashboards", "*", "file_path"), at.file),
    ]
    for task in _TASKS:
        steps += [((*task, *field), at.file) for field in _TASK_FILES]
        steps += [((*task, *field), at.notebook) for field in _TASK_NOTEBOOKS]
        steps += [((*task, *field), at.folder) for field in _TASK_FOLDERS]
    for pattern, change in steps:
        changed = map_at(changed, pattern, change)
    return map_of(changed)


class _Locator:
    """Finds one path after the other; each method is a change for ``map_at``."""

    def __init__(self, roots: LocalRoots, git_jobs: frozenset[str], report: Report) -> None:
        self._roots = roots
        self._git_jobs = git_jobs
        self._report = report

    def file(self, path: YamlPath, node: Node) -> Node:
        found = self._find(path, node)
        if found is None:
            return node
        local, text = found
        if not local.is_file():
            self._missing("file", text, local, path, node)
        elif is_notebook(local):
            self._error(f"{text!r} is a notebook, a plain file is expected", path, node)
        return scalar(str(local), node.origin)

    def notebook(self, path: YamlPath, node: Node) -> Node:
        found = self._find(path, node)
        if found is None:
            return node
        local, text = found
        if not local.is_file():
            self._missing("notebook", text, local, path, node)
        elif not is_notebook(local):
            self._error(
                f"{text!r} is a plain file, a notebook is expected",
                path,
                node,
                hint="a notebook's first line is `# Databricks notebook source`",
            )
        return scalar(str(local), node.origin)

    def folder(self, path: YamlPath, node: Node) -> Node:
        found = self._find(path, node)
        if found is None:
            return node
        local, text = found
        if not local.is_dir():
            self._missing("folder", text, local, path, node)
        return scalar(str(local), node.origin)

    def library_glob(self, path: YamlPath, node: Node) -> Node:
        text = text_of(node) or ""
        is_folder = text == "**" or text.endswith(EVERYTHING_BELOW)
        base = (text.removesuffix("**").rstrip("/") or ".") if is_folder else text
        if _WILDCARDS.search(base):
            self._refuse_form(text, path, node)
            return node
        found = self._find(path, scalar(base, node.origin))
        if found is None:
            return node
        local = found[0]
        if is_folder:
            for link in _links(local):
                self._report.warning(
                    f"{os.path.relpath(link, self._roots.root)!r} is a symbolic link, which is not "
                    "deployed: it is left out",
                    origin=node.origin,
                    path=("resources", *path),
                )
            if not sources_below(local):
                self._no_match(text, local, path, node)
            return scalar(f"{local}{EVERYTHING_BELOW}", node.origin)
        if local.is_dir():
            self._refuse_form(text, path, node)
        elif not local.is_file():
            self._no_match(text, local, path, node)
        return scalar(str(local), node.origin)

    def expand_libraries(self, _path: YamlPath, node: Node) -> Node:
        """Expand ``file`` and ``notebook`` libraries written as a glob, as the CLI does."""
        if not isinstance(node, ListNode):
            return node
        return replace(node, items=tuple(e for item in node.items for e in self._expanded(item)))

    def _expanded(self, library: Node) -> list[Node]:
        for kind in ("notebook", "file"):
            section = map_of(map_of(library).get(kind))
            node = section.get("path")
            text = text_of(node)
            if node is None or text is None or not _WILDCARDS.search(text) or _REMOTE.match(text):
                continue
            folder = self._roots.folder_of(node.origin)
            matches = glob_like_go(text, folder)
            if matches:
                return [
                    map_of(library).with_entry(
                        kind, section.with_entry("path", scalar(match, node.origin))
                    )
                    for match in matches
                ]
        return [library]

    def _find(self, path: YamlPath, node: Node) -> tuple[Path, str] | None:
        """Return the absolute local path of ``node`` and what it says; None if it is not local."""
        text = text_of(node)
        if text is None or (path and self._is_from_git(path)):
            return None
        deployed = self._roots.workspace_file_path
        if text == deployed or text.startswith(f"{deployed}/"):
            local = self._roots.sync_root / text[len(deployed) :].lstrip("/")
        elif _REMOTE.match(text):
            self._report.warning(
                f"{text!r} is a path in a workspace: there is nothing to run here",
                origin=node.origin,
                path=("resources", *path),
            )
            return None
        else:
            local = self._roots.folder_of(node.origin) / text
        local = Path(os.path.normpath(local))
        if not local.is_relative_to(self._roots.sync_root):
            self._error(f"{text!r} lies outside the bundle and is not deployed", path, node)
            return None
        root = self._roots.sync_root
        if local.resolve() != root.resolve() / local.relative_to(root):
            self._error(
                f"{text!r} leads over a symbolic link, which is not deployed",
                path,
                node,
                hint="put the file itself into the bundle",
            )
            return None
        return local, text

    def _is_from_git(self, path: YamlPath) -> bool:
        return path[0] == "jobs" and path[1] in self._git_jobs

    def _missing(self, kind: str, text: str, local: Path, path: YamlPath, node: Node) -> None:
        siblings = local.parent.iterdir() if local.parent.is_dir() else ()
        near = nearest(local.name, [sibling.name for sibling in siblings])
        self._error(
            f"{kind} {text!r} does not exist",
            path,
            node,
            hint=f"did you mean {text.removesuffix(local.name)}{near}?" if near else None,
        )

    def _no_match(self, text: str, local: Path, path: YamlPath, node: Node) -> None:
        suffixes = ", ".join(sorted(SOURCE_SUFFIXES))
        hint = f"a pipeline's source files end in {suffixes}"
        if not local.exists():
            hint = f"there is no {os.path.relpath(local, self._roots.root)!r} in the bundle"
        self._error(f"glob {text!r} matches no source file", path, node, hint=hint)

    def _refuse_form(self, text: str, path: YamlPath, node: Node) -> None:
        self._error(
            f"glob {text!r} has a form Databricks rejects",
            path,
            node,
            hint="name a file, or a folder followed by /**",
        )

    def _error(self, summary: str, path: YamlPath, node: Node, hint: str | None = None) -> None:
        self._report.error(summary, origin=node.origin, path=("resources", *path), hint=hint)


def glob_like_go(pattern: str, folder: Path) -> list[str]:
    """Return what ``pattern`` matches in ``folder``, sorted, by the rules of Go's ``Glob``.

    ``**`` is one level, as ``*`` is, and a leading dot is nothing special.
    """
    found = glob.glob(pattern, root_dir=folder, include_hidden=True)  # noqa: PTH207  # Path.glob takes ** as any depth
    return sorted(found)


def sources_below(folder: Path) -> tuple[Path, ...]:
    """Return the source files in ``folder`` and below, sorted; hidden folders are left out.

    So are symbolic links: the Databricks CLI uploads none (libs/fileset, read 2026-11-24). Which
    suffixes count, and that hidden folders and ``__pycache__`` do not, is assumed.
    """
    return tuple(
        sorted(
            file
            for file in folder.rglob("*")
            if file.suffix in SOURCE_SUFFIXES
            and file.is_file()
            and not file.is_symlink()
            and not any(
                part.startswith(".") or part == "__pycache__"
                for part in file.relative_to(folder).parts
            )
        )
    )


def _links(folder: Path) -> list[Path]:
    found = (each for each in folder.rglob("*") if each.is_symlink())
    return sorted(each for each in found if each.suffix in SOURCE_SUFFIXES or each.is_dir())


def pipeline_source_files(spec: PipelineSpec) -> tuple[Path, ...]:
    """Return the files that define the pipeline, sorted, each once.

    ``spec`` is one of ``Bundle.pipelines``: its library paths are absolute.

    Raises:
        BundleError: the libraries name no local file (they are jars, or paths in a workspace).
    """
    files: set[Path] = set()
    for library in spec.libraries or []:
        if library.glob and library.glob.include:
            include = library.glob.include
            folder = include.removesuffix(EVERYTHING_BELOW)
            files.update(sources_below(Path(folder)) if folder != include else [Path(include)])
        for single in (library.file, library.notebook):
            if single and single.path:
                files.add(Path(single.path))
    if not files:
        raise BundleError(
            f"pipeline {spec.name!r} has no source file on this machine",
            hint="name files of the bundle in its libraries",
        )
    return tuple(sorted(files))
