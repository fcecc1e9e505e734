"""Temporary views that a query function makes: they are that function's own.

Query functions run side by side, again and again, on one session, whose views would overwrite each
other; so a view made while one runs is kept with what answers its reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql.classic.dataframe import DataFrame

from dlt_stub.declare.reads import reads_or_none
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError

_MAKING = ("createTempView", "createOrReplaceTempView", "registerTempTable")
_GLOBAL = ("createGlobalTempView", "createOrReplaceGlobalTempView")


@contextmanager
def own_temp_views() -> Iterator[None]:
    """Keep the temporary views that query functions make inside the block with their reads."""
    before = {name: vars(DataFrame)[name] for name in (*_MAKING, *_GLOBAL)}
    for name, method in before.items():
        setattr(DataFrame, name, _keeping(name, method))
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(DataFrame, name, method)


def _keeping(name: str, method: Any) -> Any:  # a method of pyspark's DataFrame
    def make(self: DataFrame, view: str) -> None:
        reads = reads_or_none()
        if reads is None:
            method(self, view)
        elif name in _GLOBAL:
            raise NotEmulatedError(
                f"{name} inside a query function is not run locally: other functions would see "
                "what may not be made yet",
                origin=user_origin(),
                hint="@dlt.view makes what several datasets read",
            )
        else:
            reads.temp_views[view.strip("`").lower()] = self

    make.__name__ = name
    return make
