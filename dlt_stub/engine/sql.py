"""Finds names in SQL with Spark's own parser, and replaces them where they stand.

User SQL is never generated anew: what Spark parsed says which names there are, its lexer says where
each is written, and only those characters are exchanged. Offsets are Python's (Spark's lexer counts
code points too), ``sql[start:stop]``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pyspark.sql import SparkSession

from dlt_stub.engine.sql_tree import (
    NAMES_IN_COMMANDS,
    Found,
    Source,
    Token,
    active,
    iterate,
    jvm_of,
    lex,
    strings,
)
from dlt_stub.errors import NotEmulatedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationReference:
    """A table or view named in SQL; ``start`` and ``stop`` enclose the name alone.

    ``STREAM``, its parentheses, aliases, options and time travel lie outside; ``outer_start`` and
    ``outer_stop`` enclose ``STREAM``, its parentheses and the options as well.
    """

    parts: tuple[str, ...]
    is_streaming: bool
    is_written: bool  # the target of INSERT, MERGE, UPDATE, DELETE or a clone
    start: int
    stop: int
    outer_start: int = 0
    outer_stop: int = 0
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionArgument:
    """One argument of a table function: its text, and its value where that is plain to see."""

    text: str
    name: str | None = None  # of ``name => value``
    table: tuple[str, ...] | None = None  # of ``TABLE(a.b)``
    string: str | None = None  # of a string literal, unquoted by Spark


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFunctionCall:
    """A table function called in SQL; ``start`` and ``stop`` enclose ``name(...)`` alone.

    ``outer_start`` and ``outer_stop`` enclose ``STREAM`` and its parentheses as well.
    """

    name: tuple[str, ...]
    arguments: tuple[FunctionArgument, ...]
    is_streaming: bool
    start: int
    stop: int
    outer_start: int = 0
    outer_stop: int = 0


def relations(spark: SparkSession, sql: str) -> tuple[RelationReference, ...]:
    """Return every table and view ``sql`` names, in the order they are written.

    Subqueries, joins, CTE bodies, EXPLAIN and table arguments are searched; the names of CTEs are
    left out where they are in scope. ``IDENTIFIER(:p)`` names nothing yet and is left out too.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
        ValueError: it holds ``${variables}``: expand them first, or offsets would not fit.
        NotEmulatedError: a name is not written where Spark says it is.
    """
    return relations_in(_source(spark, sql))


def relations_in(source: Source) -> tuple[RelationReference, ...]:
    """Return what ``relations`` does, of SQL that is parsed already.

    Raises:
        NotEmulatedError: a name is not written where Spark says it is.
    """
    found = (_relation(source, item) for item in source.nodes if item.kind == "UnresolvedRelation")
    by_start = {reference.start: reference for reference in found}  # LIMIT stands twice in a tree
    return tuple(by_start[start] for start in sorted(by_start))


def table_functions(spark: SparkSession, sql: str) -> tuple[TableFunctionCall, ...]:
    """Return every table function ``sql`` calls, built-in ones included, in written order.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
        ValueError: it holds ``${variables}``: expand them first, or offsets would not fit.
        NotEmulatedError: a call is not written where Spark says it is.
    """
    return table_functions_in(_source(spark, sql))


def table_functions_in(source: Source) -> tuple[TableFunctionCall, ...]:
    """Return what ``table_functions`` does, of SQL that is parsed already.

    Raises:
        NotEmulatedError: a call is not written where Spark says it is.
    """
    functions = (item for item in source.nodes if item.kind == "UnresolvedTableValuedFunction")
    by_start = {call.start: call for call in (_call(source, item) for item in functions)}
    return tuple(by_start[start] for start in sorted(by_start))


def table_names(spark: SparkSession, sql: str) -> tuple[tuple[str, ...], ...]:
    """Return each name ``sql`` gives to a table or view, commands such as DESCRIBE included.

    Made for registering tables before Spark looks for them: no offsets, and no name twice. The
    name a CREATE statement gives is among them.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
    """
    names: dict[tuple[str, ...], None] = {}
    for item in Source(spark, expand_variables(spark, sql)).nodes:
        if item.kind == "UnresolvedRelation":
            names[strings(item.node.multipartIdentifier())] = None
        elif item.kind in NAMES_IN_COMMANDS:
            names[strings(getattr(item.node, NAMES_IN_COMMANDS[item.kind])())] = None
    return tuple(names)


def plan_kind(spark: SparkSession, sql: str) -> str:
    """Return the name of Spark's node at the root of ``sql``: ``Project``, ``CreateTable``, ...

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
    """
    with active(spark):
        parser = spark._jsparkSession.sessionState().sqlParser()
        return str(parser.parsePlan(expand_variables(spark, sql)).getClass().getSimpleName())


def used_name(spark: SparkSession, sql: str) -> tuple[str, ...]:
    """Return what ``USE`` or ``SET CATALOG`` makes current, a catalog with an empty schema.

    Nothing for any other statement.
    """
    with active(spark):
        plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(sql)
    kind = str(plan.getClass().getSimpleName())
    if kind == "SetNamespaceCommand":  # USE SCHEMA
        return tuple(strings(plan.namespace()))
    if kind == "SetCatalogAndNamespace":
        return tuple(strings(plan.child().multipartIdentifier()))
    return (sql.split()[-1].strip("`'\";"), "") if kind == "SetCatalogCommand" else ()


def splice(sql: str, replacements: Iterable[tuple[int, int, str]]) -> str:
    """Return ``sql`` with each ``[start, stop)`` replaced and every other character kept.

    Raises:
        ValueError: two replacements overlap, or one lies outside of ``sql``.
    """
    pieces: list[str] = []
    done = 0
    for start, stop, text in sorted(replacements):
        if not done <= start <= stop <= len(sql):
            raise ValueError(f"replacement {start}:{stop} overlaps another or leaves the text")
        pieces += (sql[done:start], text)
        done = stop
    return "".join((*pieces, sql[done:]))


def rewrite(
    spark: SparkSession,
    sql: str,
    *,
    relation: Callable[[RelationReference], str | None] = lambda _: None,
    function: Callable[[TableFunctionCall], str | None] = lambda _: None,
) -> str:
    """Return ``sql``, variables expanded, with the names replaced that the callables answer for.

    None leaves a name as it is. Inside a function call that is replaced, nothing else is.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
        NotEmulatedError: a name is not written where Spark says it is.
    """
    text = expand_variables(spark, sql)
    edits: list[tuple[int, int, str]] = []
    for call in table_functions(spark, text):
        is_inside = any(start <= call.start < stop for start, stop, _ in edits)
        if not is_inside and (new := function(call)) is not None:
            edits.append((call.start, call.stop, new))
    calls = tuple(edits)
    for reference in relations(spark, text):
        is_inside = any(start <= reference.start < stop for start, stop, _ in calls)
        if not is_inside and (new := relation(reference)) is not None:
            edits.append((reference.start, reference.stop, new))
    return splice(text, edits)


def statements(spark: SparkSession, text: str) -> tuple[str, ...]:
    """Return the statements of ``text``, cut at semicolons as Spark's own shell cuts them.

    Semicolons in strings, comments and backticks do not count; pieces of comments alone are left
    out.
    """
    splitter = jvm_of(spark).org.apache.spark.sql.catalyst.util.StringUtils
    pieces = strings(splitter.splitSemiColonWithIndex(text, False))
    return tuple(piece.strip() for piece in pieces if any(lex(spark, piece)))


def expand_variables(spark: SparkSession, sql: str) -> str:
    """Return ``sql`` with ``${name}`` replaced from ``spark``'s settings, as Spark itself does."""
    if "${" not in sql:
        return sql
    with active(spark):
        substitution = jvm_of(spark).org.apache.spark.sql.internal.VariableSubstitution()
        return str(substitution.substitute(sql))


