"""``dbutils.fs``: volumes and DBFS as folders of the local workspace.

Source: docs "Databricks Utilities (dbutils) reference" and databricks-sdk's
``runtime/dbutils_stub.py``, 2026-11-24. Assumed: the order of ``ls``, what ``rm`` says of a missing
path, that ``cp`` and ``mv`` replace a file.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

from dlt_stub.dbutils.utility import Utility
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError, UsageError
from dlt_stub.paths import WorkspacePaths

_LOCAL = "file:"
_DBFS = "dbfs:"
_LEVELS = 3  # catalog, schema, volume


class FileInfo(NamedTuple):
    """One entry of ``ls``; a folder's name ends in a slash and its size is 0.

    Units: ``modificationTime`` in milliseconds since 1970.
    """

    path: str
    name: str
    size: int
    modificationTime: int  # Databricks' spelling

    def isDir(self) -> bool:  # Databricks' spelling
        """Return whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:  # Databricks' spelling
        """Return whether it is a file."""
        return not self.isDir()


class FileUtils(Utility):
    """Files below ``/Volumes``, ``dbfs:/`` and, with ``file:/``, on this machine."""

    _name = "dbutils.fs"

    def __init__(self, paths: WorkspacePaths) -> None:
        self._paths = paths

    def ls(self, path: str) -> list[FileInfo]:
        """Return what is in the folder ``path``, by name; a file alone is a list of itself.

        Raises:
            UsageError: there is no such path.
        """
        local = self._existing(path)
        if local.is_file():
            return [self._info(local)]
        return [self._info(entry) for entry in sorted(local.iterdir())]

    def head(self, file: str, max_bytes: int = 65536) -> str:
        """Return the first ``max_bytes`` bytes of ``file`` as text.

        Raises:
            UsageError: there is no such file.
        """
        local = self._existing(file)
        if local.is_dir():
            raise _failed(f"cannot read {file}: it is a folder")
        with local.open("rb") as content:
            found = content.read(max_bytes)
        if local.stat().st_size > max_bytes:
            print(f"[Truncated to first {max_bytes} bytes]")  # noqa: T201 - as on Databricks
        return found.decode("utf-8", "replace")

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Write ``contents`` into ``file`` and return True; folders above it are made.

        Raises:
            UsageError: the file is there and ``overwrite`` is not set.
        """
        local = self._local(file)
        if local.exists() and not overwrite:
            raise _failed(f"FileAlreadyExistsException: {file} exists", "overwrite=True")
        local.parent.mkdir(parents=True, exist_ok=True)
        text = contents.encode("utf-8")
        local.write_bytes(text)
        print(f"Wrote {len(text)} bytes.")  # noqa: T201 - as on Databricks
        return True

    def mkdirs(self, dir: str) -> bool:
        """Make the folder ``dir`` and those above it, where missing, and return True."""
        self._local(dir).mkdir(parents=True, exist_ok=True)
        return True

    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Remove a file or folder and return whether it was there.

        Raises:
            UsageError: a folder that is not empty, without ``recurse``.
            NotEmulatedError: a whole volume, or what lies above it.
        """
        self._check_removable(dir)
        local = self._entry(dir)
        if not os.path.lexists(local):
            return False
        if local.is_symlink() or not local.is_dir():
            local.unlink()
        elif recurse:
            shutil.rmtree(local)
        elif any(local.iterdir()):
            raise _failed(f"{dir} is a folder that is not empty", "recurse=True")
        else:
            local.rmdir()
        return True

    def cp(self, source: str, dest: str, recurse: bool = False) -> bool:
        """Copy a file, or with ``recurse`` a folder, and return True.

        Raises:
            UsageError: there is no ``source``, or it is a folder, without ``recurse``.
        """
        origin, target = self._pair(source, dest, recurse)
        if origin.is_dir():
            shutil.copytree(origin, target, dirs_exist_ok=True, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(origin, target)
        return True

    def mv(self, source: str, dest: str, recurse: bool = False) -> bool:
        """Copy as ``cp`` does, remove the source, and return True.

        Raises:
            UsageError: there is no ``source``, or it is a folder, without ``recurse``.
        """
        self._check_removable(source)
        self.cp(source, dest, recurse)
        return self.rm(source, recurse)

    def _pair(self, source: str, dest: str, recurse: bool) -> tuple[Path, Path]:
        origin, target = self._existing(source), self._local(dest)
        if origin.is_dir() and not recurse:
            raise _failed(f"{source} is a folder", "recurse=True")
        self._paths.check_links(str(origin))  # what they lead to would be copied
        if origin.is_dir() and target.is_relative_to(origin):
            raise _failed(f"{dest} lies in what is copied, {source}")
        if origin.is_file() and (target.is_dir() or dest.endswith("/")):
            target = target / origin.name
        target.parent.mkdir(parents=True, exist_ok=True)
        return origin, target

    def _existing(self, path: str) -> Path:
        local = self._local(path)
        if not local.exists():
            raise UsageError(
                f"java.io.FileNotFoundException: No such file or directory {path}",
                origin=user_origin(),
                hint=f"{_LOCAL}{path} is this machine's" if os.path.exists(path) else None,  # noqa: PTH110 - a text
            )
        return local

    def _entry(self, path: str) -> Path:
        """Return the local path of what is called ``path``, itself: a link is not followed."""
        above, _, name = path.rstrip("/").rpartition("/")
        if above in ("", "dbfs:", "file:") or name in ("", ".", ".."):
            return self._local(path)
        return self._local(above) / name

    def _check_removable(self, path: str) -> None:
        local = Path(os.path.normpath(self._entry(path)))
        volumes, dbfs = self._paths.volumes, self._paths.dbfs
        above = local.is_relative_to(volumes) and len(local.relative_to(volumes).parts) <= _LEVELS
        if above or local == dbfs or volumes.is_relative_to(local):
            raise NotEmulatedError(
                f"{path} is no file or folder in a volume: removing it is not run locally",
                origin=user_origin(),
                hint="remove what is in it, name by name",
            )

    def _local(self, path: str) -> Path:
        scheme, colon, rest = path.partition(":")
        if colon and "/" not in scheme:
            if f"{scheme}:" == _LOCAL:
                return Path("/" + rest.lstrip("/"))
            if f"{scheme}:" != _DBFS:
                raise NotEmulatedError(
                    f"dbutils.fs on {scheme}:// is not run locally: {path}",
                    origin=user_origin(),
                    hint="use a volume: /Volumes/<catalog>/<schema>/<volume>/...",
                )
        elif path.startswith("/Workspace/"):
            raise NotEmulatedError(
                f"{path} lies in a workspace: there is nothing to run here", origin=user_origin()
            )
        local = self._paths.to_local(path)
        if local == path and not path.startswith(f"{self._paths.root}/"):
            # Without a scheme it is a path of DBFS there; a setting may hold a volume's local one.
            local = self._paths.to_local(f"{_DBFS}/{path.lstrip('/')}")
        return Path(local)

    def _info(self, entry: Path) -> FileInfo:
        seen = entry.lstat() if entry.is_symlink() else entry.stat()
        slash = "/" if entry.is_dir() else ""
        text = self._paths.to_volume(str(entry))
        scheme = _LOCAL if text == str(entry) else _DBFS
        if entry.is_relative_to(self._paths.dbfs):
            scheme, text = _DBFS, f"/{entry.relative_to(self._paths.dbfs).as_posix()}"
        return FileInfo(
            path=f"{scheme}{text}{slash}",
            name=f"{entry.name}{slash}",
            size=0 if slash else seen.st_size,
            modificationTime=seen.st_mtime_ns // 1_000_000,
        )


def _failed(message: str, allowed: str | None = None) -> UsageError:
    hint = f"allowed with {allowed}" if allowed else None
    return UsageError(message, origin=user_origin(), hint=hint)
