"""``spark_conf``: Spark settings that hold while one flow is analysed or run, and for it alone."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from dlt_stub.declare.records import AppendFlow, Dataset, Flow
from dlt_stub.errors import DefinitionError

_OURS = "pipelines."  # what a setting of Databricks' own begins with


class FlowSettings:
    """Lets flows of one session run side by side, and one that has settings of its own alone.

    A session has one set of settings, and its flows run in threads: a flow that changes them waits
    until no other runs, and others wait for it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._is_alone = False
        self._waiting = 0

    @contextmanager
    def of(self, flow: Flow, target: Dataset, session: SparkSession) -> Iterator[None]:
        """Apply the settings of ``flow`` to ``session`` while the block runs.

        Raises:
            DefinitionError: Spark does not let a session change one of them.
        """
        settings = settings_of(flow, target)
        if not settings:
            with self._shared():
                yield
            return
        with self._alone(), _set(settings, flow, session):
            yield

    @contextmanager
    def _shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._waiting)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._is_alone and not self._sharing)
            finally:
                self._waiting -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()


def settings_of(flow: Flow, target: Dataset) -> Mapping[str, str]:
    """Return the settings ``flow`` runs with: its target's, and its own before them.

    Source: docs "update_flow", spark_conf: a flow's override its destination's, 2026-11-24.
    """
    own = flow.spark_conf if isinstance(flow, AppendFlow) else {}
    return {**target.spark_conf, **own}


def unknown_settings(flow: Flow, target: Dataset, session: SparkSession) -> list[str]:
    """Return the settings of ``flow`` that nothing here reads: they change nothing."""
    return [
        key
        for key in settings_of(flow, target)
        if not key.startswith(_OURS) and not session.conf.isModifiable(key)
    ]


@contextmanager
def _set(settings: Mapping[str, str], flow: Flow, session: SparkSession) -> Iterator[None]:
    before: dict[str, str | None] = {}
    try:
        for key, value in settings.items():
            was = session.conf.get(key, None)
            try:
                session.conf.set(key, value)
            except PySparkException as error:
                raise DefinitionError(
                    f"spark_conf {key!r} of flow '{flow.name}' cannot be set for one flow: "
                    f"{str(error).splitlines()[0]}",
                    origin=flow.origin,
                    hint="put it into the pipeline's configuration",
                ) from error
            before[key] = was
        yield
    finally:
        for key, was in before.items():
            if was is None:
                session.conf.unset(key)
            else:
                session.conf.set(key, was)
