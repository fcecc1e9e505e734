"""Lets ``open``, ``os``, ``pathlib``, ``shutil`` and ``glob`` find ``/Volumes/...``.

On Databricks a volume is a folder of every machine, so user code opens its files by name. For the
time that user code runs, the functions of Python that take a path are wrapped: a path that begins
with ``/Volumes/`` is looked for in the local workspace, one of ``/dbfs/`` is for ``locate`` to
refuse, and any other is left alone. Libraries that
open files in C see no such folder; their own error is loud.

Source: docs "Work with files in Unity Catalog volumes", 2026-11-24.
"""

import builtins
import functools
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

VOLUMES = "/Volumes"
DBFS = "/dbfs"  # where classic compute mounts DBFS; serverless compute has no such folder
_ROOTS = (VOLUMES, DBFS)
# They act on a link, not on what it leads to: looking at one and removing it is no way out.
_ON_LINKS = frozenset(
    {"lchown", "lstat", "readlink", "remove", "rename", "replace", "rmdir", "symlink", "unlink"}
)
# Functions of ``os`` by how many of their first arguments are paths. Those that ``os`` builds of
# these (``walk``, ``makedirs``, ...) are left out: wrapped too, they would hide the volume's name.
_PATHS = {
    1: "access chmod chown getxattr lchown listdir listxattr lstat mkdir mkfifo open readlink "
    "remove removexattr rmdir scandir setxattr stat statvfs truncate unlink utime",
    2: "link rename replace symlink",
}
_Locate = Callable[[str], str]


@contextmanager
def finding_volumes(locate: _Locate) -> Iterator[None]:
    """Find ``/Volumes`` paths where ``locate`` says, for every thread, inside the block."""
    undo = _install(locate)
    try:
        yield
    finally:
        undo()


def for_workers(command: object, *, volumes: str) -> object:
    """Return ``command`` so that a Python worker that unpickles it finds ``/Volumes``, too.

    ``volumes`` is the folder that stands for ``/Volumes``; this module is to be pickled by value.
    """
    return _Command(command, volumes)


def _install(locate: _Locate) -> Callable[[], None]:
    """Wrap the functions that take a path, and return what gives them back."""
    place = _Place(locate)
    places: list[tuple[Any, str, Any]] = []  # Any: modules, and what they hold
    added: list[tuple[set[Any], Any]] = []

    def put(module: Any, name: str, count: int) -> None:
        original = getattr(module, name)
        wrapper = _Wrapped(original, count, place)
        places.append((module, name, original))
        setattr(module, name, wrapper)
        for members in (
            os.supports_dir_fd,
            os.supports_fd,
            os.supports_follow_symlinks,
            os.supports_effective_ids,
        ):
            if original in members:
                members.add(wrapper)
                added.append((members, wrapper))

    def undo() -> None:
        for module, name, original in reversed(places):
            setattr(module, name, original)
        for members, wrapper in added:
            members.discard(wrapper)

    put(builtins, "open", 1)
    put(io, "open", 1)
    for count, names in _PATHS.items():
        for name in names.split():
            if hasattr(os, name):
                put(os, name, count)
    return undo


def _install_in_worker(volumes: str) -> None:
    """Find volumes below the folder ``volumes`` from now on: a worker is reused by others."""
    state = vars(sys)
    if "_dlt_stub_volumes" not in state:
        state["_dlt_stub_volumes"] = volumes
        _install(_in_worker)
    state["_dlt_stub_volumes"] = volumes


def _in_worker(path: str) -> str:
    if not path.startswith(VOLUMES):
        raise RuntimeError(f"{path} lies in a mount that serverless compute does not have")
    folder: str = vars(sys)["_dlt_stub_volumes"]
    local = folder + path[len(VOLUMES) :]
    # As WorkspacePaths.to_local refuses it; this module is all of ours that a worker has.
    own = os.path.realpath("/".join([folder, *path.split("/")[2:5]]))
    if ".." in path.split("/") or not f"{os.path.realpath(local)}/".startswith(f"{own}/"):
        raise RuntimeError(f"path {path!r} leaves its volume")
    return local


