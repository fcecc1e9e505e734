"""The six ``expect`` decorators: rules that stand on a dataset until it is declared."""

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import Column

from dlt_stub.declare.columns import as_sql
from dlt_stub.declare.queries import DATASET, called, wrapped
from dlt_stub.declare.records import Action, Expectation, Query
from dlt_stub.declare.registry import active_registry, joined, user_origin
from dlt_stub.errors import Origin

_PENDING = "__dlt_expectations"
Rules = Mapping[str, str | Column]
Decorator = Callable[[Query], Query]


def expect(name: str, inv: str | Column) -> Decorator:
    """Count the rows that do not meet ``inv`` and keep them."""
    return _expect({name: inv}, Action.WARN)


def expect_or_drop(name: str, inv: str | Column) -> Decorator:
    """Drop the rows that do not meet ``inv`` and count them."""
    return _expect({name: inv}, Action.DROP)


def expect_or_fail(name: str, inv: str | Column) -> Decorator:
    """Fail the flow, committing nothing, when a row does not meet ``inv``."""
    return _expect({name: inv}, Action.FAIL)


def expect_all(expectations: Rules) -> Decorator:
    """Count the rows that do not meet each rule and keep them."""
    return _expect(expectations, Action.WARN)


def expect_all_or_drop(expectations: Rules) -> Decorator:
    """Drop the rows that do not meet every rule, counting each rule."""
    return _expect(expectations, Action.DROP)


def expect_all_or_fail(expectations: Rules) -> Decorator:
    """Fail the flow, committing nothing, when a row does not meet every rule."""
    return _expect(expectations, Action.FAIL)


def pending(query: Any) -> tuple[Expectation, ...]:  # whatever a decorator was put on
    """Return the rules that stand on ``query`` and belong to no dataset yet."""
    found: tuple[Expectation, ...] = getattr(query, _PENDING, ())
    return found


def expectations_of(rules: Rules, action: Action, origin: Origin) -> tuple[Expectation, ...]:
    """Return ``rules`` as records."""
    return tuple(
        Expectation(name=name, constraint=as_sql(inv), action=action, origin=origin)
        for name, inv in rules.items()
    )


def _expect(rules: Rules, action: Action) -> Decorator:
    origin = user_origin()
    expectations = expectations_of(rules, action, origin)

    def attach(query: Query) -> Query:
        called(query, "expect", origin)
        dataset = getattr(query, DATASET, None)
        if dataset is not None:
            active_registry("expect").add_expectations(dataset, expectations)
            return query
        marked = wrapped(query)
        name = str(getattr(query, "__name__", query))
        setattr(marked, _PENDING, joined(expectations, pending(query), name))
        return marked

    return attach
