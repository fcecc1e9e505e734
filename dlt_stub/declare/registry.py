"""Where declarations go while the source files of one pipeline run."""

import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TypeVar

from dlt_stub.declare.records import Dataset, Declarations, EventHook, Expectation, Flow
from dlt_stub.errors import DefinitionError, Origin

_PACKAGE = f"{Path(__file__).parents[1].as_posix()}/"
_STANDARD_LIBRARY = f"{sysconfig.get_paths()['stdlib']}/"
R = TypeVar("R")
_INSTALLED = ("site-packages", "dist-packages")
# Flows run in threads of their own, which inherit no context variable; ``user_world`` holds a lock
# of the process, so one plain value is enough.
_shown_below: list[Path] = []


class Registry:
    """Collects datasets and flows in the order they are declared; refuses doubled names."""

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}
        self._flows: dict[str, Flow] = {}
        self._notes: list[str] = []
        self._hooks: list[EventHook] = []

    def add_dataset(self, dataset: Dataset) -> None:
        """Record ``dataset``.

        Raises:
            DefinitionError: a dataset of that name is declared already.
        """
        known = self._datasets.get(dataset.name)
        if known:
            raise DefinitionError(
                f"dataset '{dataset.name}' is defined twice, first at {known.origin}",
                origin=dataset.origin,
                hint="give one of the two another name=",
            )
        self._datasets[dataset.name] = dataset

    def add_expectations(self, name: str, expectations: tuple[Expectation, ...]) -> None:
        """Add rules to a dataset that is declared already (a decorator written above @table)."""
        dataset = self._datasets[name]
        self._datasets[name] = replace(
            dataset, expectations=joined(expectations, dataset.expectations, dataset.name)
        )

    def add_flow(self, flow: Flow) -> None:
        """Record ``flow``.

        Raises:
            DefinitionError: a flow of that name is declared already.
        """
        known = self._flows.get(flow.name)
        if known:
            raise DefinitionError(
                f"flow '{flow.name}' is defined twice, first at {known.origin}",
                origin=flow.origin,
                hint="several flows into one target need a name each",
            )
        self._flows[flow.name] = flow

    def add_hook(self, hook: EventHook) -> None:
        """Record ``hook``."""
        self._hooks.append(hook)

    def add_note(self, note: str) -> None:
        """Keep a sentence the user should see after loading."""
        self._notes.append(note)

    def finish(self) -> Declarations:
        """Return everything declared so far."""
        return Declarations(
            datasets=tuple(self._datasets.values()),
            flows=tuple(self._flows.values()),
            notes=tuple(self._notes),
            hooks=tuple(self._hooks),
        )


_active: ContextVar[Registry | None] = ContextVar("dlt_stub_registry", default=None)


@contextmanager
def recording(registry: Registry) -> Iterator[Registry]:
    """Send the declarations made inside the block to ``registry``."""
    token = _active.set(registry)
    try:
        yield registry
    finally:
        _active.reset(token)


def active_registry(word: str) -> Registry:
    """Return the registry declarations go to.

    Raises:
        DefinitionError: no pipeline source file is being loaded.
    """
    registry = _active.get()
    if registry is None:
        raise DefinitionError(
            f"dlt.{word} was called while no pipeline definition is being loaded",
            origin=user_origin(),
            hint="declare datasets at the top level of a source file, not in a query function",
        )
    return registry


@contextmanager
def showing_below(root: Path | None) -> Iterator[None]:
    """Name files below ``root`` by their path within it, in every thread, while the block runs."""
    if root is None:
        yield
        return
    _shown_below.append(root)
    try:
        yield
    finally:
        _shown_below.pop()


def shown(file: str) -> str:
    """Return ``file`` as the user names it: within the root folder where it lies below it."""
    for root in reversed(_shown_below):
        if Path(file).is_relative_to(root):
            return Path(file).relative_to(root).as_posix()
    return file


def at_statement(origin: Origin, run: Callable[[], R]) -> R:
    """Return what ``run`` returns; what it does stands at ``origin``, in a file that is no Python.

    ``user_origin`` and ``origin_in`` find this function's frame among the callers.
    """
    return run()


def user_origin() -> Origin:
    """Return the file and line of the nearest caller that is not ours."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_PACKAGE):
        if frame.f_code is at_statement.__code__:
            return _statement_origin(frame)
        frame = frame.f_back
    return Origin(path=shown(frame.f_code.co_filename), line=frame.f_lineno)


def origin_in(error: BaseException) -> Origin | None:
    """Return the innermost line of the user's own code that ``error`` passed through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_code is at_statement.__code__:
            found = _statement_origin(trace.tb_frame)
        if is_users_file(file):
            found = Origin(path=shown(file), line=trace.tb_lineno)
        trace = trace.tb_next
    return found


def _statement_origin(frame: FrameType) -> Origin:
    origin: Origin = frame.f_locals["origin"]
    return origin


def is_users_file(file: str) -> bool:
    """Return whether ``file`` is neither ours, nor Python's own, nor an installed package's."""
    if file.startswith((_PACKAGE, _STANDARD_LIBRARY, "<")):
        return False
    return not any(part in Path(file).parts for part in _INSTALLED)


def joined(
    first: tuple[Expectation, ...], second: tuple[Expectation, ...], dataset: str
) -> tuple[Expectation, ...]:
    """Return both tuples as one.

    Raises:
        DefinitionError: a name occurs twice; names are unique within a dataset.
            Source: docs "Manage data quality with pipeline expectations", 2026-11-24.
    """
    seen: dict[str, Expectation] = {}
    for expectation in (*first, *second):
        if expectation.name in seen:
            raise DefinitionError(
                f"expectation '{expectation.name}' is declared twice on dataset '{dataset}'",
                origin=expectation.origin,
                hint="expectation names are unique within a dataset",
            )
        seen[expectation.name] = expectation
    return tuple(seen.values())
