"""``column:path`` on JSON strings, which open Spark has for VARIANT only.

Each such expression is exchanged for one of Spark's own functions over the same text. A name in a
path finds its field whatever its case; two fields that differ in case alone are an error.

Source: docs "JSON path expression", "Query JSON strings", 2026-11-24.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from dlt_stub.engine.sql import quote
from dlt_stub.engine.sql_tree import Found, Source, Token, iterate, lex
from dlt_stub.errors import NotEmulatedError

_EXTRACT = "SemiStructuredExtract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a path: a name in any case, a name as it is, a position, or every element."""

    name: str | None = None
    key: str | None = None
    index: int | None = None  # neither of the three: ``[*]``


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """A ``column:path`` in a text, of which ``start`` and ``stop`` are the ends."""

    start: int
    stop: int
    colon: int
    steps: tuple[Step, ...]
    alias_at: int | None = None  # where a name for the column belongs, if it has none


def run_with_paths(spark: SparkSession, sql: str, args: Any) -> DataFrame:
    """Return what ``sql`` gives when ``column:path`` is read on JSON strings too.

    Shape: what the query says.

    Raises:
        NotEmulatedError: a path cannot be read as Databricks reads it.
    """
    return SparkSession.sql(spark, with_paths(spark, sql, args), args)


def with_paths(spark: SparkSession, sql: str, args: Any = None) -> str:
    """Return ``sql`` with each ``column:path`` on a JSON string as what open Spark can run.

    Raises:
        NotEmulatedError: a path cannot be read as Databricks reads it.
    """
    found = extracts(spark, sql) if _has_path(spark, sql) else ()
    variants: set[int] = set()
    while True:
        strings = [each for each in found if each.start not in variants]
        text, places = _rewritten(sql, strings)
        if not strings:
            return text
        number = _first_variant(spark, text, args, places)
        if number is None:
            return text
        variants.add(strings[number].start)


def extracts(spark: SparkSession, sql: str) -> tuple[Extract, ...]:
    """Return each ``column:path`` of ``sql``, in written order.

    Raises:
        NotEmulatedError: a path cannot be read as Databricks reads it.
    """
    source = Source(spark, sql)
    if source.is_command:
        raise NotEmulatedError(
            "a path into JSON (column:path) in a statement that is no query is not run locally",
            hint="get_json_object(column, '$.path')",
        )
    found: dict[int, Extract] = {}
    for item in source.nodes:
        for expression, is_column in _expressions(item):
            for each in _extracts_in(source, expression, is_column=is_column):
                found[each.start] = each
    return tuple(found[start] for start in sorted(found))


def _expressions(item: Found) -> Iterator[tuple[Any, bool]]:  # Py4J
    """Yield the expressions of a node, and whether each gives a column its name."""
    if item.kind == "Aggregate":
        for each in iterate(item.node.groupingExpressions().iterator()):
            yield each, False
        for each in iterate(item.node.aggregateExpressions().iterator()):
            yield each, True
        return
    for each in iterate(item.node.expressions().iterator()):
        yield each, item.kind == "Project"


def _has_path(spark: SparkSession, sql: str) -> bool:
    return ":" in sql and any(token.text == ":" for token in lex(spark, sql))


def _extracts_in(
    source: Source, node: Any, *, is_column: bool = False, alias_at: int | None = None
) -> Iterator[Extract]:  # node: Py4J
    kind = _kind(node)
    if kind == _EXTRACT:
        yield _extract(source, node, alias_at)
        node = _column(node)
        kind, alias_at = _kind(node), None
    elif kind == "UnresolvedAlias" or (kind == "Alias" and is_column and _is_sparks(node)):
        alias_at = node.child().origin().stopIndex().get() + 1
    elif kind not in ("Cast", "UnresolvedExtractValue", "Alias"):
        if alias_at is not None and _holds_path(node):
            raise NotEmulatedError(
                "a column made from a path into JSON has no name: what Databricks calls it is not "
                "documented",
                hint="give it one: AS name",
            )
        alias_at = None
    for child in iterate(node.children().iterator()):
        yield from _extracts_in(source, child, alias_at=alias_at)


def _kind(node: Any) -> str:  # Py4J
    return str(node.getClass().getSimpleName())


def _is_sparks(alias: Any) -> bool:  # Py4J
    """Return whether Spark's parser put ``alias`` there, which it does around every path."""
    inner = alias.child()
    is_path = _kind(inner) == _EXTRACT
    return is_path and bool(inner.origin().stopIndex().equals(alias.origin().stopIndex()))


def _holds_path(node: Any) -> bool:  # Py4J
    return _kind(node) == _EXTRACT or any(map(_holds_path, iterate(node.children().iterator())))


def _column(extract: Any) -> Any:  # Py4J
    """Return what a path begins at: ``a :b :c`` is one path into ``a``."""
    child = extract.child()
    if _kind(child) == "Alias" and _is_sparks(child):
        return _column(child.child())
    return child


