"""Finds names in SQL with Spark's own parser, and replaces them where they stand.

User SQL is never generated anew: what Spark parsed says which names there are, its lexer says where
each is written, and only those characters are exchanged. Offsets are Python's (Spark's lexer counts
code points too), ``sql[start:stop]``.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from dlt_stub.errors import NotEmulatedError

_TREES = "org.apache.spark.sql.catalyst.trees.TreeNode"
_EXPRESSIONS = "org.apache.spark.sql.catalyst.expressions.Expression"
_CONTAINERS = ("scala.collection.Iterable", "scala.Option", "scala.Tuple2")
_WRITES = frozenset(  # the first field of each is the table it changes
    {"InsertIntoStatement", "OverwriteByExpression", "OverwritePartitionsDynamic", "AppendData"}
    | {"MergeIntoTable", "UpdateTable", "DeleteFromTable", "CloneTableStatement"}
)
_NAMES_IN_COMMANDS = {
    "UnresolvedTable": "multipartIdentifier",
    "UnresolvedTableOrView": "multipartIdentifier",
    "UnresolvedView": "multipartIdentifier",
    "UnresolvedIdentifier": "nameParts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationReference:
    """A table or view named in SQL; ``start`` and ``stop`` enclose the name alone.

    ``STREAM``, its parentheses, aliases, options and time travel lie outside.
    """

    parts: tuple[str, ...]
    is_streaming: bool
    is_written: bool  # the target of INSERT, MERGE, UPDATE, DELETE or a clone
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionArgument:
    """One argument of a table function: its text, and its value where that is plain to see."""

    text: str
    name: str | None = None  # of ``name => value``
    table: tuple[str, ...] | None = None  # of ``TABLE(a.b)``
    string: str | None = None  # of a string literal, unquoted by Spark


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFunctionCall:
    """A table function called in SQL; ``start`` and ``stop`` enclose ``name(...)`` alone."""

    name: tuple[str, ...]
    arguments: tuple[FunctionArgument, ...]
    is_streaming: bool
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A node of Spark's tree, and how it was reached."""

    kind: str
    node: Any  # Py4J
    is_written: bool
    is_streaming: bool


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int

    @property
    def stop(self) -> int:
        return self.start + len(self.text)

    @property
    def name(self) -> str:
        """The identifier this token writes, without its backticks."""
        is_quoted = len(self.text) > 1 and self.text[0] == self.text[-1] == "`"
        return self.text[1:-1].replace("``", "`") if is_quoted else self.text


def relations(spark: SparkSession, sql: str) -> tuple[RelationReference, ...]:
    """Return every table and view ``sql`` names, in the order they are written.

    Subqueries, joins, CTE bodies, EXPLAIN and table arguments are searched; the names of CTEs are
    left out where they are in scope. ``IDENTIFIER(:p)`` names nothing yet and is left out too.

    Raises:
        ParseException: Spark cannot parse it, or it is more than one statement.
        ValueError: it holds ``${variables}``: expand them first, or offsets would not fit.
        NotEmulatedError: a name is not written where Spark says it is.
    """
    source = _Source(spark, sql)
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
    source = _Source(spark, sql)
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
    for item in _Source(spark, expand_variables(spark, sql)).nodes:
        if item.kind == "UnresolvedRelation":
            names[_strings(item.node.multipartIdentifier())] = None
        elif item.kind in _NAMES_IN_COMMANDS:
            names[_strings(getattr(item.node, _NAMES_IN_COMMANDS[item.kind])())] = None
    return tuple(names)


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
    splitter = _jvm(spark).org.apache.spark.sql.catalyst.util.StringUtils
    pieces = _strings(splitter.splitSemiColonWithIndex(text, False))
    return tuple(piece.strip() for piece in pieces if any(_tokens(spark, piece)))


def expand_variables(spark: SparkSession, sql: str) -> str:
    """Return ``sql`` with ``${name}`` replaced from ``spark``'s settings, as Spark itself does."""
    if "${" not in sql:
        return sql
    with _active(spark):
        substitution = _jvm(spark).org.apache.spark.sql.internal.VariableSubstitution()
        return str(substitution.substitute(sql))


