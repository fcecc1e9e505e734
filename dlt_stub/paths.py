"""The only place that builds a path: the local workspace's layout and ``/Volumes`` names.

``.dlt_stub/``
    ``format``                               the layout's version
    ``volumes/<catalog>/<schema>/<volume>/`` what Databricks calls ``/Volumes/...``
    ``dbfs/``                                what Databricks calls ``dbfs:/...``; made by the user
    ``tables/<catalog>/<schema>/<table>/``   Delta tables; auxiliary tables begin with ``__dlt_``
    ``registry/<catalog>/<schema>/*.json``   what each table is, one file a table
    ``pipelines/<id>/``                      event log, lock and one folder for each flow
    ``jobs/<key>/``                          runs, lock and trigger state

``$XDG_CACHE_HOME/dlt_stub/`` (else ``~/.cache/dlt_stub/``) is shared by every workspace and may be
deleted at any time: ``jars/<version>/`` holds Delta's jars, ``java/`` small ``java`` scripts.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from dlt_stub.errors import UsageError

VOLUMES = "/Volumes/"
DBFS = "dbfs:"


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """Every path below one local workspace folder (absolute)."""

    root: Path

    @classmethod
    def at(cls, root: str | os.PathLike[str]) -> "WorkspacePaths":
        """Return the paths of the workspace in folder ``root``, which need not exist yet."""
        return cls(Path(root).absolute())

    @property
    def format_file(self) -> Path:
        """The file that holds the layout's version."""
        return self.root / "format"

    @property
    def volumes(self) -> Path:
        """The folder that stands for ``/Volumes``."""
        return self.root / "volumes"

    @property
    def dbfs(self) -> Path:
        """The folder that stands for the root of ``dbfs:/``."""
        return self.root / "dbfs"

    def table(self, catalog: str, schema: str, name: str) -> Path:
        """Return the folder of one Delta table."""
        return self.root / "tables" / segment(catalog) / segment(schema) / segment(name)

    def registry(self) -> Path:
        """Return the folder that says what each table is."""
        return self.root / "registry"

    def pipeline(self, pipeline_id: str) -> Path:
        """Return the folder of one pipeline's state."""
        return self.root / "pipelines" / segment(pipeline_id)

    def job(self, key: str) -> Path:
        """Return the folder of one job's state."""
        return self.root / "jobs" / segment(key)

    def to_local(self, path: str) -> str:
        """Return where ``path`` lies on this machine.

        ``/Volumes/a/b/c/x`` and ``dbfs:/Volumes/a/b/c/x`` become a path below ``volumes``, any
        other ``dbfs:/x`` one below ``dbfs``. So does ``/x/y`` once the folder ``dbfs/x`` is there:
        Databricks takes a path without a scheme for one of DBFS. Anything else is returned as it
        is. A trailing slash is kept.

        Raises:
            UsageError: ``path`` leaves its folder by ``..``.

        Source: docs "Work with files on Databricks", 2026-11-24.
        """
        plain = path.removeprefix(DBFS)
        if plain.startswith(VOLUMES) or plain == VOLUMES.rstrip("/"):
            base, rest = self.volumes, plain[len(VOLUMES) :]
        elif plain != path or self._is_in_dbfs(plain):
            base, rest = self.dbfs, plain.lstrip("/")
        else:
            return path
        if ".." in rest.split("/"):
            raise UsageError(f"path {path!r} leaves its volume by '..'")
        return f"{base}/{rest}" if rest else str(base)

    def _is_in_dbfs(self, path: str) -> bool:
        first = path.removeprefix("/").partition("/")[0]
        if path.startswith(f"{self.root}/"):  # a path that this method has returned
            return False
        return path.startswith("/") and first not in ("", "..") and (self.dbfs / first).is_dir()

    def to_volume(self, path: str) -> str:
        """Return the ``/Volumes/...`` name of a local path, or ``path`` if it has none."""
        prefix = f"{self.volumes}/"
        return VOLUMES + path[len(prefix) :] if path.startswith(prefix) else path


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of what can be fetched or made again, which need not exist yet."""
    base = (os.environ if environ is None else environ).get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dlt_stub"


def segment(name: str) -> str:
    """Return ``name`` if it can be one folder name.

    Raises:
        UsageError: it is empty, ``.`` or ``..``, or holds a slash or NUL.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UsageError(f"{name!r} cannot be the name of a catalog, schema, table or resource")
    return name


def decode_file_path(file_path: str) -> str:
    """Return the plain path of a ``_metadata.file_path``, which is a percent-encoded URI.

    ``file:///a%20b.csv`` becomes ``/a b.csv``; ``gs://bucket/a%20b`` becomes ``gs://bucket/a b``.
    """
    scheme, _, rest = file_path.partition(":")
    if scheme in ("file", "dbfs"):
        return unquote("/" + rest.lstrip("/"))
    return unquote(file_path)
