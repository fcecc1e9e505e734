"""The only place that builds a path: the local workspace's layout and ``/Volumes`` names.

``.dlt_stub/``
    ``format``                               the layout's version
    ``volumes/<catalog>/<schema>/<volume>/`` what Databricks calls ``/Volumes/...``
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
_SCHEMES = ("dbfs:",)


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

        ``/Volumes/a/b/c/x`` and ``dbfs:/Volumes/a/b/c/x`` become a path below ``volumes``; anything
        else is returned as it is. A trailing slash is kept.

        Raises:
            UsageError: ``path`` leaves the volumes folder by ``..``.
        """
        plain = path
        for scheme in _SCHEMES:
            plain = plain.removeprefix(scheme)
        if not (plain.startswith(VOLUMES) or plain == VOLUMES.rstrip("/")):
            return path
        if ".." in plain.split("/"):
            raise UsageError(f"path {path!r} leaves its volume by '..'")
        rest = plain[len(VOLUMES) :]
        local = f"{self.volumes}/{rest}" if rest else str(self.volumes)
        return local

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