def quote(parts: Iterable[str]) -> str:
    """Return a name Spark reads as ``parts``, each in backticks."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)


class _Source:
    """One statement, its tree's nodes and its tokens."""

    def __init__(self, spark: SparkSession, sql: str) -> None:
        if expand_variables(spark, sql) != sql:
            raise ValueError("the SQL holds ${variables}; call expand_variables first")
        self.spark = spark
        self.sql = sql
        with _active(spark):
            plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(sql)
            self.nodes = tuple(_Walk(spark).plan(plan, frozenset()))
        self._found: tuple[_Token, ...] | None = None

    @property
    def tokens(self) -> tuple[_Token, ...]:
        if self._found is None:
            self._found = tuple(_tokens(self.spark, self.sql))
        return self._found

    def within(self, item: _Found) -> tuple[_Token, ...]:
        """Return the tokens of a node, ``STREAM`` left out; all of them if Spark lost its place."""
        origin = item.node.origin()
        first, last = origin.startIndex(), origin.stopIndex()
        if first.isEmpty() or last.isEmpty():
            return self.tokens
        start, stop = first.get(), last.get()
        inside = tuple(token for token in self.tokens if start <= token.start <= stop)
        skip = item.is_streaming and bool(inside) and inside[0].text.upper() == "STREAM"
        return inside[1:] if skip else inside

    def lost(self, name: tuple[str, ...]) -> NotEmulatedError:
        return NotEmulatedError(
            f"cannot tell where {quote(name)} is written in: {self.sql}",
            hint="write the name plainly, not by IDENTIFIER(...) or a variable",
        )


class _Walk:
    """Goes through all of a parsed plan: children, subqueries, CTEs and what commands hold."""

    def __init__(self, spark: SparkSession) -> None:
        jvm = _jvm(spark)
        self._classes = {
            name: jvm.java.lang.Class.forName(name, False, _loader(spark))
            for name in (_TREES, _EXPRESSIONS, *_CONTAINERS)
        }
        patterns = jvm.org.apache.spark.sql.catalyst.trees.TreePattern
        self._subquery = patterns.PLAN_EXPRESSION()
        is_case_sensitive = spark.conf.get("spark.sql.caseSensitive") == "true"
        self._fold: Callable[[str], str] = str if is_case_sensitive else str.casefold

    def plan(
        self,
        node: Any,
        ctes: frozenset[str],
        *,
        is_written: bool = False,
        is_streaming: bool = False,
    ) -> Iterator[_Found]:
        kind = str(node.getClass().getSimpleName())
        if kind == "UnresolvedWith":
            yield from self._with(node, ctes)
            return
        if kind == "UnresolvedRelation":
            name = _strings(node.multipartIdentifier())
            if not is_written and len(name) == 1 and self._fold(name[0]) in ctes:
                return
            is_streaming = bool(node.isStreaming())
        yield _Found(kind=kind, node=node, is_written=is_written, is_streaming=is_streaming)
        for position, field in enumerate(_iterate(node.productIterator())):
            is_target = kind in _WRITES and position == 0
            inherits = kind == "NamedStreamingRelation" or (is_streaming and kind.endswith("Alias"))
            yield from self._field(field, frozenset() if is_target else ctes, is_target, inherits)

    def _with(self, node: Any, outer: frozenset[str]) -> Iterator[_Found]:
        visible = outer
        for definition in _iterate(node.cteRelations().iterator()):
            name = self._fold(str(definition._1()))
            own = visible | {name} if node.allowRecursion() else visible
            yield from self.plan(definition._2(), own)
            visible = visible | {name}
        yield from self.plan(node.child(), visible)

    def _field(
        self, field: Any, ctes: frozenset[str], is_written: bool, is_streaming: bool
    ) -> Iterator[_Found]:
        if not hasattr(field, "getClass"):  # Py4J has made it a Python value
            return
        if self._is(field, _EXPRESSIONS):
            if field.containsPattern(self._subquery):
                yield from self._expression(field, ctes)
        elif self._is(field, _TREES):
            yield from self.plan(field, ctes, is_written=is_written, is_streaming=is_streaming)
        elif any(self._is(field, container) for container in _CONTAINERS):
            iterable = hasattr(field, "iterator") and self._is(field, _CONTAINERS[0])
            for inner in _iterate(field.iterator() if iterable else field.productIterator()):
                yield from self._field(inner, ctes, is_written, is_streaming)

    def _expression(self, node: Any, ctes: frozenset[str]) -> Iterator[_Found]:
        for field in _iterate(node.productIterator()):
            yield from self._field(field, ctes, False, False)

    def _is(self, thing: Any, name: str) -> bool:
        return bool(self._classes[name].isInstance(thing))


def _relation(source: _Source, item: _Found) -> RelationReference:
    name = _strings(item.node.multipartIdentifier())
    tokens = source.within(item)
    span = _name_span(tokens, name) or _identifier_span(tokens)
    if span is None:
        raise source.lost(name)
    start, stop = span
    return RelationReference(
        parts=name,
        is_streaming=item.is_streaming,
        is_written=item.is_written,
        start=start,
        stop=stop,
    )


