"""Reads the words of one statement: what Spark's own parser does not know of it."""

from dataclasses import dataclass, field
from typing import Any, NoReturn

from pyspark.errors import ParseException
from pyspark.sql import SparkSession

from dlt_stub.engine.sql_tree import Token, active
from dlt_stub.errors import DefinitionError, Origin

_OPENING, _CLOSING = ("(", "["), (")", "]")


@dataclass(slots=True, kw_only=True)
class Reader:
    """The tokens of a statement, read from left to right; ``text`` is the statement."""

    spark: SparkSession
    text: str
    tokens: tuple[Token, ...]
    origin: Origin
    at: int = field(default=0)

    def is_done(self) -> bool:
        """Whether no token is left."""
        return self.at >= len(self.tokens)

    def sees(self, *words: str) -> bool:
        """Return whether the next tokens are ``words``, in capitals."""
        run = self.tokens[self.at : self.at + len(words)]
        return len(run) == len(words) and all(
            token.text.upper() == word for token, word in zip(run, words, strict=True)
        )

    def takes(self, *words: str) -> bool:
        """Go past ``words`` if they are next, and return whether they were."""
        found = self.sees(*words)
        if found:
            self.at += len(words)
        return found

    def expect(self, *words: str) -> None:
        """Go past ``words``.

        Raises:
            DefinitionError: something else is next.
        """
        if not self.takes(*words):
            self.fail(" ".join(words))

    def fail(self, allowed: str) -> NoReturn:
        """Say what was found where something else was allowed.

        Raises:
            DefinitionError: always.
        """
        found = "the end" if self.is_done() else repr(self.tokens[self.at].text)
        raise DefinitionError(
            f"the statement cannot be read: found {found}; allowed: {allowed}", origin=self.here()
        )

    def here(self) -> Origin:
        """Return where the next token stands."""
        if self.is_done() or self.origin.line is None:
            return self.origin
        start = self.tokens[self.at].start
        line = self.origin.line + self.text.count("\n", 0, start)
        return Origin(path=self.origin.path, line=line)

    def token(self, allowed: str) -> Token:
        """Return the next token and go past it.

        Raises:
            DefinitionError: none is left.
        """
        if self.is_done():
            self.fail(allowed)
        self.at += 1
        return self.tokens[self.at - 1]

    def name(self) -> tuple[str, ...]:
        """Return a dotted name's levels without their quotes, and go past it."""
        parts = [self._level()]
        while self.takes("."):
            parts.append(self._level())
        return tuple(parts)

    def _level(self) -> str:
        token = self.token("a name")
        if not (token.text[0] == "`" or token.text[0].isalnum() or token.text[0] == "_"):
            self.at -= 1
            self.fail("a name")
        # 12ab comes as one token; ``a-b`` stands in backticks.
        return token.name

    def string(self) -> str:
        """Return a string literal's value and go past it.

        Raises:
            DefinitionError: something else is next.
        """
        if not self.sees_string():
            self.fail("a string")
        token = self.token("a string")
        return literal(self.spark, token.text, self.origin)

    def sees_string(self) -> bool:
        """Return whether a string literal is next."""
        return not self.is_done() and self.tokens[self.at].text[0] in "'\""

    def bracketed(self) -> "Reader":
        """Return what stands in the brackets that are next, and go past them."""
        self.expect("(")
        first, depth = self.at, 1
        while depth:
            token = self.token("')'")
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
        return self.part(first, self.at - 1)

    def part(self, first: int, last: int) -> "Reader":
        """Return a reader of the tokens from ``first`` up to ``last``."""
        return Reader(
            spark=self.spark,
            text=self.text,
            tokens=self.tokens[first:last],
            origin=self.origin,
        )

    def until(self, *ends: tuple[str, ...]) -> str:
        """Return the text up to the first of ``ends`` outside of brackets, or to the end."""
        first, depth = self.at, 0
        while not self.is_done():
            if depth == 0 and self.at > first and any(self.sees(*end) for end in ends):
                break
            token = self.tokens[self.at]
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
            self.at += 1
        if self.at == first:
            self.fail("an expression")
        return self.text[self.tokens[first].start : self.tokens[self.at - 1].stop]

    def rest(self) -> str:
        """Return the text that is left, and go past it."""
        return self.until()

    def split(self) -> list["Reader"]:
        """Return the parts between commas outside of all brackets; those of types count."""
        parts: list[Reader] = []
        first, depth, angles = self.at, 0, 0
        for index in range(self.at, len(self.tokens)):
            text = self.tokens[index].text
            depth += (text in _OPENING) - (text in _CLOSING)
            if self.tokens[first].text.upper() != "CONSTRAINT" and not text.strip("<>"):
                angles += text.count("<") - text.count(">")
            if text == "," and depth == 0 and angles <= 0:
                parts.append(self.part(first, index))
                first, angles = index + 1, 0
        if first < len(self.tokens):
            parts.append(self.part(first, len(self.tokens)))
        self.at = len(self.tokens)
        return parts


def literal(spark: SparkSession, text: str, origin: Origin) -> str:
    """Return the value of a literal, as Spark reads it.

    Raises:
        DefinitionError: it is no literal.
    """
    try:
        with active(spark):
            expression: Any = spark._jsparkSession.sessionState().sqlParser().parseExpression(text)
    except ParseException as error:
        raise DefinitionError(f"{text} is no literal", origin=origin) from error
    if expression.getClass().getSimpleName() != "Literal":
        raise DefinitionError(f"{text} is no literal", origin=origin)
    value = expression.value()
    return str(value).lower() if isinstance(value, bool) else str(value)
