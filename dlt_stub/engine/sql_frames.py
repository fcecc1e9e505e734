"""Runs a query whose tables are DataFrames, and changes nothing in it but where they are named.

A table is exchanged, where it stands, for a call of a function without arguments that returns the
DataFrame's own plan. A temporary view in its place would hide ``_metadata``.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from dlt_stub.engine.sql import (
    RelationReference,
    TableFunctionCall,
    expand_variables,
    quote,
    relations_in,
    splice,
    table_functions_in,
)
from dlt_stub.engine.sql_json import run_with_paths
from dlt_stub.engine.sql_tree import Source, Token, active, jvm_of, lex
from dlt_stub.errors import NotEmulatedError

_FLAGS = frozenset({"SKIPCHANGECOMMITS"})  # options Databricks takes without a value
_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a name in a query stands for.

    ``names`` are the longer names its columns may be written with, ``schema.table`` and so on.
    """

    frame: DataFrame
    names: tuple[tuple[str, ...], ...] = ()


Relation = Callable[[RelationReference], Answer | None]
Function = Callable[[TableFunctionCall], DataFrame | None]


def query_over(
    spark: SparkSession, sql: str, *, args: Any, relation: Relation, function: Function
) -> DataFrame:
    """Return what ``sql`` gives with the frames that ``relation`` and ``function`` answer.

    Shape: what the query says; streaming where a source is. ``args`` are those of ``spark.sql``.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
        NotEmulatedError: it is no query, or it names a table by what only its run could tell.
    """
    text = with_values(spark, with_identifiers(spark, expand_variables(spark, sql), args))
    source = Source(spark, text)
    check_query(source)
    with _Functions(spark).open() as functions:
        edits: list[tuple[int, int, str]] = []
        qualifiers: dict[tuple[str, ...], str] = {}
        for call in table_functions_in(source):
            frame = function(call)
            if frame is not None:
                edits.append((call.outer_start, call.outer_stop, f"{functions.add(frame)}()"))
        calls = tuple(edits)
        for reference in relations_in(source):
            if any(start <= reference.start < stop for start, stop, _ in calls):
                continue
            answer = relation(reference)
            if answer is not None:
                edits.append(_edit(source, reference, functions.add(answer.frame)))
                for name in answer.names:
                    qualifiers[tuple(part.lower() for part in name)] = reference.parts[-1]
        edits += _qualified(source.tokens, qualifiers, edits)
        return run_with_paths(spark, splice(text, edits), args)


def check_query(source: Source) -> None:
    """Do nothing if ``source`` is a query of what is there now.

    Raises:
        NotEmulatedError: it is a command, writes, or reads as of another time.
    """
    if source.is_command:
        raise NotEmulatedError(
            f"a query function runs the statement {source.tokens[0].text.upper()} by spark.sql; "
            "allowed: a query",
            hint="a pipeline makes its tables and views by declaring them",
        )
    kinds = {item.kind for item in source.nodes}
    if "RelationTimeTravel" in kinds:
        raise NotEmulatedError("a read AS OF a version or time is not run locally in a pipeline")
    if "PlanWithUnresolvedIdentifier" in kinds:
        raise NotEmulatedError(
            "IDENTIFIER(...) of what is no string is not run locally in a pipeline",
            hint="write the name, or IDENTIFIER(:name) with the name in args",
        )


def with_values(spark: SparkSession, sql: str) -> str:
    """Return ``sql`` with ``WITH (SKIPCHANGECOMMITS)`` given the value Spark asks for."""
    if not any(flag in sql.upper() for flag in _FLAGS):
        return sql
    tokens = tuple(lex(spark, sql))
    found = []
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.text.upper() in _FLAGS and before.text in "(," and after.text in "),":
            found.append((token.stop, token.stop, " = true"))
    return splice(sql, found)


def with_identifiers(spark: SparkSession, sql: str, args: Any) -> str:
    """Return ``sql`` with the names that ``IDENTIFIER(:name)`` takes from ``args`` written out."""
    if not isinstance(args, dict) or "IDENTIFIER" not in sql.upper():
        return sql
    tokens = tuple(lex(spark, sql))
    edits = []
    for index, token in enumerate(tokens[:-4]):
        run = tokens[index : index + 5]
        shape = [run[0].text.upper(), run[1].text, run[2].text, run[4].text]
        value = args.get(run[3].name)
        if shape == ["IDENTIFIER", "(", ":", ")"] and isinstance(value, str):
            edits.append((token.start, run[4].stop, _written(spark, value)))
    return splice(sql, edits)


def _written(spark: SparkSession, name: str) -> str:
    """Return ``name``, which Spark's parser takes for a name, each level in backticks."""
    with active(spark):
        parser = spark._jsparkSession.sessionState().sqlParser()
        parts = parser.parseMultipartIdentifier(name)
    return quote(str(parts.apply(index)) for index in range(parts.size()))


def _edit(source: Source, reference: RelationReference, function: str) -> tuple[int, int, str]:
    """Return what replaces ``reference``: an alias outside of it stays where it is."""
    call = f"{function}() AS {quote(reference.parts[-1:])}"
    start, stop = reference.outer_start, reference.outer_stop
    before = [token for token in source.tokens if token.stop <= start][-2:]
    words = [token.text.upper() for token in before]
    if words[-1:] == ["TABLE"]:  # ``TABLE x``, a query or an argument
        is_argument = words[:1] in (["("], [","], ["=>"]) and len(words) == 2
        query = f"SELECT * FROM {call}"  # noqa: S608 - a name of ours
        return (start, stop, f"({query})") if is_argument else (before[-1].start, stop, query)
    if words == ["TABLE", "("]:
        return start, stop, f"SELECT * FROM {call}"  # noqa: S608 - a name of ours
    return start, stop, f"({call})"


def _qualified(
    words: Sequence[Token],
    qualifiers: dict[tuple[str, ...], str],
    edits: list[tuple[int, int, str]],
) -> list[tuple[int, int, str]]:
    """Return the edits that write ``schema.table.column`` as ``table.column``."""
    if not qualifiers:
        return []
    found: list[tuple[int, int, str]] = []
    for index, token in enumerate(words):
        if index and words[index - 1].text == ".":
            continue
        if any(start <= token.start < stop for start, stop, _ in edits):
            continue
        for name, alias in qualifiers.items():
            run = words[index : index + 2 * len(name)]
            dots = all(each.text == "." for each in run[1::2])
            levels = tuple(each.name.lower() for each in run[::2])
            if len(run) == 2 * len(name) and dots and levels == name:
                found.append((token.start, run[-2].stop, quote((alias,))))
                break
    return found


class _Functions:
    """Functions of one query, each of which returns one DataFrame's plan."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._state: Any = spark._jsparkSession.sessionState()  # Py4J
        self._names: list[str] = []

    @contextmanager
    def open(self) -> Iterator["_Functions"]:
        """Forget the functions when the block ends: what was analysed holds their plans."""
        try:
            yield self
        finally:
            for name in self._names:
                self._state.catalog().dropTempFunction(name, True)

    def add(self, frame: DataFrame) -> str:
        """Return the name of a function that returns ``frame``."""
        name = f"__dlt_source_{next(_numbers)}"
        plan = frame._jdf.queryExecution().analyzed()
        # A Scala map with a default value is a function, here one that always returns the plan.
        maps = getattr(jvm_of(self._spark).scala.collection.immutable, "Map$")
        function = getattr(maps, "MODULE$").empty().withDefaultValue(plan)
        registry = self._state.tableFunctionRegistry()
        registry.createOrReplaceTempFunction(name, function, "scala_udf")
        self._names.append(name)
        return name
