"""``DeltaTable`` as user code finds it: by the workspace's table names and volume paths."""

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from dlt_stub.declare.registry import is_users_file, user_origin
from dlt_stub.declare.user_session import UserSession
from dlt_stub.errors import NotEmulatedError

_CREATORS = ("create", "createIfNotExists", "createOrReplace", "replace")
_BY_PATH = ("forPath", "isDeltaTable", "convertToDelta")


@contextmanager
def knowing_delta_tables() -> Iterator[None]:
    """Let ``DeltaTable`` find the workspace's tables inside the block; making one is refused."""
    before = {name: vars(DeltaTable)[name] for name in ("forName", *_BY_PATH, *_CREATORS)}
    replaced = {"forName": _by_name(before["forName"].__func__)}
    replaced |= {name: _by_path(before[name].__func__) for name in _BY_PATH}
    replaced |= {name: _refusing(name, before[name].__func__) for name in _CREATORS}
    for name, member in replaced.items():
        setattr(DeltaTable, name, classmethod(member))
    try:
        yield
    finally:
        for name, member in before.items():
            setattr(DeltaTable, name, member)


def _by_name(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def find(cls: type, sparkSession: SparkSession, tableOrViewName: str) -> Any:
        if isinstance(sparkSession, UserSession) and _is_users(sys._getframe(1)):
            sparkSession.names.know(tableOrViewName)
        return original(cls, sparkSession, tableOrViewName)

    return find


def _by_path(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def find(cls: type, sparkSession: SparkSession, *args: Any, **kwargs: Any) -> Any:
        if isinstance(sparkSession, UserSession) and _is_users(sys._getframe(1)):
            args = tuple(_mapped(sparkSession, each) for each in args)
            kwargs = {name: _mapped(sparkSession, each) for name, each in kwargs.items()}
        return original(cls, sparkSession, *args, **kwargs)

    return find


def _mapped(session: UserSession, argument: Any) -> Any:
    return session.names.path(argument) if isinstance(argument, str) else argument


def _refusing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def refuse(cls: type, sparkSession: SparkSession | None = None) -> Any:
        session = sparkSession or SparkSession.getActiveSession()
        if not isinstance(session, UserSession) or not _is_users(sys._getframe(1)):
            return original(cls, sparkSession)
        raise NotEmulatedError(
            f"DeltaTable.{name} is not run locally: the table would be forgotten with the process",
            origin=user_origin(),
            hint="spark.createDataFrame([], schema).write.saveAsTable(name)",
        )

    return refuse


def _is_users(frame: Any) -> bool:  # a frame object
    return is_users_file(frame.f_code.co_filename)
