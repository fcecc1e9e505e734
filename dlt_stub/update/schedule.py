"""Runs the flows of a graph, each after the tables it reads, independent ones side by side."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from dlt_stub import stopping
from dlt_stub.declare.records import Flow
from dlt_stub.errors import RefusedFilesError
from dlt_stub.events import FlowStatus
from dlt_stub.graph import Graph, ResolvedFlow
from dlt_stub.update.records import FlowResult

SIDE_BY_SIDE = 3  # flows; each keeps a driver thread busy, and laptops have few cores
LAST_SECONDS = 2.0  # for flows that are cut off: one that goes on longer ends with the process
_LOOK_SECONDS = 0.5  # how soon a demand to stop is noticed

RunOne = Callable[[ResolvedFlow], FlowResult]
SkipOne = Callable[[ResolvedFlow, str], FlowResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    flow: ResolvedFlow
    needs: frozenset[str]  # tables that must be complete
    after: frozenset[str]  # flows that must have ended, however


def run_flows(
    graph: Graph, *, selected: Callable[[Flow], bool], run: RunOne, skip: SkipOne
) -> Mapping[str, FlowResult]:
    """Return the result of every selected flow, by name.

    A flow whose upstream failed is skipped, and told of the flow that failed first; flows that do
    not depend on it go on. Files that were refused hold nobody up: what their flow has committed is
    all there is to read. A flow that reads the pipeline's own event log runs when all others have
    ended, so that it sees their counts (Databricks leaves that order open).

    Raises:
        Stopped: that was wished; the flows under way have ended, or are left to end with the
            process where even cutting them off did not help.
    """
    waiting = _nodes(graph, selected)
    by_target: dict[str, set[str]] = {}
    for node in waiting.values():
        by_target.setdefault(node.flow.flow.target, set()).add(node.flow.flow.name)
    results: dict[str, FlowResult] = {}
    running: dict[Future[FlowResult], str] = {}
    pool = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="flow")
    try:
        while waiting or running:
            if stopping.is_wished():
                raise stopping.stopped()
            before = len(waiting)
            for name, node in list(waiting.items()):
                upstream = {flow for table in node.needs for flow in by_target.get(table, ())}
                if not (upstream | node.after) <= results.keys():
                    continue
                del waiting[name]
                failed = sorted(f for f in upstream if not _is_complete(results[f]))
                if failed:
                    root = results[failed[0]].skipped_for or failed[0]
                    results[name] = skip(node.flow, root)
                else:
                    running[pool.submit(run, node.flow)] = name
            assert running or len(waiting) < before, f"flows wait for each other: {list(waiting)}"
            if running:
                done, _ = wait(running, _LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    results[running.pop(future)] = future.result()
    except BaseException:
        stopping.end()
        _wait_for_last(running)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return results


def _is_complete(result: FlowResult) -> bool:
    return result.status is FlowStatus.COMPLETED or isinstance(result.error, RefusedFilesError)


def _wait_for_last(running: Collection[Future[FlowResult]]) -> None:
    """Return when no flow runs any more, or when one does not even end by being cut off."""
    while wait(running, _LOOK_SECONDS).not_done and not stopping.is_demanded():
        pass
    wait(running, LAST_SECONDS)


def _nodes(graph: Graph, selected: Callable[[Flow], bool]) -> dict[str, _Node]:
    flows = [flow for dataset in graph.tables for flow in dataset.flows if selected(flow.flow)]
    needs = {flow.flow.name: graph.tables_read_by(flow) - {flow.flow.target} for flow in flows}
    logged = {flow.flow.name for flow in flows if _reads_event_log(flow, graph)}
    # What is made from an event-log reader cannot be waited for by it. A table comes after those
    # it reads, so one pass finds them all.
    late, late_tables = (
        set(logged),
        {flow.flow.target for flow in flows if flow.flow.name in logged},
    )
    for flow in flows:
        if needs[flow.flow.name] & late_tables:
            late.add(flow.flow.name)
            late_tables.add(flow.flow.target)
    plain = frozenset(needs) - late
    return {
        flow.flow.name: _Node(
            flow=flow,
            needs=needs[flow.flow.name],
            after=plain if flow.flow.name in logged else frozenset(),
        )
        for flow in flows
    }


def _reads_event_log(flow: ResolvedFlow, graph: Graph) -> bool:
    if flow.analysis.reads_event_log:
        return True
    return any(
        _reads_event_log(each, graph)
        for name in flow.analysis.inputs
        if graph.datasets[name].is_view
        for each in graph.datasets[name].flows
    )
