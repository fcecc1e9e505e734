"""The types of what the plugin's fixtures give, for tests that annotate their arguments."""

import os
from collections.abc import Mapping
from typing import Any, Protocol

from dlt_stub.testing.pipeline import PipelineUnderTest
from dlt_stub.testing.workspace import WorkspaceUnderTest


class MakePipeline(Protocol):
    """Makes the pipeline a test is about."""

    def __call__(
        self,
        *source: str | os.PathLike[str],
        root: str | os.PathLike[str] | None = None,
        configuration: Mapping[str, str] | None = None,
        catalog: str = "main",
        schema: str = "default",
        **more: Any,
    ) -> PipelineUnderTest:
        """Return a pipeline of source files or ``folder/**`` globs, relative to ``root``."""


class MakeWorkspace(Protocol):
    """Makes the workspace of a bundle a test is about."""

    def __call__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> WorkspaceUnderTest:
        """Return the workspace of the bundle in ``root``, by default pytest's root folder."""
