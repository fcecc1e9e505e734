"""The world user code runs in: ``dlt`` importable, ``spark`` a global, helper modules found.

All of it is put in place for one block and taken away after it, so that dltHub's ``dlt`` or
databricks-dlt installed beside us is untouched outside a pipeline update.
"""

import sys
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import cloudpickle
from pyspark.sql import SparkSession

from dlt_stub.declare.api import exported
from dlt_stub.declare.records import Declarations
from dlt_stub.declare.registry import Registry, recording
from dlt_stub.errors import DefinitionError, DltStubError, NotEmulatedError, Origin

_TAKEN = ("dlt", "pyspark.pipelines")
_one_at_a_time = threading.RLock()


@contextmanager
def user_world(session: SparkSession, *, root: Path | None) -> Iterator[None]:
    """Let user code import ``dlt`` and the modules below ``root``, and find ``session`` active.

    ``sys.modules`` belongs to the process, so a second block waits for the first to end.
    """
    with _one_at_a_time:
        before = dict(sys.modules)
        path = list(sys.path)
        instantiated, active = SparkSession._instantiatedSession, SparkSession.getActiveSession
        for name in list(sys.modules):
            if name in _TAKEN or name.startswith(tuple(f"{taken}." for taken in _TAKEN)):
                del sys.modules[name]
        sys.modules["dlt"] = _module("dlt", exported())
        sys.modules["pyspark.pipelines"] = _refusing_module("pyspark.pipelines")
        SparkSession._instantiatedSession = session
        SparkSession.getActiveSession = classmethod(lambda cls: session)  # type: ignore[assignment, method-assign]
        if root is not None:
            sys.path.insert(0, str(root))
        try:
            yield
        finally:
            sys.path[:] = path
            SparkSession._instantiatedSession = instantiated
            SparkSession.getActiveSession = active  # type: ignore[method-assign]
            for name in set(sys.modules) - set(before):
                if name in _TAKEN or (root is not None and _is_below(sys.modules[name], root)):
                    del sys.modules[name]
            sys.modules.update({n: m for n, m in before.items() if n not in sys.modules})
            for name in _TAKEN:
                if name in before:
                    sys.modules[name] = before[name]
                else:
                    sys.modules.pop(name, None)


def load_declarations(
    files: Sequence[Path], *, root: Path | None, user_globals: dict[str, Any]
) -> Declarations:
    """Run the source files in order, inside ``user_world``, and return what they declare.

    Raises:
        DefinitionError: a file raises, or declares nothing valid; names file and line.
        NotEmulatedError: a file is of a kind that is not run yet (SQL, notebook cells with magics).
    """
    registry = Registry(root)
    with recording(registry):
        for file in files:
            _run_file(file, root=root, user_globals=user_globals)
    if root is not None:
        _pickle_helpers_by_value(root)
    return registry.finish()


def _run_file(file: Path, *, root: Path | None, user_globals: dict[str, Any]) -> None:
    shown = file.relative_to(root).as_posix() if root and file.is_relative_to(root) else str(file)
    if file.suffix != ".py":
        raise NotEmulatedError(
            f"{file.suffix or 'extensionless'} sources are not run locally yet",
            origin=Origin(path=shown),
            hint="only .py source files run here now",
        )
    text = file.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# MAGIC") and not line.startswith("# MAGIC %md"):
            raise NotEmulatedError(
                "notebook cells with magics are not run locally yet",
                origin=Origin(path=shown, line=number),
            )
    namespace = {"__name__": "__main__", "__file__": str(file), **user_globals}
    try:
        exec(compile(text, str(file), "exec"), namespace)  # noqa: S102 - running it is the point
    except DltStubError:
        raise
    except SyntaxError as error:
        raise DefinitionError(
            f"the file cannot be parsed: {error.msg}",
            origin=Origin(path=shown, line=error.lineno, column=error.offset),
        ) from error
    except Exception as error:
        raise DefinitionError(
            f"{type(error).__name__}: {error}", origin=origin_of(error, file, shown)
        ) from error


def origin_of(error: BaseException, file: Path, shown: str) -> Origin:
    """Return the deepest line of ``file`` in the traceback of ``error``."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(file):
            line = trace.tb_lineno
        trace = trace.tb_next
    return Origin(path=shown, line=line)


def _pickle_helpers_by_value(root: Path) -> None:
    """Let UDFs of helper modules reach the Python workers, which have no such ``sys.path``."""
    for module in list(sys.modules.values()):
        if _is_below(module, root):
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _is_below(module: object, root: Path) -> bool:
    file = getattr(module, "__file__", None)
    if not file or not hasattr(module, "__spec__"):
        return False
    if str(getattr(module, "__name__", "")).partition(".")[0] == "dlt_stub":
        return False
    path = Path(file)
    return path.is_relative_to(root) and "site-packages" not in path.parts


def _module(name: str, members: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name, "dlt_stub's pipeline module, present during an update only.")
    vars(module).update(members, __all__=sorted(members))
    return module


def _refusing_module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)

    def refuse(attribute: str) -> Any:  # module __getattr__
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise NotEmulatedError(
            f"{name}.{attribute} is not run locally yet", hint="import dlt works today"
        )

    module.__getattr__ = refuse  # type: ignore[method-assign]
    return module
