"""Which modules user code imports for the time of an update, and how they reach the workers.

Helpers are modules of the user's own: files below the pipeline's root, or below a folder that user
code itself puts on ``sys.path``. Python workers know neither, so functions of helpers are sent to
them by value, whenever they were imported: at the top of a source file or within a query function.

Source: docs "Import Python modules from Git folders or workspace files", 2026-11-24.
"""

import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyspark import cloudpickle
from pyspark.serializers import CloudPickleSerializer

from dlt_stub import volume_files

_OURS = "dlt_stub"
_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def user_modules(
    root: Path | None, given: Mapping[str, types.ModuleType], *, volumes: str | None = None
) -> Iterator[None]:
    """Let the modules below ``root`` and those ``given`` be imported inside the block.

    ``volumes`` is the folder that Python workers find as ``/Volumes``.

    A helper that is imported already may be another text by now, or another's of the same name: it
    is out of sight inside the block and back after it, and what the block imported is gone.
    """
    before, path = dict(sys.modules), list(sys.path)
    own = _names_below(root)
    hidden = [
        name
        for name, module in before.items()
        if _is_given(name, given) or name.partition(".")[0] in own or _is_below(module, root)
    ]
    for name in hidden:
        del sys.modules[name]
    sys.modules.update(given)
    if root is not None:
        sys.path.insert(0, str(root))

    def helpers() -> list[types.ModuleType]:
        new = [Path(entry).absolute() for entry in sys.path if entry and entry not in path]
        return [
            module
            for name, module in list(sys.modules.items())
            if before.get(name) is not module
            and getattr(module, "__name__", None) == name
            and _is_below(module, *new, root)
        ]

    try:
        with _sent_by_value(helpers, volumes):
            yield
    finally:
        # Judged before any of them goes: a folder without __init__.py asks for its parent.
        gone = {name for name in sys.modules if _is_given(name, given)}
        gone.update(module.__name__ for module in helpers())
        for name in gone:
            sys.modules.pop(name, None)
        for name, module in before.items():
            if name in hidden or name in gone or name not in sys.modules:
                sys.modules[name] = module
        sys.path[:] = path  # last: a folder without __init__.py lies where the path says


@contextmanager
def _sent_by_value(
    helpers: Callable[[], list[types.ModuleType]], volumes: str | None
) -> Iterator[None]:
    """Send helpers by value inside the block, those first imported in it too."""
    original = CloudPickleSerializer.dumps
    registered: set[str] = set()

    def send(module: types.ModuleType) -> None:
        if module.__name__ not in _by_value():
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
            registered.add(module.__name__)

    def dumps(self: CloudPickleSerializer, obj: object) -> bytes:
        if _is_command(obj):  # and not a batch of rows
            for module in helpers():
                send(module)
            if volumes is not None:
                send(volume_files)
                obj = volume_files.for_workers(obj, volumes=volumes)
        found: bytes = original(self, obj)  # type: ignore[no-untyped-call]
        return found

    CloudPickleSerializer.dumps = dumps  # type: ignore[method-assign]
    try:
        yield
    finally:
        CloudPickleSerializer.dumps = original  # type: ignore[method-assign]
        for name in registered & _by_value():
            # It asks for the name only, and for that of a module.
            cloudpickle.unregister_pickle_by_value(types.ModuleType(name))  # type: ignore[no-untyped-call]


def _is_command(obj: object) -> bool:
    """Return whether it is a function for the workers, as Spark hands it to its serializer."""
    return callable(obj[0] if isinstance(obj, tuple) and obj else obj)


def _by_value() -> set[str]:
    names: set[str] = cloudpickle.list_registry_pickle_by_value()  # type: ignore[no-untyped-call]
    return names


def _is_given(name: str, given: Mapping[str, types.ModuleType]) -> bool:
    return name in given or name.startswith(tuple(f"{each}." for each in given))


def _names_below(root: Path | None) -> set[str]:
    """Return the top-level modules and packages that ``import`` finds in ``root`` first."""
    if root is None:
        return set()
    files = {file.stem for file in root.glob("*.py")}
    folders = {file.parent.name for file in root.glob("*/*.py")}
    return (files | folders) - {_OURS, "pyspark", "__main__", *sys.stdlib_module_names}


def _is_below(module: object, *folders: Path | None) -> bool:
    """Return whether ``module`` is a file or folder below ``folders``, and no installed one."""
    name = getattr(module, "__name__", None)
    if not isinstance(module, types.ModuleType) or name == "__main__":
        return False
    if module.__name__.partition(".")[0] == _OURS:
        return False
    places = [module.__file__] if getattr(module, "__file__", None) else _folders_of(module)
    paths = [Path(place) for place in places if place]
    return any(
        path.is_relative_to(folder) and not any(part in path.parts for part in _INSTALLED)
        for path in paths
        for folder in folders
        if folder is not None
    )


def _folders_of(module: types.ModuleType) -> Sequence[str]:
    """Return the folders of a package without ``__init__.py``."""
    spec = module.__spec__
    try:
        return list((spec.submodule_search_locations if spec else None) or ())
    except KeyError:  # its parent is no longer imported
        return ()