def _name_span(tokens: tuple[_Token, ...], name: tuple[str, ...]) -> tuple[int, int] | None:
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


def _identifier_span(tokens: tuple[_Token, ...]) -> tuple[int, int] | None:
    """Return where ``IDENTIFIER('a.b')`` is first written."""
    for index, token in enumerate(tokens[:-1]):
        if token.text.upper() == "IDENTIFIER" and tokens[index + 1].text == "(":
            return token.start, tokens[_closing(tokens, index + 1)].stop
    return None


def _call(source: _Source, item: _Found) -> TableFunctionCall:
    name = _strings(item.node.name())
    tokens = source.within(item)
    span = _name_span(tokens, name)
    if span is None:
        raise source.lost(name)
    opening = next(i for i, token in enumerate(tokens) if token.start >= span[1])
    closing = _closing(tokens, opening)
    texts = _arguments(tokens[opening + 1 : closing])
    values = list(_iterate(item.node.functionArgs().iterator()))
    return TableFunctionCall(
        name=name,
        arguments=tuple(
            _argument(source.sql, text, value) for text, value in zip(texts, values, strict=True)
        ),
        is_streaming=item.is_streaming,
        start=span[0],
        stop=tokens[closing].stop,
    )


def _arguments(tokens: tuple[_Token, ...]) -> list[tuple[_Token, ...]]:
    """Return the tokens of each argument: what lies between commas outside all brackets."""
    found: list[list[_Token]] = [[]] if tokens else []
    depth = 0
    for token in tokens:
        depth += (token.text in "([") - (token.text in ")]")
        if token.text == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return [tuple(argument) for argument in found]


def _argument(sql: str, tokens: tuple[_Token, ...], value: Any) -> FunctionArgument:
    name = None
    if value.getClass().getSimpleName() == "NamedArgumentExpression":
        name, value = str(value.key()), value.value()
        arrow = next(i for i, token in enumerate(tokens) if token.text == "=>")
        tokens = tokens[arrow + 1 :]
    table = string = None
    if value.getClass().getSimpleName() == "FunctionTableSubqueryArgumentExpression":
        plan = value.plan()
        if plan.getClass().getSimpleName() == "UnresolvedRelation":
            table = _strings(plan.multipartIdentifier())
    elif value.getClass().getSimpleName() == "Literal" and value.dataType().typeName() == "string":
        string = str(value.value().toString())
    text = sql[tokens[0].start : tokens[-1].stop]
    return FunctionArgument(text=text, name=name, table=table, string=string)


def _closing(tokens: tuple[_Token, ...], opening: int) -> int:
    """Return the index of the bracket that closes the one at ``opening``."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += (tokens[index].text == "(") - (tokens[index].text == ")")
        if depth == 0:
            return index
    raise AssertionError("Spark parsed it, so its brackets match")


def _tokens(spark: SparkSession, sql: str) -> Iterator[_Token]:
    """Yield what Spark's lexer makes of ``sql``, without blanks and comments.

    Tokens lie end to end, hidden ones included, so one call for each start is enough.
    """
    jvm = _jvm(spark)
    parser = jvm.org.apache.spark.sql.catalyst.parser
    characters = parser.UpperCaseCharStream(jvm.org.antlr.v4.runtime.CharStreams.fromString(sql))
    lexer = parser.SqlBaseLexer(characters)
    lexer.removeErrorListeners()  # what it cannot read the parser has refused, or a ';' cut off
    starts = [int(token.getStartIndex()) for token in lexer.getAllTokens()]
    for start, stop in zip(starts, (*starts[1:], len(sql)), strict=True):
        text = sql[start:stop]
        is_comment = text.startswith("--") or (text.startswith("/*") and text != "/*+")
        if text.strip() and not is_comment:
            yield _Token(text, start)


@contextmanager
def _active(spark: SparkSession) -> Iterator[None]:
    """Have Spark's parser read ``spark``'s own settings, not those of the thread's last session."""
    sessions = _jvm(spark).org.apache.spark.sql.classic.SparkSession
    before = sessions.getActiveSession()
    sessions.setActiveSession(spark._jsparkSession)
    try:
        yield
    finally:
        if before.isDefined():
            sessions.setActiveSession(before.get())
        else:
            sessions.clearActiveSession()


def _jvm(spark: SparkSession) -> Any:  # Py4J builds its attributes as they are asked for
    return spark._jvm


def _loader(spark: SparkSession) -> Any:  # Py4J
    return _jvm(spark).java.lang.Thread.currentThread().getContextClassLoader()


def _iterate(iterator: Any) -> Iterator[Any]:
    while iterator.hasNext():
        yield iterator.next()


def _strings(sequence: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in _iterate(sequence.iterator()))
