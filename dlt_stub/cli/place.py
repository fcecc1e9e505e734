"""Which bundle a verb is about, and where its local workspace lies."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlt_stub.bundle import Bundle, BundleReading, load_bundle, read_bundle
from dlt_stub.bundle.load import ROOT_FILES
from dlt_stub.engine.session import MASTER
from dlt_stub.errors import UsageError
from dlt_stub.workspace import Workspace
from dlt_stub.workspace.workspace import FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the options every verb has say; nothing is read before ``open`` or ``read``."""

    bundle: Path | None = None
    storage: Path | None = None
    target: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The bundle's folder: the one given, else the nearest above with a databricks.yml.

        Source: Databricks docs, "databricks bundle", which looks in the working folder and above
        it, checked 2026-11-24.

        Raises:
            UsageError: there is none.
        """
        if self.bundle is not None:
            if not self.bundle.is_dir():
                raise UsageError(f"there is no folder {self.bundle}", hint="--bundle takes one")
            return self.bundle.absolute()
        here = Path.cwd()
        for folder in (here, *here.parents):
            if any((folder / name).is_file() for name in ROOT_FILES):
                return folder
        raise UsageError(
            f"no databricks.yml in {here} or a folder above it",
            hint="go into a bundle's folder, or name it with --bundle DIR",
        )

    @property
    def folder(self) -> Path:
        """The local workspace's folder.

        Raises:
            UsageError: neither it nor a bundle is given or found.
        """
        return (self.storage or self.root / FOLDER).absolute()

    def open(self) -> Workspace:
        """Return the workspace of the bundle; the locations of its triggers exist afterwards.

        Raises:
            UsageError: there is no bundle.
            BundleError: the bundle has faults; the message holds all of them.
            StateError: the folder was written by another version of dlt_stub.
        """
        variables = self.variables
        return self.workspace(
            load_bundle(self.root, target=self.target, variables=variables, environ=os.environ)
        )

    def workspace(self, bundle: Bundle) -> Workspace:
        """Return the workspace of a bundle that was read; its triggers' locations exist afterwards.

        A pipeline that reads where files land would else be refused before the first has landed.

        Raises:
            StateError: the folder was written by another version of dlt_stub.
        """
        workspace = Workspace(bundle, storage=self.folder)
        for key, settings in bundle.jobs.items():
            if settings.trigger is not None and settings.trigger.file_arrival is not None:
                workspace.trigger(key)
        return workspace

    def read(self) -> BundleReading:
        """Return the bundle, if it has no errors, and everything wrong with it.

        Raises:
            UsageError: there is no bundle.
        """
        return read_bundle(
            self.root, target=self.target, variables=self.variables, environ=os.environ
        )


def use_master(url: str | None) -> None:
    """Let the session that this process starts, and those of its children, run on ``url``."""
    if url is not None:
        os.environ[MASTER] = url


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return what ``--var a=1 --var b=2`` means.

    Raises:
        UsageError: one of them has no ``=``.
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"{option} {text!r} is not name=value")
        found[name] = value
    return found


def names(given: Sequence[str]) -> tuple[str, ...]:
    """Return what ``a,b`` and ``a b`` of a repeatable option mean: a, b."""
    return tuple(name.strip() for text in given for name in text.split(",") if name.strip())
