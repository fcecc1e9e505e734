"""How rules are checked, fitted to a feed and turned into SQL.

A rule that comes out NULL counts as failed. Databricks does not document what a NULL expectation
does, so every constraint is wrapped in ``coalesce(..., false)`` and means the same everywhere.

The way out of a ``fail`` rule: such a rule acts between stage and target, so the stage has the row,
``orders_quarantine`` has it too, and only the flow into ``orders_target`` stops, at the same row on
every run. Change the rule's severity to ``drop``, deploy, run again: the flow goes on where it
stopped and leaves that row in quarantine. Deliver the corrected row; then the rule may be ``fail``
again. Nothing is lost and nothing needs a full refresh.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")  # leaves {3} of a regular expression alone
_HINT = re.compile(r"(?:`(?P<quoted>[^`]+)`|(?P<plain>[^\s`.:]+))(?:\.\S+)?\s*:?\s+\S.*")
_OPENING, _CLOSING = "(<", ")>"


class Severity(StrEnum):
    """What happens to a row that breaks a rule."""

    WARN = "warn"  # kept, counted
    DROP = "drop"  # kept out of the target, held in quarantine
    FAIL = "fail"  # stops the flow into the target, see the module's text


class RuleError(ValueError):
    """Raised when a rule is wrong; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A named SQL condition that good rows meet.

    ``{key}`` and ``{sequence}`` in ``constraint`` and ``needs`` stand for the feed's key and
    sequence columns. ``needs`` are the columns the constraint reads; ``tags`` group rules.
    """

    name: str
    constraint: str
    severity: Severity | str
    needs: tuple[str, ...]
    reason: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRules:
    """The rules a feed can be held to, in order, and those its columns do not allow."""

    rules: tuple[Rule, ...]
    left_out: tuple[Rule, ...]

    def constraints(self, *severities: Severity) -> dict[str, str]:
        """Return name -> SQL that is never NULL, for the rules of these severities."""
        return constraints(self.rules, *severities)

    def notes(self) -> list[str]:
        """Return one sentence for each rule that was left out."""
        return [
            f"rule {rule.name} is left out: the feed does not promise {', '.join(rule.needs)}"
            for rule in self.left_out
        ]


def fit_rules(
    rules: Iterable[Rule], *, key: str, sequence: str, columns: Sequence[str]
) -> FittedRules:
    """Return the rules with their placeholders filled in, split by whether the feed allows them.

    Raises:
        RuleError: a name is used twice, a severity or placeholder does not exist.
    """
    names = {"key": key, "sequence": sequence}
    known = {column.lower() for column in columns}
    kept: list[Rule] = []
    left_out: list[Rule] = []
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            raise RuleError(f"rule {rule.name} is defined twice; rule names are unique")
        seen.add(rule.name)
        fitted = _fill_in(rule, names)
        has_all = all(column.lower() in known for column in fitted.needs)
        (kept if has_all else left_out).append(fitted)
    return FittedRules(rules=tuple(kept), left_out=tuple(left_out))


def constraints(rules: Iterable[Rule], *severities: Severity) -> dict[str, str]:
    """Return name -> SQL that is never NULL, for the rules of these severities (of all, for none).

    Raises:
        RuleError: a name is used twice.
    """
    chosen = [rule for rule in rules if not severities or rule.severity in severities]
    names = [rule.name for rule in chosen]
    for name in names:
        if names.count(name) > 1:
            raise RuleError(f"rule {name} is defined twice; rule names are unique")
    return {rule.name: f"coalesce(({rule.constraint}), false)" for rule in chosen}


def check_sql(spark: SparkSession, rules: Iterable[Rule]) -> None:
    """Return if every constraint is SQL over the columns its rule needs; nothing is run.

    Columns count as strings here: whether the types of the feed fit, the queries find out.

    Raises:
        RuleError: a constraint is not SQL, or reads a column that its rule does not name.
    """
    for rule in rules:
        columns = StructType([StructField(column, StringType()) for column in rule.needs])
        try:
            # Asking for the schema makes Spark parse, on Spark Connect (serverless) too.
            _ = spark.createDataFrame([], columns).select(F.expr(rule.constraint)).schema
        except ParseException as error:
            first_line = str(error).strip().splitlines()[0]
            raise RuleError(
                f"rule {rule.name}: its constraint is not SQL: {rule.constraint!r}: {first_line}"
            ) from error
        except AnalysisException as error:
            if (error.getCondition() or "").startswith("UNRESOLVED_COLUMN"):
                raise RuleError(
                    f"rule {rule.name} reads a column that is not among those it needs"
                    f" ({', '.join(rule.needs)}): {rule.constraint!r}"
                ) from error


def columns_in_hints(schema_hints: str) -> tuple[str, ...]:
    """Return the top-level column names of a schema-hints string, in order.

    Rules are chosen by hints and not by the files seen so far: Auto Loader adds hinted columns to
    the schema even while no file has them, so the same rules hold from the first update on.

    Assumed: remembered of Databricks' page "Configure schema inference and evolution in Auto
    Loader" on schema hints, which no stored copy showed in full (2026-11-24).

    Raises:
        RuleError: a hint has no type, or brackets do not match.
    """
    columns: list[str] = []
    for hint in _split_hints(schema_hints):
        parts = _HINT.fullmatch(hint.strip())
        if parts is None:
            raise RuleError(f"schema hint {hint.strip()!r} is not of the form 'name TYPE'")
        top = parts["plain"] or parts["quoted"]
        if top not in columns:
            columns.append(top)
    return tuple(columns)


def quoted(column: str) -> str:
    """Return ``column`` as a SQL identifier."""
    return "`" + column.replace("`", "``") + "`"


def _fill_in(rule: Rule, names: dict[str, str]) -> Rule:
    try:
        severity = Severity(rule.severity)
    except ValueError as error:
        allowed = ", ".join(Severity)
        raise RuleError(
            f"rule {rule.name} has severity {rule.severity!r}; allowed: {allowed}"
        ) from error
    texts = (rule.constraint, *rule.needs)
    unknown = {name for text in texts for name in _PLACEHOLDER.findall(text)} - names.keys()
    if unknown:
        raise RuleError(
            f"rule {rule.name} has placeholder {{{min(unknown)}}}; allowed: {{key}}, {{sequence}}"
        )
    return replace(
        rule,
        constraint=_PLACEHOLDER.sub(lambda m: quoted(names[m[1]]), rule.constraint),
        severity=severity,
        needs=tuple(_PLACEHOLDER.sub(lambda m: names[m[1]], column) for column in rule.needs),
    )


def _split_hints(schema_hints: str) -> list[str]:
    parts, depth = [""], 0
    for character in schema_hints:
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth != 0:
        raise RuleError(f"schema hints have brackets that do not match: {schema_hints!r}")
    return parts if schema_hints.strip() else []
