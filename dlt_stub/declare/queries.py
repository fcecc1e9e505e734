"""The functions users decorate: checked, named, and wrapped so that marks stay off them."""

import functools
from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame

from dlt_stub.declare.records import Query
from dlt_stub.errors import DefinitionError, Origin

DATASET = "__dlt_dataset"  # on a declared query: the dataset it became
_NAMELESS = "<lambda>"


def decorating(
    word: str, query: object, declare: Callable[[Query], Query], origin: Origin
) -> Callable[..., Any]:
    """Return a decorator, or what it returns where it was used without parentheses."""
    if query is None:
        return lambda each: declare(called(each, word, origin))
    return declare(called(query, word, origin))


def called(query: object, word: str, origin: Origin) -> Callable[..., Any]:
    """Return ``query``.

    Raises:
        DefinitionError: it is no function.
    """
    if not callable(query):
        raise DefinitionError(
            f"dlt.{word} decorates a query function, found {query!r}",
            origin=origin,
            hint=f'@dlt.{word}(name="...") above a function that returns a DataFrame',
        )
    return query


def wrapped(query: Query) -> Query:
    """Return a function of its own that is ``query``: marks on it stay off the user's function."""

    @functools.wraps(query)
    def call() -> DataFrame:
        return query()

    if not hasattr(query, "__name__"):  # functools.partial
        call.__name__ = _NAMELESS
    return call


def name_of(query: Callable[..., Any], origin: Origin) -> str:
    """Return what a dataset, flow or sink without a name is called.

    Raises:
        DefinitionError: the function has no name either.
    """
    name = getattr(query, "__name__", None)
    if name is None or name == _NAMELESS:
        raise DefinitionError("a query without a name needs name=", origin=origin)
    return str(name)
