"""The world user code runs in: ``dlt`` importable, ``spark`` a global, helper modules found.

All of it is put in place for one block and taken away after it, so that dltHub's ``dlt`` or
databricks-dlt installed beside us is untouched outside a pipeline update.
"""

import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyspark
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from dlt_stub.declare.api import NAMES, REFUSED
from dlt_stub.declare.notebook_sources import DeclareSql, NotebookSource
from dlt_stub.declare.records import Declarations
from dlt_stub.declare.registry import (
    Registry,
    origin_in,
    recording,
    showing_below,
    shown,
    user_origin,
)
from dlt_stub.declare.temp_views import own_temp_views
from dlt_stub.declare.user_session import UserSession
from dlt_stub.errors import DefinitionError, DltStubError, NotEmulatedError, Origin, nearest
from dlt_stub.notebooks import is_notebook, read_notebook
from dlt_stub.volume_files import finding_volumes

_TAKEN = tuple(NAMES)  # dlt, pyspark.pipelines
_OURS = "dlt_stub"
_NONE: Mapping[str, types.ModuleType] = types.MappingProxyType({})
_one_at_a_time = threading.RLock()


@contextmanager
def user_world(
    session: SparkSession, *, root: Path | None, modules: Mapping[str, types.ModuleType] = _NONE
) -> Iterator[None]:
    """Let user code import ``dlt`` and the modules below ``root``, and find ``session`` active.

    ``modules`` can be imported too, and a ``UserSession`` makes ``/Volumes`` paths work.
    ``sys.modules`` belongs to the process, so a second block waits for the first to end.
    """
    with (
        _one_at_a_time,
        showing_below(root),
        _statics(session),
        _volumes_of(session),
        own_temp_views(),
    ):
        before, path = dict(sys.modules), list(sys.path)
        # A helper imported by an earlier update, or by a test, may be another text by now; one of
        # the same name from elsewhere would be found instead of the user's own.
        own = _names_below(root)
        for name in [
            n
            for n, m in before.items()
            if _is_taken(n) or _is_below(m, root) or n.partition(".")[0] in own
        ]:
            del sys.modules[name]
        sys.modules.update({name: _module(name) for name in _TAKEN})
        vars(pyspark)["pipelines"] = sys.modules["pyspark.pipelines"]
        replaced = {name: before[name] for name in modules if name in before}
        sys.modules.update(modules)
        if root is not None:
            sys.path.insert(0, str(root))
        try:
            yield
        finally:
            for name in modules:
                sys.modules.pop(name, None)
            sys.modules.update(replaced)
            for name, module in list(sys.modules.items()):
                if name not in before and (_is_taken(name) or _is_below(module, root)):
                    _forget_pickling(module)
                    del sys.modules[name]
            for name, module in before.items():
                found = sys.modules.get(name)
                if found is not module and (
                    found is None
                    or _is_taken(name)
                    or _is_below(module, root)
                    or _is_below(found, root)
                ):
                    _forget_pickling(found)
                    sys.modules[name] = module
            sys.path[:] = path  # last: a folder without __init__.py lies where the path says


def load_declarations(
    files: Sequence[Path],
    *,
    root: Path | None,
    user_globals: dict[str, Any],
    declare_sql: DeclareSql | None = None,
    runs_magics: bool = False,
) -> Declarations:
    """Run the source files in order, inside ``user_world``, and return what they declare.

    Raises:
        DefinitionError: a file raises, or declares nothing valid; names file and line.
        NotEmulatedError: a file is of a kind that is not run.
    """
    registry = Registry()
    with showing_below(root), recording(registry):
        for file in files:
            source = NotebookSource(
                namespace={"__name__": "__main__", **user_globals},
                declare_sql=declare_sql or _refuse_sql,
                note=registry.add_note,
                runs_magics=runs_magics,
            )
            _run_file(file, source)
    if root is not None:
        _pickle_helpers_by_value(root)
    return registry.finish()


def _run_file(file: Path, source: NotebookSource) -> None:
    name = shown(str(file))
    try:
        if is_notebook(file):
            source.run(read_notebook(file))
        elif file.suffix == ".py":
            source.namespace["__file__"] = str(file)  # a notebook has none
            text = file.read_text(encoding="utf-8-sig")
            exec(compile(text, str(file), "exec"), source.namespace)  # noqa: S102 - the point
        elif file.suffix == ".sql":
            source.declare_sql(file.read_text(encoding="utf-8-sig"), Origin(path=name, line=1))
        else:
            raise NotEmulatedError(
                f"{file.suffix or 'extensionless'} sources are not run locally",
                origin=Origin(path=name),
                hint="source files end in .py, .sql or .ipynb",
            )
    except DltStubError:
        raise
    except SyntaxError as error:
        raise DefinitionError(
            f"the file cannot be parsed: {error.msg}",
            origin=Origin(path=shown(error.filename or str(file)), line=error.lineno),
        ) from error
    except (Exception, SystemExit) as error:
        raise DefinitionError(
            f"{type(error).__name__}: {error}", origin=origin_in(error) or Origin(path=name)
        ) from error


