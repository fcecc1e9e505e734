"""What a workspace refuses in a job, though the CLI lets it pass.

Source: databricks-sdk's docstrings of ``jobs`` and the pages on file-arrival triggers and task
dependencies, checked 2026-11-24; a rule with no page says "assumed".
"""

import re
from collections.abc import Iterable, Mapping

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.yaml_nodes import (
    MapNode,
    Node,
    ScalarNode,
    UnknownNode,
    items_of,
    map_of,
    node_at,
    text_of,
)
from dlt_stub.errors import Origin, nearest

LEAST_INTERVAL_SECONDS = 60
_INTERVALS = ("min_time_between_triggers_seconds", "wait_after_last_change_seconds")
_TRIGGERS = ("trigger", "schedule", "continuous")
_TRIGGER_KINDS = ("file_arrival", "periodic", "table_update", "model")
_VOLUME_URL = re.compile(r"^/Volumes/[^/]+/[^/]+/[^/]+(?:/|$)")
_CLOUD_URL = re.compile(r"^(?:s3|gs|abfss|r2)://[^/]+")
_WILDCARD = re.compile(r"[*?\[\]{}]")
_COMPUTE = ("environment_key", "new_cluster", "existing_cluster_id", "job_cluster_key")


class JobChecker:
    """Checks one job; ``ids`` are those of the bundle's resources by kind."""

    def __init__(
        self, key: str, job: MapNode, ids: Mapping[str, Iterable[str]], report: Report
    ) -> None:
        self._job = job
        self._ids = ids
        self._report = report
        self._path: YamlPath = ("resources", "jobs", key)

    def check(self) -> None:
        """Report everything a workspace would refuse."""
        self._check_triggers()
        self._check_file_arrival()
        tasks = self._tasks()
        self._check_task_keys(tasks)
        for path, task in tasks:
            self._check_kind(task, path)
            self._check_compute(task, path)
            self._check_targets(task, path)
        self._check_dependencies(tasks)

    def _tasks(self) -> list[tuple[YamlPath, MapNode]]:
        items = items_of(self._job.get("tasks"))
        tasks = [
            ((*self._path, "tasks", place), item)
            for place, item in enumerate(items)
            if isinstance(item, MapNode)
        ]
        if not items and not isinstance(self._job.get("tasks"), UnknownNode):
            self._report.error(
                f"job {self._path[-1]!r} has no tasks", origin=self._job.origin, path=self._path
            )
        return tasks

    def _check_triggers(self) -> None:
        given = [name for name in _TRIGGERS if self._job.get(name) is not None]
        if len(given) > 1:
            self._report.error(
                "a job has only one of trigger, schedule and continuous: found "
                + " and ".join(given),
                origin=map_of(self._job.get(given[1])).origin,
                path=(*self._path, given[1]),
            )
        trigger = self._job.get("trigger")
        if isinstance(trigger, MapNode):
            kinds = [name for name in _TRIGGER_KINDS if trigger.get(name) is not None]
            if len(kinds) != 1:
                self._report.error(
                    f"a trigger has exactly one of {', '.join(_TRIGGER_KINDS)}: found "
                    + (" and ".join(kinds) or "none"),
                    origin=trigger.origin,
                    path=(*self._path, "trigger"),
                )

    def _check_file_arrival(self) -> None:
        arrival = map_of(node_at(self._job, ("trigger", "file_arrival")))
        path = (*self._path, "trigger", "file_arrival")
        for name in _INTERVALS:
            node = arrival.get(name)
            seconds = node.value if isinstance(node, ScalarNode) else None
            if node and isinstance(seconds, int) and 0 != seconds < LEAST_INTERVAL_SECONDS:
                self._report.error(
                    f"{name} is {seconds}, the least is {LEAST_INTERVAL_SECONDS}",
                    origin=node.origin,
                    path=(*path, name),
                )
        url_node = arrival.get("url")
        url = text_of(url_node)
        if url_node is None or url is None:
            return
        if not (_VOLUME_URL.match(url) or _CLOUD_URL.match(url)):
            said = f"file_arrival url {url!r} is neither a volume path nor a cloud URL"
            hint = "write /Volumes/<catalog>/<schema>/<volume>/... or an external location's URL"
        elif _WILDCARD.search(url):
            said = f"file_arrival url {url!r} holds a wildcard"
            hint = "name a folder: everything below it is watched"
        else:
            return
        self._report.error(said, origin=url_node.origin, path=(*path, "url"), hint=hint)

    def _check_task_keys(self, tasks: list[tuple[YamlPath, MapNode]]) -> None:
        seen: set[str] = set()
        for path, task in tasks:
            key = text_of(task.get("task_key"))
            if key is None:
                continue
            if key in seen:
                self._report.error(
                    f"task_key {key!r} is used twice",
                    origin=_origin_of(task, "task_key"),
                    path=(*path, "task_key"),
                )
            seen.add(key)

    def _check_kind(self, task: MapNode, path: YamlPath) -> None:
        name = text_of(task.get("task_key"))
        kinds = [key for key in task.entries if key.endswith("_task") and task.get(key)]
        if not kinds:
            self._report.error(f"task {name!r} has no task to run", origin=task.origin, path=path)
        elif len(kinds) > 1:
            listed = ", ".join(sorted(kinds))
            self._report.error(
                f"task {name!r} has several kinds of task: {listed}", origin=task.origin, path=path
            )
        inner = node_at(task, ("for_each_task", "task"))
        if isinstance(inner, MapNode):
            inner_path = (*path, "for_each_task", "task")
            self._check_kind(inner, inner_path)
            self._check_compute(inner, inner_path)
            self._check_targets(inner, inner_path)

    def _check_compute(self, task: MapNode, path: YamlPath) -> None:
        for field, section in (
            ("environment_key", "environments"),
            ("job_cluster_key", "job_clusters"),
        ):
            node = task.get(field)
            key = text_of(node)
            declared = [
                text
                for item in items_of(self._job.get(section))
                if (text := text_of(map_of(item).get(field))) is not None
            ]
            if node is not None and key is not None and key not in declared:
                near = nearest(key, declared)
                self._report.error(
                    f"{field} {key!r} is not defined in this job's {section}",
                    origin=node.origin,
                    path=(*path, field),
                    hint=f"did you mean {near!r}?" if near else None,
                )
        script = task.get("spark_python_task")
        if isinstance(script, MapNode) and not any(task.get(field) for field in _COMPUTE):
            self._report.error(
                f"task {text_of(task.get('task_key'))!r} has neither environment_key nor a cluster",
                origin=task.origin,
                path=path,
                hint="a Python script on serverless compute needs an environment_key",
            )

    def _check_targets(self, task: MapNode, path: YamlPath) -> None:
        for kind, task_kind, field in (
            ("pipelines", "pipeline_task", "pipeline_id"),
            ("jobs", "run_job_task", "job_id"),
        ):
            node = node_at(task, (task_kind, field))
            if not isinstance(node, ScalarNode) or node.value is None:
                continue
            if str(node.value) not in self._ids.get(kind, ()):
                noun = kind.removesuffix("s")
                self._report.error(
                    f"{field} {str(node.value)!r} is no {noun} of this bundle",
                    origin=node.origin,
                    path=(*path, task_kind, field),
                    hint=f"refer to it as ${{resources.{kind}.<key>.id}}",
                )

    def _check_dependencies(self, tasks: list[tuple[YamlPath, MapNode]]) -> None:
        by_key = {text_of(task.get("task_key")): task for _, task in tasks}
        edges: dict[str, list[str]] = {}
        for path, task in tasks:
            name = text_of(task.get("task_key"))
            for place, item in enumerate(items_of(task.get("depends_on"))):
                node = map_of(item).get("task_key")
                wanted = text_of(node)
                if node is None or wanted is None or name is None:
                    continue
                where = (*path, "depends_on", place)
                if self._is_sound(name, wanted, node, by_key, where):
                    edges.setdefault(name, []).append(wanted)
                    self._check_outcome(map_of(item), by_key[wanted], where)
        cycle = find_cycle(edges)
        if cycle:
            self._report.error(
                f"tasks depend on each other in a cycle: {' -> '.join(cycle)}",
                origin=_origin_of(by_key[cycle[0]], "task_key"),
                path=(*self._path, "tasks"),
            )

    def _is_sound(
        self,
        name: str,
        wanted: str,
        node: Node,
        by_key: Mapping[str | None, MapNode],
        path: YamlPath,
    ) -> bool:
        if wanted == name:
            said, hint = f"task {name!r} depends on itself", None
        elif wanted not in by_key:
            near = nearest(wanted, [key for key in by_key if key])
            said = f"task {name!r} depends on unknown task {wanted!r}"
            hint = f"did you mean {near!r}?" if near else None
        else:
            return True
        self._report.error(said, origin=node.origin, path=path, hint=hint)
        return False

    def _check_outcome(self, dependency: MapNode, upstream: MapNode, path: YamlPath) -> None:
        outcome = dependency.get("outcome")
        if outcome is not None and upstream.get("condition_task") is None:
            self._report.error(
                "only a condition task has an outcome to depend on",
                origin=outcome.origin,
                path=(*path, "outcome"),
            )


def find_cycle(edges: Mapping[str, list[str]]) -> list[str] | None:
    """Return the first cycle, its first name repeated at its end, or None."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str] | None:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return None
        for below in edges.get(name, []):
            if found := visit(below, [*trail, name]):
                return found
        done.add(name)
        return None

    for name in edges:
        if found := visit(name, []):
            return found
    return None


def _origin_of(task: MapNode, field: str) -> Origin:
    node = task.get(field)
    return node.origin if node is not None else task.origin
