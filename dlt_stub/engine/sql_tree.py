"""One SQL statement as Spark sees it: the nodes of its tree and the tokens of its text."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from py4j.java_gateway import JavaObject
from pyspark.sql import SparkSession

_TREES = "org.apache.spark.sql.catalyst.trees.TreeNode"
_EXPRESSIONS = "org.apache.spark.sql.catalyst.expressions.Expression"
_COMMANDS = (
    "org.apache.spark.sql.catalyst.plans.logical.Command",
    "org.apache.spark.sql.catalyst.plans.logical.ParsedStatement",
)
_CONTAINERS = ("scala.collection.Iterable", "scala.Option", "scala.Tuple2")
_WRITES = frozenset(  # the first field of each is the table it changes
    {"InsertIntoStatement", "OverwriteByExpression", "OverwritePartitionsDynamic", "AppendData"}
    | {"MergeIntoTable", "UpdateTable", "DeleteFromTable", "CloneTableStatement"}
)
_TOKEN = re.compile(r"\[@-?\d+,(\d+):(-?\d+)='")
_TOKEN_END = re.compile(r"',<-?\d+>(?:,channel=\d+)?,\d+:\d+\](?:, )?")
NAMES_IN_COMMANDS = {
    "UnresolvedTable": "multipartIdentifier",
    "UnresolvedTableOrView": "multipartIdentifier",
    "UnresolvedView": "multipartIdentifier",
    "UnresolvedIdentifier": "nameParts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A node of Spark's tree, and how it was reached."""

    kind: str
    node: Any  # Py4J
    is_written: bool
    is_streaming: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL that is neither blank nor comment, and where it starts."""

    text: str
    start: int

    @property
    def stop(self) -> int:
        """Where the text after it starts."""
        return self.start + len(self.text)

    @property
    def name(self) -> str:
        """The identifier this token writes, without its backticks."""
        is_quoted = len(self.text) > 1 and self.text[0] == self.text[-1] == "`"
        return self.text[1:-1].replace("``", "`") if is_quoted else self.text


class Source:
    """One statement, its tree's nodes and its tokens."""

    def __init__(self, spark: SparkSession, sql: str) -> None:
        self.spark = spark
        self.sql = sql
        with active(spark):
            self.plan: Any = spark._jsparkSession.sessionState().sqlParser().parsePlan(sql)  # Py4J
            self.nodes = tuple(_Walk(spark).plan(self.plan, frozenset()))
        self._found: tuple[Token, ...] | None = None

    @property
    def tokens(self) -> tuple[Token, ...]:
        """Every token of the statement, made when first asked for."""
        if self._found is None:
            self._found = tuple(lex(self.spark, self.sql))
        return self._found

    @property
    def is_command(self) -> bool:
        """Whether running the statement does something, beside giving rows."""
        jvm, loader = jvm_of(self.spark), _loader(self.spark)
        found = (jvm.java.lang.Class.forName(name, False, loader) for name in _COMMANDS)
        is_one = any(each.isInstance(self.plan) for each in found)
        return is_one or any(item.is_written for item in self.nodes)

    def within(self, item: Found) -> tuple[Token, ...]:
        """Return the tokens of a node, ``STREAM`` left out; all of them if Spark lost its place."""
        origin = item.node.origin()
        first, last = origin.startIndex(), origin.stopIndex()
        if first.isEmpty() or last.isEmpty():
            return self.tokens
        start, stop = first.get(), last.get()
        inside = tuple(token for token in self.tokens if start <= token.start <= stop)
        skip = item.is_streaming and bool(inside) and inside[0].text.upper() == "STREAM"
        return inside[1:] if skip else inside