def quote(parts: Iterable[str]) -> str:
    """Return a name Spark reads as ``parts``, each in backticks."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)


def _source(spark: SparkSession, sql: str) -> Source:
    if expand_variables(spark, sql) != sql:
        raise ValueError("the SQL holds ${variables}; call expand_variables first")
    return Source(spark, sql)


def _lost(sql: str, name: tuple[str, ...]) -> NotEmulatedError:
    return NotEmulatedError(
        f"cannot tell where {quote(name)} is written in: {sql}",
        hint="write the name plainly, not by IDENTIFIER(...) or a variable",
    )


def _relation(source: Source, item: Found) -> RelationReference:
    name = strings(item.node.multipartIdentifier())
    tokens = source.within(item)
    span = _name_span(tokens, name) or _identifier_span(tokens)
    if span is None:
        raise _lost(source.sql, name)
    start, stop = span
    outer_start, outer_stop = _outer(source, span, is_streaming=item.is_streaming)
    options = item.node.options().asCaseSensitiveMap()
    return RelationReference(
        parts=name,
        is_streaming=item.is_streaming,
        is_written=item.is_written,
        start=start,
        stop=stop,
        outer_start=outer_start,
        outer_stop=outer_stop,
        # The end of a Java iteration is an exception, which is slow to arrive.
        options={str(key): str(options[key]) for key in options} if options.size() else {},
    )


def _outer(source: Source, span: tuple[int, int], *, is_streaming: bool) -> tuple[int, int]:
    """Return where what belongs to a source begins and ends: ``STREAM``, brackets, options."""
    tokens = source.tokens
    first = next(i for i, token in enumerate(tokens) if token.start == span[0])
    after = next((i for i, each in enumerate(tokens) if each.start >= span[1]), len(tokens))
    if is_streaming:
        is_bracketed = tokens[first - 1].text == "("
        first -= 2 if is_bracketed else 1
        after += is_bracketed
    words = [token.text.upper() for token in tokens[after : after + 2]]
    if words == ["WITH", "("]:
        after = _closing(tokens, after + 1) + 1
    return tokens[first].start, tokens[after - 1].stop


def _name_span(tokens: tuple[Token, ...], name: tuple[str, ...]) -> tuple[int, int] | None:
    """Return where ``name`` is first written, not as a part of a longer one."""
    length = 2 * len(name) - 1
    for first in range(len(tokens) - length + 1):
        run = tokens[first : first + length]
        before = tokens[first - 1].text if first else ""
        after = tokens[first + length].text if first + length < len(tokens) else ""
        dots = all(token.text == "." for token in run[1::2])
        if dots and tuple(t.name for t in run[::2]) == name and "." not in (before, after):
            return run[0].start, run[-1].stop
    return None


def _identifier_span(tokens: tuple[Token, ...]) -> tuple[int, int] | None:
    """Return where ``IDENTIFIER('a.b')`` is first written."""
    for index, token in enumerate(tokens[:-1]):
        if token.text.upper() == "IDENTIFIER" and tokens[index + 1].text == "(":
            return token.start, tokens[_closing(tokens, index + 1)].stop
    return None


def _call(source: Source, item: Found) -> TableFunctionCall:
    name = strings(item.node.name())
    tokens = source.within(item)
    span = _name_span(tokens, name)
    if span is None:
        raise _lost(source.sql, name)
    opening = next(i for i, token in enumerate(tokens) if token.start >= span[1])
    closing = _closing(tokens, opening)
    texts = _arguments(tokens[opening + 1 : closing])
    values = list(iterate(item.node.functionArgs().iterator()))
    stop = tokens[closing].stop
    outer = _outer(source, (span[0], stop), is_streaming=item.is_streaming)
    return TableFunctionCall(
        name=name,
        arguments=tuple(
            _argument(source.sql, text, value) for text, value in zip(texts, values, strict=True)
        ),
        is_streaming=item.is_streaming,
        start=span[0],
        stop=stop,
        outer_start=outer[0],
        outer_stop=outer[1],
    )


def _arguments(tokens: tuple[Token, ...]) -> list[tuple[Token, ...]]:
    """Return the tokens of each argument: what lies between commas outside all brackets."""
    found: list[list[Token]] = [[]] if tokens else []
    depth = 0
    for token in tokens:
        depth += (token.text in "([") - (token.text in ")]")
        if token.text == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return [tuple(argument) for argument in found]


def _argument(sql: str, tokens: tuple[Token, ...], value: Any) -> FunctionArgument:
    name = None
    if value.getClass().getSimpleName() == "NamedArgumentExpression":
        name, value = str(value.key()), value.value()
        arrow = next(i for i, token in enumerate(tokens) if token.text == "=>")
        tokens = tokens[arrow + 1 :]
    table = string = None
    if value.getClass().getSimpleName() == "FunctionTableSubqueryArgumentExpression":
        plan = value.plan()
        if plan.getClass().getSimpleName() == "UnresolvedRelation":
            table = strings(plan.multipartIdentifier())
    elif value.getClass().getSimpleName() == "Literal" and value.dataType().typeName() == "string":
        string = str(value.value().toString())
    text = sql[tokens[0].start : tokens[-1].stop]
    return FunctionArgument(text=text, name=name, table=table, string=string)


def _closing(tokens: tuple[Token, ...], opening: int) -> int:
    """Return the index of the bracket that closes the one at ``opening``."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    raise AssertionError("Spark parsed it, so its brackets match")
