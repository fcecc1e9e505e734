"""The only place that builds a path: the local workspace's layout and ``/Volumes`` names.

``.dlt_stub/``
    ``format``                               the layout's version
    ``volumes/<catalog>/<schema>/<volume>/`` what Databricks calls ``/Volumes/...``
    ``dbfs/``                                what Databricks calls ``dbfs:/...``; made by the user
    ``tables/<catalog>/<schema>/<table>/``   Delta tables; auxiliary tables begin with ``__dlt_``
    ``set_up.lock``                          held by an update while it sets up its tables
    ``registry/<catalog>/<schema>/*.json``   what each table is, one file a table; ``registry/lock``
    ``pipelines/<id>/``                      event log, lock and one folder for each flow
    ``jobs/<key>/``                          runs, lock and trigger state

``$XDG_CACHE_HOME/dlt_stub/`` (else ``~/.cache/dlt_stub/``) is shared by every workspace and may be
deleted at any time: ``jars/<version>/`` holds Delta's jars, ``java/`` small ``java`` scripts.

Nothing that is named leads out of these folders: no ``..``, no slash in a name, no symbolic link.
Only a volume's own folder may be a link: where its files lie is its owner's choice.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from dlt_stub.errors import NotEmulatedError, UsageError

VOLUMES = "/Volumes/"
DBFS = "dbfs:"
_VOLUME_LEVELS = 3  # catalog, schema, volume
_LONGEST_NAME = 255
_LONGEST_BYTES = 200  # a file's name may have 255, and ours add to a table's
_NOT_IN_NAMES = frozenset("./ \x7f") | {chr(code) for code in range(0x20)}
_PATTERN = frozenset("*?[]{}")


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
        """Return the folder of one Delta table.

        Raises:
            UsageError: one of the three is no name that Unity Catalog takes.
        """
        names = object_name(catalog, "catalog"), object_name(schema, "schema")
        return self.root.joinpath("tables", *names, object_name(name, "table"))

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
            UsageError: ``path`` leaves its folder by ``..`` or by a symbolic link.

        Source: docs "Work with files on Databricks", 2026-11-24.
        """
        plain = path
        if path.startswith(DBFS):
            plain = "/" + path.removeprefix(DBFS).lstrip("/")
        if plain.startswith(VOLUMES) or plain == VOLUMES.rstrip("/"):
            base, rest = self.volumes, plain[len(VOLUMES) :]
        elif plain != path or self._is_in_dbfs(plain):
            base, rest = self.dbfs, plain.lstrip("/")
        else:
            return path
        if ".." in rest.split("/"):
            raise UsageError(f"path {path!r} leaves its volume by '..'")
        local = f"{base}/{rest}" if rest else str(base)
        if _leaves(Path(local), self._own_folder(local)):
            raise UsageError(
                f"path {path!r} leaves its volume by a symbolic link",
                hint="Databricks has no links in volumes: copy there what the link leads to",
            )
        return local

    def check_links(self, path: str) -> None:
        """Return once neither the local ``path`` nor a link below it leads out of its volume.

        What lies in no volume is not looked at. A pattern stands for the folder above it.

        Raises:
            UsageError: one does; it is named.
        """
        parts = path.split("/")
        plain = next((n for n, part in enumerate(parts) if _PATTERN & set(part)), len(parts))
        folder = Path("/".join(parts[:plain]))
        if not any(folder.is_relative_to(base) for base in (self.volumes, self.dbfs)):
            return
        own = self._own_folder(str(folder))
        for link in (folder, *_links_below(folder)):
            if _leaves(link, own):
                raise UsageError(
                    f"{self.to_volume(str(link))!r} is a symbolic link that leads out of its "
                    f"volume, to {os.path.realpath(link)!r}",
                    hint="remove the link; copy there what it leads to",
                )

    def _own_folder(self, local: str) -> Path:
        """Return the folder that ``local`` must not leave: its volume's, or that of ``dbfs:/``."""
        if not Path(local).is_relative_to(self.volumes):
            return self.dbfs
        parts = Path(local).relative_to(self.volumes).parts[:_VOLUME_LEVELS]
        return self.volumes.joinpath(*parts) if len(parts) == _VOLUME_LEVELS else self.volumes

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


def object_name(name: str, what: str) -> str:
    """Return ``name`` if Unity Catalog takes it as the name of a ``what``: catalog, table, ...

    Source: docs "Names" of the SQL language manual, 2026-11-24.

    Raises:
        UsageError: it is empty or too long, or holds a period, space, slash or control character.
        NotEmulatedError: it is too long for this machine's file system alone, or has a backtick.
    """
    if not name or len(name) > _LONGEST_NAME or _NOT_IN_NAMES & set(name):
        raise UsageError(
            f"{name[:_LONGEST_NAME]!r} cannot be the name of a {what}",
            hint="allowed: up to 255 characters, without period, space, slash and control "
            "characters",
        )
    if "`" in name:
        raise NotEmulatedError(
            f"the name of {what} {name!r} has a backtick, which is not run locally: Delta Lake "
            "reads the path of such a table as SQL",
            hint="give it another name",
        )
    if len(name.encode("utf-8", "surrogatepass")) > _LONGEST_BYTES:
        raise NotEmulatedError(
            f"the name of {what} {name!r} has more than {_LONGEST_BYTES} bytes, which is not run "
            "locally: file names end there",
            hint="shorten it",
        )
    return name


def _leaves(path: Path, folder: Path) -> bool:
    real, boundary = os.path.realpath(path), os.path.realpath(folder)
    return real != boundary and not real.startswith(f"{boundary}/")


def _links_below(folder: Path) -> Iterator[Path]:
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield Path(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError):  # gone meanwhile, or a file
            continue


def decode_file_path(file_path: str) -> str:
    """Return the plain path of a ``_metadata.file_path``, which is a percent-encoded URI.

    ``file:///a%20b.csv`` becomes ``/a b.csv``; ``gs://bucket/a%20b`` becomes ``gs://bucket/a b``.
    """
    scheme, _, rest = file_path.partition(":")
    if scheme in ("file", "dbfs"):
        return unquote("/" + rest.lstrip("/"))
    return unquote(file_path)