def _refuse_sql(text: str, origin: Origin) -> None:
    raise NotEmulatedError(
        "SQL sources are not run locally yet", origin=origin, hint="declare it in Python"
    )


def _volumes_of(session: SparkSession) -> AbstractContextManager[None]:
    return (
        finding_volumes(session.names.path) if isinstance(session, UserSession) else nullcontext()
    )


@contextmanager
def _statics(session: SparkSession) -> Iterator[None]:
    """Let ``SparkSession.builder.getOrCreate()`` and ``getActiveSession()`` give ``session``."""
    was_instantiated = SparkSession._instantiatedSession
    was_current = SparkSession._activeSession  # createDataFrame changes it
    # The descriptor itself: what attribute access gives is bound already.
    was_active = vars(SparkSession)["getActiveSession"]
    had_pipelines = vars(pyspark).get("pipelines")
    SparkSession._instantiatedSession = session
    SparkSession.getActiveSession = classmethod(lambda cls: session)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        SparkSession._instantiatedSession = was_instantiated
        SparkSession._activeSession = was_current
        SparkSession.getActiveSession = was_active  # type: ignore[method-assign]
        # ``from pyspark import pipelines`` looks here before it looks for a module.
        vars(pyspark).pop("pipelines", None)
        if had_pipelines is not None:
            vars(pyspark)["pipelines"] = had_pipelines


def _pickle_helpers_by_value(root: Path) -> None:
    """Let UDFs of helper modules reach the Python workers, which have no such ``sys.path``."""
    for module in list(sys.modules.values()):
        if _is_below(module, root):
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _forget_pickling(module: object) -> None:
    if isinstance(module, types.ModuleType) and module.__name__ in _by_value():
        cloudpickle.unregister_pickle_by_value(module)  # type: ignore[no-untyped-call]


def _by_value() -> set[str]:
    names: set[str] = cloudpickle.list_registry_pickle_by_value()  # type: ignore[no-untyped-call]
    return names


def _is_taken(name: str) -> bool:
    return name in _TAKEN or name.startswith(tuple(f"{taken}." for taken in _TAKEN))


def _names_below(root: Path | None) -> set[str]:
    """Return the top-level modules and packages that ``import`` finds in ``root`` first."""
    if root is None:
        return set()
    files = {file.stem for file in root.glob("*.py")}
    folders = {file.parent.name for file in root.glob("*/*.py")}
    return (files | folders) - {_OURS, "pyspark", "__main__", *sys.stdlib_module_names}


def _is_below(module: object, root: Path | None) -> bool:
    """Return whether ``module`` is a helper of the user's: a file below ``root``, not installed."""
    name = getattr(module, "__name__", None)
    if root is None or not isinstance(module, types.ModuleType) or name == "__main__":
        return False
    if module.__name__.partition(".")[0] == _OURS:
        return False
    spec = module.__spec__
    places = [module.__file__] if getattr(module, "__file__", None) else []
    if not places and spec is not None:
        places = list(spec.submodule_search_locations or ())  # a folder without __init__.py
    paths = [Path(place) for place in places if place]
    return any(p.is_relative_to(root) and "site-packages" not in p.parts for p in paths)


def _module(name: str) -> types.ModuleType:
    """Return the module ``name``: what it offers, and the names it refuses with the reason."""
    module = types.ModuleType(name, "dlt_stub's pipeline module, present during an update only.")
    vars(module).update(NAMES[name], __all__=sorted(NAMES[name]))
    module.__getattr__ = _refusing(name)  # type: ignore[method-assign]
    return module


def _refusing(module: str) -> Callable[[str], Any]:
    def refuse(attribute: str) -> Any:  # a module's __getattr__: it never returns
        why = REFUSED[module].get(attribute)
        if why is None:
            near = nearest(attribute, NAMES[module])
            hint = f"; did you mean {near}?" if near else ""
            raise AttributeError(f"module {module!r} has no attribute {attribute!r}{hint}")
        raise NotEmulatedError(
            f"{module}.{attribute} is not run locally: {why}", origin=user_origin()
        )

    return refuse