def _extract(source: Source, node: Any, alias_at: int | None) -> Extract:  # Py4J
    origin = node.origin()
    start, stop = origin.startIndex().get(), origin.stopIndex().get() + 1
    after = _column(node).origin().stopIndex().get() + 1
    colon = next(t.start for t in source.tokens if t.text == ":" and t.start >= after)
    stop = _past_stars(source.tokens, stop)
    tokens = [token for token in source.tokens if colon < token.start < stop]
    return Extract(
        start=start,
        stop=stop,
        colon=colon,
        steps=tuple(_steps(tokens, source.sql[start:stop])),
        alias_at=alias_at,
    )


def _past_stars(tokens: Sequence[Token], stop: int) -> int:
    """Return where the path ends that Spark's grammar ends at ``[*]``."""
    after = [token for token in tokens if token.start >= stop]
    if [token.text for token in after[:3]] != ["[", "*", "]"]:
        return stop
    if after[3:4] and after[3].text in (".", "["):
        raise _unread("".join(token.text for token in after[:5]))
    return after[2].stop


def _steps(tokens: Sequence[Token], text: str) -> Iterator[Step]:
    at = 0
    while at < len(tokens):
        if tokens[at].text in (".", ":"):
            at += 1
        if tokens[at].text == "[":
            inside, close = tokens[at + 1].text, tokens[at + 2].text
            if close != "]":
                raise _unread(text)
            if inside == "*":
                yield Step()
            elif inside.isdigit():
                yield Step(index=int(inside))
            elif inside[0] in "'\"" and not set(inside[1:-1]) & set("'\"\\]"):
                yield Step(key=inside[1:-1])
            else:
                raise _unread(text)
            at += 3
        else:
            if set(tokens[at].name) & set("'\"\\]["):
                raise _unread(text)
            yield Step(name=tokens[at].name)
            at += 1


def _unread(text: str) -> NotEmulatedError:
    return NotEmulatedError(
        f"the path in {text} is not run locally",
        hint="names, ['names'] without quotes in them, positions and a last [*] are",
    )


def _rewritten(sql: str, found: Sequence[Extract]) -> tuple[str, list[tuple[int, int]]]:
    """Return ``sql`` with its paths exchanged, and where each stands now."""
    text, done, places = "", 0, []
    for number, each in enumerate(found):
        text += sql[done : each.start]
        begins = len(text)
        text += _rendered(sql[each.start : each.colon].rstrip(), each, sql, number)
        places.append((begins, len(text)))
        done = each.stop
        if each.alias_at is not None:
            text += sql[done : each.alias_at] + _alias(each)
            done = each.alias_at
    return text + sql[done:], places


def _alias(each: Extract) -> str:
    names = [step.name or step.key for step in each.steps]
    named = [name for name in names if name is not None]
    return f" AS {quote((named[-1],))}" if named else ""


def _rendered(column: str, each: Extract, sql: str, number: int) -> str:
    text = column
    for depth, step in enumerate(each.steps):
        if step.name is not None:
            text = _any_case(text, step.name, f"{number}_{depth}")
        elif step.key is not None:
            text = f"get_json_object({text}, {_string(f'''$['{step.key}']''')})"
        elif step.index is not None:
            text = f"get_json_object({text}, '$[{step.index}]')"
        elif depth < len(each.steps) - 1:
            raise _unread(sql[each.start : each.stop])
        else:
            text = f"regexp_extract(get_json_object({text}, '$'), '^\\\\[.*', 0)"
            text = f"nullif({text}, '')"
    return text


def _any_case(json: str, name: str, mark: str) -> str:
    """Return SQL for the field of ``json`` that is called ``name`` in some case."""
    row, key, keys = f"__dlt_j{mark}", f"__dlt_k{mark}", f"__dlt_f{mark}"
    lower = _string(name.lower())
    message = _string(f"more than one field of the JSON is called {name}")
    path = f"concat({_string('$[' + chr(39))}, {keys}[0], {_string(chr(39) + ']')})"
    return (
        f"transform(array({json}), {row} -> transform(array(array_distinct(filter("
        f"json_object_keys({row}), {key} -> lower({key}) = {lower}))), {keys} -> CASE "
        f"WHEN size({keys}) > 1 THEN raise_error({message}) "
        f"WHEN size({keys}) = 1 THEN get_json_object({row}, {path}) END)[0])[0]"
    )


def _string(text: str) -> str:
    """Return a SQL literal of ``text``, which holds no backslash."""
    return "'" + text.replace("'", "\\'") + "'"


def _first_variant(
    spark: SparkSession, sql: str, args: Any, places: Sequence[tuple[int, int]]
) -> int | None:
    """Return which of ``places`` would have a string where there is a VARIANT: Spark says so."""
    try:
        SparkSession.sql(spark, sql, args)
    except AnalysisException as error:
        if "VARIANT" not in str((error.getMessageParameters() or {}).get("inputType", "")):
            return None
        for context in error.getQueryContext():
            for number, (start, stop) in enumerate(places):
                if start <= context.startIndex() < stop:
                    return number
    return None
