"""What a user's code may do with a DataFrame: query functions return it, other code may write it.

Source: docs "Lakeflow Spark Declarative Pipelines Python language reference", considerations:
operations that dataset code must never use, and pivot(), 2026-11-24.
"""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame, GroupedData
from pyspark.sql.classic.dataframe import DataFrame as ClassicFrame
from pyspark.sql.readwriter import DataFrameWriter

from dlt_stub.declare.reads import reads_or_none
from dlt_stub.declare.registry import is_users_file, user_origin
from dlt_stub.declare.user_session import UserSession
from dlt_stub.errors import DefinitionError, NotEmulatedError

_ACTIONS = frozenset(
    {"collect", "count", "first", "foreach", "foreachPartition", "head", "isEmpty"}
    | {"rdd", "tail", "take", "toArrow", "toLocalIterator", "toPandas"}
)
_WRITES = ("write", "writeStream", "writeTo", "mergeInto")


@contextmanager
def guarding_frames() -> Iterator[None]:
    """Refuse, while the block runs, what query functions must not do with a DataFrame.

    Writes that other code of the user's makes reach the workspace's tables and volumes.
    """
    names = [name for name in (*_ACTIONS, *_WRITES) if name in vars(ClassicFrame)]
    frames = {name: vars(ClassicFrame)[name] for name in names}
    pivot = GroupedData.pivot
    for name, member in frames.items():
        replaced: Any = (
            _read_guard(name, member) if name in _ACTIONS else _write_guard(name, member)
        )
        setattr(ClassicFrame, name, replaced)
    GroupedData.pivot = _pivot_guard(pivot)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for name, member in frames.items():
            setattr(ClassicFrame, name, member)
        GroupedData.pivot = pivot  # type: ignore[method-assign]


def _read_guard(name: str, action: Any) -> Any:  # a method, or a property
    def check() -> None:
        reads = reads_or_none()
        if reads is not None and reads.has_read_datasets:
            raise NotEmulatedError(
                f"{name} in a query function that reads this pipeline's datasets is not run "
                "locally: they are empty while the graph is resolved",
                origin=user_origin(),
                hint="return a DataFrame and let Spark compute it; code outside query functions "
                "may ask tables of other pipelines",
            )

    if isinstance(action, property | functools.cached_property):
        compute = action.fget if isinstance(action, property) else action.func

        def get(self: DataFrame) -> Any:
            if _is_users(sys._getframe(1)):
                check()
            assert compute is not None
            return compute(self)

        return property(get, doc=action.__doc__)

    @functools.wraps(action)
    def call(self: DataFrame, *args: Any, **kwargs: Any) -> Any:
        if _is_users(sys._getframe(1)):
            check()
        return action(self, *args, **kwargs)

    return call


def _write_guard(name: str, member: Any) -> Any:  # a method, or a property
    def check() -> None:
        if reads_or_none() is not None:
            raise DefinitionError(
                f"a query function writes ({name}); it must only return a DataFrame",
                origin=user_origin(),
                hint="the pipeline writes what it returns; foreach_batch_sink writes elsewhere",
            )

    if isinstance(member, property):

        def get(self: DataFrame) -> Any:
            if _is_users(sys._getframe(1)):
                check()
                if name == "write" and isinstance(self.sparkSession, UserSession):
                    return UserWriter(self, self.sparkSession)
            assert member.fget is not None
            return member.fget(self)

        return property(get, doc=member.__doc__)

    @functools.wraps(member)
    def call(self: DataFrame, *args: Any, **kwargs: Any) -> Any:
        if _is_users(sys._getframe(1)):
            check()
            if name in ("writeTo", "mergeInto") and isinstance(self.sparkSession, UserSession):
                raise NotEmulatedError(
                    f"{name} is not run locally: what it makes would be forgotten",
                    origin=user_origin(),
                    hint="df.write.saveAsTable, or DeltaTable.forName(spark, name).merge",
                )
        return member(self, *args, **kwargs)

    return call


def _pivot_guard(pivot: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(pivot)
    def call(self: GroupedData, *args: Any, **kwargs: Any) -> Any:
        if reads_or_none() is not None and _is_users(sys._getframe(1)):
            raise DefinitionError(
                "pivot() is not supported in pipelines: it must read the data to know its columns",
                origin=user_origin(),
                hint="aggregate each value by itself: F.sum(F.when(column == value, amount))",
            )
        return pivot(self, *args, **kwargs)

    return call


class UserWriter(DataFrameWriter):
    """Spark's writer, for which volume paths and the workspace's table names mean something."""

    def __init__(self, frame: DataFrame, session: UserSession) -> None:
        super().__init__(frame)
        self._names = session.names
        self._source = "delta"  # Databricks' default
        super().format("delta")

    def format(self, source: str) -> "UserWriter":
        """Write in the format ``source``."""
        self._source = source.lower()
        super().format(source)
        return self

    def option(self, key: str, value: Any) -> "UserWriter":
        """Set one option; a path is one of the workspace."""
        is_path = key.lower() == "path" and isinstance(value, str)
        super().option(key, self._names.path(value) if is_path else value)
        return self

    def options(self, **options: Any) -> "UserWriter":
        """Set options; a path is one of the workspace."""
        for key, value in options.items():
            self.option(key, value)
        return self

    def save(
        self,
        path: str | None = None,
        format: str | None = None,
        mode: str | None = None,
        partitionBy: str | list[str] | None = None,  # Spark's own spelling
        **options: Any,
    ) -> None:
        """Write to ``path`` of the workspace."""
        if format is not None:
            self.format(format)
        self.options(**options)
        where = None if path is None else self._names.path(path)
        super().save(where, None, mode, partitionBy)

    def saveAsTable(
        self,
        name: str,
        format: str | None = None,
        mode: str | None = None,
        partitionBy: str | list[str] | None = None,  # Spark's own spelling
        **options: Any,
    ) -> None:
        """Write to a Delta table of the workspace that no pipeline makes, and publish it.

        Raises:
            UsageError: a pipeline makes that table.
            NotEmulatedError: the format is another.
        """
        if format is not None:
            self.format(format)
        if self._source != "delta":
            raise NotEmulatedError(
                f"saveAsTable({name!r}) in format {self._source!r} is not run locally: the "
                "workspace's tables are Delta tables",
                origin=user_origin(),
            )
        self.options(**options)
        entry = self._names.outside(name)
        super().save(entry.location, None, mode, partitionBy)
        self._names.publish(entry)

    def insertInto(self, tableName: str, overwrite: bool | None = None) -> None:
        """Insert by position into a table of the workspace that no pipeline makes."""
        self._names.outside(tableName)
        self._names.know(tableName)
        super().insertInto(tableName, overwrite)


def _is_users(frame: Any) -> bool:  # a frame object
    return is_users_file(frame.f_code.co_filename)


def _on_path(method: str) -> Callable[..., None]:
    plain = getattr(DataFrameWriter, method)

    @functools.wraps(plain)
    def call(self: UserWriter, path: str, *args: Any, **kwargs: Any) -> None:
        plain(self, self._names.path(path), *args, **kwargs)

    return call


for _method in ("csv", "json", "orc", "parquet", "text", "xml"):
    setattr(UserWriter, _method, _on_path(_method))
