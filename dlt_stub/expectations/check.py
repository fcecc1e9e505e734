"""Expectations evaluated in the write's own pass: fail check, observation, then drops.

The order matters: a check placed after a filter never sees what the filter removed, and Spark
moves no filter across an observation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType

from dlt_stub.declare.records import Action, Expectation
from dlt_stub.engine.sql_tree import iterate
from dlt_stub.errors import DefinitionError, ExpectationViolation

# Source: docs "Manage data quality with pipeline expectations", constraint clauses, 2026-11-24.
_REFUSED = {
    ("ScalarSubquery", "InSubquery", "Exists", "ListQuery"): "a subquery",
    ("PythonUDF",): "a Python function",
    (
        "AggregateExpression",
        "WindowExpression",
        "UnresolvedWindowExpression",
    ): "an aggregate or window function",
}
_MARK = "__dlt_expectation_violation:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationMetrics:
    """How many rows of ``dataset`` met one expectation in one flow (rows)."""

    name: str
    dataset: str
    passed_records: int
    failed_records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMetrics:
    """What one check saw (rows)."""

    dataset: str
    input_rows: int
    dropped_rows: int
    expectations: tuple[ExpectationMetrics, ...]

    @property
    def output_rows(self) -> int:
        """The rows that went on."""
        return self.input_rows - self.dropped_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The expectations of one dataset, put into the plan of one flow under an observed name."""

    observed_as: str
    dataset: str
    expectations: tuple[Expectation, ...]

    def metrics(self, observed: Mapping[str, Any]) -> CheckMetrics:
        """Return the counts Spark observed: none where its optimizer read no row at all."""
        rows = int(observed.get("rows") or 0)
        passed = [int(observed.get(f"passed_{i}") or 0) for i in range(len(self.expectations))]
        return CheckMetrics(
            dataset=self.dataset,
            input_rows=rows,
            dropped_rows=int(observed.get("dropped") or 0),
            expectations=tuple(
                ExpectationMetrics(
                    name=expectation.name,
                    dataset=self.dataset,
                    passed_records=passed[index],
                    failed_records=rows - passed[index],
                )
                for index, expectation in enumerate(self.expectations)
            ),
        )


def check_rules(frame: DataFrame, check: Check) -> None:
    """Return once every rule of ``check`` is known to be one Databricks takes, on ``frame``.

    Raises:
        DefinitionError: a rule cannot be parsed, names a column ``frame`` lacks, or is not a
            boolean over one row.
    """
    for expectation in check.expectations:
        try:
            _refuse_classes(expectation, check.dataset, [_parsed(frame.sparkSession, expectation)])
            rule = frame.select(F.expr(expectation.constraint))
            _check_rule(expectation, check.dataset, rule)
        except (ParseException, AnalysisException) as error:
            raise DefinitionError(
                f"expectation '{expectation.name}' of dataset '{check.dataset}' cannot be "
                f"evaluated: {expectation.constraint!r}: {str(error).strip().splitlines()[0]}",
                origin=expectation.origin,
                hint=f"columns of {check.dataset}: {', '.join(frame.columns)}",
            ) from error


def put_check(
    frame: DataFrame, check: Check, *, flow: str, observation: Observation | None
) -> DataFrame:
    """Return ``frame`` with ``check`` in its plan.

    A rule that is NULL counts as not met (assumed: Databricks does not say).

    Shape: the columns and grain of ``frame``, without the rows a drop rule removes; streaming if
    it is. With ``observation`` (batch) the counts arrive there, else (streaming) in the query's
    progress under ``check.observed_as``. The rules have passed ``check_rules``.
    """
    rules = [F.coalesce(F.expr(each.constraint), F.lit(False)) for each in check.expectations]
    fails = [
        (expectation, met)
        for expectation, met in zip(check.expectations, rules, strict=True)
        if expectation.action is Action.FAIL
    ]
    drops = [
        met
        for expectation, met in zip(check.expectations, rules, strict=True)
        if expectation.action is Action.DROP
    ]
    kept = reduce(lambda a, b: a & b, drops) if drops else None
    if fails:
        frame = frame.filter(_all_met_or_raise(frame, fails, flow))
    counts = [F.count(F.lit(1)).alias("rows")]
    counts.append(
        (F.count_if(~kept) if kept is not None else F.sum(F.lit(0)).cast("bigint")).alias("dropped")
    )
    counts += [F.count_if(met).alias(f"passed_{index}") for index, met in enumerate(rules)]
    frame = frame.observe(observation if observation is not None else check.observed_as, *counts)
    return frame.filter(kept) if kept is not None else frame


def violation(text: str, *, flow: str) -> ExpectationViolation | None:
    """Return Databricks' error for a broken fail rule, if ``text`` is what Spark said of one.

    Source: docs "Manage data quality with pipeline expectations", fail on invalid records,
    2026-11-24.
    """
    start = text.find(_MARK)
    if start < 0:
        return None
    said = text[start + len(_MARK) :]
    decoder = json.JSONDecoder()
    names, stop = decoder.raw_decode(said)
    row = said[stop + 1 :]
    row = row[: decoder.raw_decode(row)[1]]
    return ExpectationViolation(
        f"Flow '{flow}' failed to meet the expectation. "
        f"Violated expectations: {', '.join(names)}. Input data: '{row}'",
        hint="correct the rule or let it drop or warn, then run again: nothing was committed",
    )


def _check_rule(expectation: Expectation, dataset: str, rule: DataFrame) -> None:
    """Refuse what Databricks refuses in a rule, told by the classes of its analysed expressions."""
    kind = rule.schema[0].dataType
    if not isinstance(kind, BooleanType):
        raise DefinitionError(
            f"expectation '{expectation.name}' of dataset '{dataset}' is of type "
            f"{kind.simpleString()}; allowed: a SQL boolean",
            origin=expectation.origin,
        )
    plan = rule._jdf.queryExecution().analyzed()
    trees = [str(each.toJSON()) for each in iterate(plan.expressions().iterator())]
    _refuse_classes(expectation, dataset, trees)


def _parsed(spark: SparkSession, expectation: Expectation) -> str:
    """Return the rule's expressions before they are analysed.

    Windows are told by these alone, because the analyser moves them into a node below; and a
    subquery over a table that cannot be found is a subquery all the same.
    """
    parser = spark._jsparkSession.sessionState().sqlParser()
    return str(parser.parseExpression(expectation.constraint).toJSON())


def _refuse_classes(expectation: Expectation, dataset: str, trees: Sequence[str]) -> None:
    for classes, what in _REFUSED.items():
        if any(f'.{name}"' in tree for name in classes for tree in trees):
            raise DefinitionError(
                f"expectation '{expectation.name}' of dataset '{dataset}' holds {what}; allowed: a "
                "SQL boolean over the row's own columns",
                origin=expectation.origin,
                hint="compute it as a column of the query, then check that column",
            )


def _all_met_or_raise(
    frame: DataFrame, fails: Sequence[tuple[Expectation, Column]], flow: str
) -> Column:
    broken = F.array_compact(
        F.array(*[F.when(~met, F.lit(f"'{expectation.name}'")) for expectation, met in fails])
    )
    row = F.to_json(F.struct("*"), {"ignoreNullFields": "false"})
    message = F.concat(F.lit(_MARK), F.to_json(broken), F.lit("|"), row)
    all_met = reduce(lambda a, b: a & b, [met for _, met in fails])
    return F.when(all_met, F.lit(True)).otherwise(F.raise_error(message).cast("boolean"))
