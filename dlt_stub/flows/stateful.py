"""What a streaming query keeps between micro-batches, in words that tell a changed query.

Spark compares the kind and the types of a query's state with its checkpoint, not its meaning: a
``sum`` that became a ``count``, or other columns to find duplicates by, would go on from state that
says something else.

Source: docs "Full refresh for streaming tables" (changes of stateful processing), 2026-11-24.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlt_stub.atomic import write_text
from dlt_stub.declare.records import Flow
from dlt_stub.engine.sql_tree import iterate
from dlt_stub.errors import GraphError
from dlt_stub.flows.progress import checkpoint_of, state_words_of

# Nodes that keep state, and the methods that give the expressions their state is made of.
_KEPT_BY = {
    "Aggregate": ("groupingExpressions", "aggregateExpressions"),
    "Deduplicate": ("keys",),
    "DeduplicateWithinWatermark": ("keys",),
    "Distinct": ("output",),
    "FlatMapGroupsInPandasWithState": ("groupingAttributes",),
    "FlatMapGroupsWithState": ("groupingAttributes",),
    "GlobalLimit": (),
    "Join": (),
    "TransformWithState": ("groupingAttributes",),
    "TransformWithStateInPySpark": ("leftAttributes",),
}


def state_words(plan: Any) -> tuple[str, ...]:  # a Py4J handle of Spark's LogicalPlan
    """Return what the streaming part of an analysed plan keeps, from its end to its sources."""
    return tuple(
        " ".join((str(node.nodeName()), *_expressions(node)))
        for node in streaming_nodes(plan)
        if node.nodeName() in _KEPT_BY
    )


def streaming_nodes(plan: Any) -> Iterator[Any]:  # Py4J, as above
    """Yield the nodes that see streams, a join with a table left out: it keeps no state."""
    if not plan.isStreaming():
        return
    children = plan.children()
    if (
        plan.nodeName() != "Join"
        or children.apply(0).isStreaming() == children.apply(1).isStreaming()
    ):
        yield plan
    for index in range(children.size()):
        yield from streaming_nodes(children.apply(index))


def check_state(flow: Flow, folder: Path, words: Sequence[str], way_out: str) -> None:
    """Return once the state in the checkpoint below ``folder`` is known to mean ``words``.

    ``way_out`` is the hint where it does not.

    Raises:
        GraphError: it was kept by a query that said something else.
    """
    file = state_words_of(folder)
    is_under_way = any((checkpoint_of(folder) / "commits").glob("[0-9]*"))
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if known == list(words):
        return
    if is_under_way and known is not None:
        before, after = "; ".join(known) or "nothing", "; ".join(words) or "nothing"
        raise GraphError(
            f"flow '{flow.name}' kept state for another query: {before}; its query now keeps "
            f"{after}",
            origin=flow.origin,
            hint=way_out,
        )
    write_text(file, json.dumps(list(words)))


def _expressions(node: Any) -> Iterator[str]:  # Py4J, as above
    kind = str(node.nodeName())
    if kind == "Join":
        condition = node.condition()
        yield str(node.joinType().sql())
        yield str(condition.get().sql()) if condition.isDefined() else ""
    elif kind == "GlobalLimit":
        yield str(node.limitExpr().sql())
    for method in _KEPT_BY[kind]:
        texts = []
        for expression in iterate(getattr(node, method)().iterator()):
            is_alias = expression.nodeName() == "Alias"
            texts.append(str((expression.child() if is_alias else expression).sql()))
        yield f"({', '.join(texts)})"
