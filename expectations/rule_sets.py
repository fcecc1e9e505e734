"""Rules kept apart from the pipelines that use them: in a table, in a YAML file, chosen by tag.

A row (or YAML entry) has a ``name``, a ``constraint`` and, if wanted, a ``tag`` (or a list of
``tags``), a ``severity`` (``warn`` unless said), ``needs`` and a ``reason``.

Source: docs "Expectation recommendations and advanced patterns", portable and reusable
expectations, 2026-11-24.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from expectations.rules import Rule, RuleError, Severity

_FIELDS = ("name", "constraint", "tag", "tags", "severity", "needs", "reason")


def rules_from_table(spark: SparkSession, table: str) -> tuple[Rule, ...]:
    """Return the rules of a table, by name.

    It is read when the definitions are: a changed rule counts from the next update on.

    Raises:
        RuleError: a row is no rule.
    """
    rows = [row.asDict() for row in spark.read.table(table).collect()]
    return rules_from_rows(sorted(rows, key=lambda row: str(row.get("name"))), origin=table)


def rules_from_yaml(file: str | Path) -> tuple[Rule, ...]:
    """Return the rules of a YAML file, in order: a list of entries.

    Assumed: the compute that runs the pipeline has PyYAML; where it has not, name it among the
    dependencies of the pipeline's environment.

    Raises:
        RuleError: an entry is no rule.
    """
    import yaml  # here: who keeps rules elsewhere needs no PyYAML

    entries = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise RuleError(f"{file} holds no list of rules")
    return rules_from_rows(entries, origin=str(file))


def rules_from_rows(rows: Iterable[Mapping[str, Any]], *, origin: str) -> tuple[Rule, ...]:
    """Return the rules that rows tell, in order; ``origin`` says in errors where they stand.

    Raises:
        RuleError: a row lacks its name or constraint, or has a field that no rule has.
    """
    return tuple(_rule(row, origin) for row in rows)


def tagged(rules: Iterable[Rule], *tags: str) -> tuple[Rule, ...]:
    """Return the rules that have one of ``tags``, in order.

    Raises:
        RuleError: there are none: a misspelt tag would let every row through.
    """
    known = tuple(rules)
    chosen = tuple(rule for rule in known if set(tags) & set(rule.tags))
    if not chosen:
        there = ", ".join(sorted({tag for rule in known for tag in rule.tags})) or "none"
        raise RuleError(f"no rule has the tag {' or '.join(map(repr, tags))}; there are: {there}")
    return chosen


def _rule(row: Mapping[str, Any], origin: str) -> Rule:
    if not isinstance(row, Mapping) or not row.get("name") or not row.get("constraint"):
        raise RuleError(f"{origin} has a rule without name or constraint: {row!r}")
    unknown = [str(field) for field in row if field not in _FIELDS]
    if unknown:
        raise RuleError(
            f"rule {row['name']} of {origin} has {unknown[0]!r}; allowed: {', '.join(_FIELDS)}"
        )
    return Rule(
        name=str(row["name"]),
        constraint=str(row["constraint"]),
        severity=str(row.get("severity") or Severity.WARN).lower(),
        needs=_texts(row.get("needs")),
        reason=str(row.get("reason") or ""),
        tags=(*_texts(row.get("tag")), *_texts(row.get("tags"))),
    )


def _texts(value: Any) -> tuple[str, ...]:  # a text, a list of texts, or nothing
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))
