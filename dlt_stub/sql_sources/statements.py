"""Cuts SQL into statements at its semicolons; those in strings and comments do not count."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyspark.sql import SparkSession

from dlt_stub.engine.sql import expand_variables
from dlt_stub.engine.sql_tree import lex
from dlt_stub.errors import Origin

_VARIABLE = re.compile(r"\$\{([^}$\s]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement as it is written, and where its first word stands."""

    text: str
    origin: Origin


def statements_of(spark: SparkSession, text: str, origin: Origin) -> Iterator[Statement]:
    """Yield the statements of ``text``, whose first line is at ``origin``; comments lead none."""
    first: int | None = None
    stop = 0
    for token in lex(spark, text):
        if token.text != ";":
            first, stop = token.start if first is None else first, token.stop
            continue
        if first is not None:
            yield _statement(text, first, stop, origin)
        first = None
    if first is not None:
        yield _statement(text, first, stop, origin)


def _statement(text: str, first: int, stop: int, origin: Origin) -> Statement:
    line = (origin.line or 1) + text.count("\n", 0, first)
    return Statement(text=text[first:stop], origin=Origin(path=origin.path, line=line))


def with_settings(spark: SparkSession, text: str, settings: Mapping[str, str]) -> str:
    """Return ``text`` with ``${key}`` replaced by what SET said, or else the configuration says."""
    known = _VARIABLE.sub(lambda found: settings.get(found[1], found[0]), text)
    return expand_variables(spark, known)