class _Walk:
    """Goes through all of a parsed plan: children, subqueries, CTEs and what commands hold."""

    def __init__(self, spark: SparkSession) -> None:
        jvm = jvm_of(spark)
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
    ) -> Iterator[Found]:
        kind = str(node.getClass().getSimpleName())
        if kind == "UnresolvedWith":
            yield from self._with(node, ctes)
            return
        if kind == "UnresolvedRelation":
            name = strings(node.multipartIdentifier())
            if not is_written and len(name) == 1 and self._fold(name[0]) in ctes:
                return
            is_streaming = bool(node.isStreaming())
        yield Found(kind=kind, node=node, is_written=is_written, is_streaming=is_streaming)
        for position, field in enumerate(iterate(node.productIterator())):
            is_target = kind in _WRITES and position == 0
            inherits = kind == "NamedStreamingRelation" or (is_streaming and kind.endswith("Alias"))
            yield from self._field(field, frozenset() if is_target else ctes, is_target, inherits)

    def _with(self, node: Any, outer: frozenset[str]) -> Iterator[Found]:
        visible = outer
        for definition in iterate(node.cteRelations().iterator()):
            name = self._fold(str(definition._1()))
            own = visible | {name} if node.allowRecursion() else visible
            yield from self.plan(definition._2(), own)
            visible = visible | {name}
        yield from self.plan(node.child(), visible)

    def _field(
        self, field: Any, ctes: frozenset[str], is_written: bool, is_streaming: bool
    ) -> Iterator[Found]:
        if not isinstance(field, JavaObject):  # Py4J has made it a Python value
            return
        if self._is(field, _EXPRESSIONS):
            if field.containsPattern(self._subquery):
                yield from self._expression(field, ctes)
        elif self._is(field, _TREES):
            yield from self.plan(field, ctes, is_written=is_written, is_streaming=is_streaming)
        elif any(self._is(field, container) for container in _CONTAINERS):
            is_iterable = self._is(field, _CONTAINERS[0])
            for inner in iterate(field.iterator() if is_iterable else field.productIterator()):
                yield from self._field(inner, ctes, is_written, is_streaming)

    def _expression(self, node: Any, ctes: frozenset[str]) -> Iterator[Found]:
        for field in iterate(node.productIterator()):
            yield from self._field(field, ctes, False, False)

    def _is(self, thing: Any, name: str) -> bool:
        return bool(self._classes[name].isInstance(thing))


def lex(spark: SparkSession, sql: str) -> Iterator[Token]:
    """Yield what Spark's lexer makes of ``sql``, without blanks and comments."""
    jvm = jvm_of(spark)
    parser = jvm.org.apache.spark.sql.catalyst.parser
    characters = parser.UpperCaseCharStream(jvm.org.antlr.v4.runtime.CharStreams.fromString(sql))
    lexer = parser.SqlBaseLexer(characters)
    lexer.removeErrorListeners()  # what it cannot read the parser has refused, or a ';' cut off
    for text, start in _tokens(str(lexer.getAllTokens().toString()), sql):
        is_comment = text.startswith("--") or (text.startswith("/*") and text != "/*+")
        if text.strip() and not is_comment:
            yield Token(text, start)


def _tokens(listed: str, sql: str) -> Iterator[tuple[str, int]]:
    """Yield the text and start of each token of ANTLR's printed list: one call for all of them.

    A token is printed as ``[@-1,0:5='SELECT',<312>,1:0]``, its text with line ends and tabs
    escaped; where its text ends, ``sql`` tells.
    """
    at = 1
    while found := _TOKEN.match(listed, at):
        start, stop = int(found[1]), int(found[2]) + 1
        text = sql[start:stop]
        printed = text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        end = _TOKEN_END.match(listed, found.end() + len(printed))
        assert end is not None, listed[at : at + 80]
        yield text, start
        at = end.end()


@contextmanager
def active(spark: SparkSession) -> Iterator[None]:
    """Have Spark's parser read ``spark``'s own settings, not those of the thread's last session."""
    sessions = jvm_of(spark).org.apache.spark.sql.classic.SparkSession
    before = sessions.getActiveSession()
    sessions.setActiveSession(spark._jsparkSession)
    try:
        yield
    finally:
        if before.isDefined():
            sessions.setActiveSession(before.get())
        else:
            sessions.clearActiveSession()


def jvm_of(spark: SparkSession) -> Any:  # Py4J builds its attributes as they are asked for
    """Return the view of the JVM that ``spark`` runs in."""
    return spark._jvm


def _loader(spark: SparkSession) -> Any:  # Py4J
    return jvm_of(spark).java.lang.Thread.currentThread().getContextClassLoader()


def iterate(iterator: Any) -> Iterator[Any]:
    """Yield what a Scala iterator yields."""
    while iterator.hasNext():
        yield iterator.next()


def strings(sequence: Any) -> tuple[str, ...]:
    """Return a Scala collection's elements as strings."""
    return tuple(str(item) for item in iterate(sequence.iterator()))
