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
from dlt_stub.declare.user_delta import knowing_delta_tables
from dlt_stub.declare.user_frames import guarding_frames
from dlt_stub.declare.user_modules import user_modules
from dlt_stub.declare.user_session import UserSession
from dlt_stub.errors import DefinitionError, DltStubError, NotEmulatedError, Origin, nearest
from dlt_stub.notebooks import is_notebook, read_notebook
from dlt_stub.volume_files import DBFS, VOLUMES, finding_volumes

_INSTALL_IT = "install it where dlt_stub runs, or set root_path to the folder that holds it"
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
        user_modules(
            root,
            {**{name: _module(name) for name in NAMES}, **modules},
            volumes=session.names.path(VOLUMES) if isinstance(session, UserSession) else None,
        ),
        guarding_frames(),
        knowing_delta_tables(),
    ):
        vars(pyspark)["pipelines"] = sys.modules["pyspark.pipelines"]
        yield


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
            f"{type(error).__name__}: {error}",
            origin=origin_in(error) or Origin(path=name),
            hint=_INSTALL_IT if isinstance(error, ModuleNotFoundError) else None,
        ) from error


def _refuse_sql(text: str, origin: Origin) -> None:
    raise NotEmulatedError(
        "SQL sources are not run locally yet", origin=origin, hint="declare it in Python"
    )


def _volumes_of(session: SparkSession) -> AbstractContextManager[None]:
    if not isinstance(session, UserSession):
        return nullcontext()
    names = session.names

    def locate(path: str) -> str:
        if path.startswith(DBFS):
            raise NotEmulatedError(
                f"{path} lies in the DBFS mount, which serverless compute does not have",
                origin=user_origin(),
                hint="use a volume: /Volumes/<catalog>/<schema>/<volume>/...",
            )
        return names.path(path)

    return finding_volumes(locate)


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