class _Command:
    """What a worker runs; unpickled, it is what was put in."""

    def __init__(self, command: object, volumes: str) -> None:
        self._command = command
        self._volumes = volumes

    def __reduce__(self) -> tuple[Any, ...]:
        # In this order: the command may hold functions of ``os`` that user code imported by name.
        return _second, (_Installation(self._volumes), self._command)


class _Installation:
    """Unpickled, it has found volumes."""

    def __init__(self, volumes: str) -> None:
        self._volumes = volumes

    def __reduce__(self) -> tuple[Any, ...]:
        return _install_in_worker, (self._volumes,)


def _second(first: object, second: object) -> object:
    return second


class _Place:
    """Knows where volumes lie, and asks the machine itself, not the wrapped functions."""

    def __init__(self, locate: _Locate) -> None:
        self._locate = locate
        self._stat = os.stat

    def local(self, path: Any, *, follows: bool = True) -> Any:
        """Return the local path of a path in a volume; anything else as it is.

        Unless it ``follows``, only what stands above the last name has to stay in the volume.
        """
        # Bytes and file descriptors are the callers' business: neither names a volume.
        if not isinstance(path, str | os.PathLike):
            return path
        text = os.fspath(path)
        if not isinstance(text, str) or not text.startswith(_ROOTS):
            return path
        if not (text in (VOLUMES, DBFS) or text.startswith((f"{VOLUMES}/", f"{DBFS}/"))):
            return path
        if self._is_disk(text):
            return path
        above, _, name = text.rstrip("/").rpartition("/")
        if follows or above in ("", *_ROOTS) or name in (".", ".."):
            return self._locate(text)
        return f"{self._locate(above)}/{name}"

    def _is_disk(self, text: str) -> bool:
        """Return whether this machine has a disk of that name: macOS mounts them in /Volumes."""
        name = "/".join(text.split("/", 3)[:3])
        if name.rstrip("/") in _ROOTS:
            return False
        try:
            self._stat(name)
        except OSError:
            return False
        return True


class _Wrapped:
    """A function whose first ``count`` arguments are looked for in volumes."""

    def __init__(self, function: Callable[..., Any], count: int, place: _Place) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._count = count
        self._place = place

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # whatever the function takes
        given = args[: self._count]
        follows = self._function.__name__ not in _ON_LINKS and kwargs.get("follow_symlinks", True)
        found = tuple(self._place.local(each, follows=follows) for each in given)
        if found == given:
            return self._function(*args, **kwargs)
        try:
            result = self._function(*found, *args[self._count :], **kwargs)
        except OSError as error:
            names = dict(zip(map(_text, found), map(_text, given), strict=True))
            error.filename = names.get(error.filename, error.filename)
            error.filename2 = names.get(error.filename2, error.filename2)
            raise
        if self._function.__name__ == "scandir":
            return _Entries(result, _text(given[0]))
        return result

    def __reduce__(self) -> tuple[Any, ...]:
        """A Python worker gets the function as it is: it knows no local workspace."""
        module = builtins if self._function.__module__ == "io" else os
        return getattr, (module, self._function.__name__)


def _text(path: Any) -> str | None:
    return os.fspath(path) if isinstance(path, str | os.PathLike) else None


class _Entries:
    """What ``os.scandir`` gives, with paths in the volume."""

    def __init__(self, entries: Any, folder: str | None) -> None:
        self._entries = entries
        self._folder = folder or ""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "_Entry":
        return _Entry(next(self._entries), self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries.close()


class _Entry:
    """One ``os.DirEntry``, by its path in the volume."""

    def __init__(self, entry: Any, folder: str) -> None:
        self._entry = entry
        self.name: str = entry.name
        self.path = f"{folder.rstrip('/')}/{entry.name}"

    def __fspath__(self) -> str:
        return self.path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._entry, name)

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"
