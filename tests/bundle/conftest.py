"""Small bundles, written where a test wants them."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from dlt_stub.bundle import BundleReading, read_bundle

ROOT = """\
bundle: {name: shop}
include: [resources/*.yml]
targets:
  dev: {mode: development, default: true}
  prod:
    mode: production
    workspace: {root_path: /Workspace/Shared/shop}
  plain: {}
"""
PIPELINE = """\
resources:
  pipelines:
    sales: {catalog: main, schema: shop, libraries: [{file: {path: ../src/sales.py}}]}
"""

Read = Callable[..., BundleReading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that writes files over a small bundle and reads it."""

    def write_and_read(
        files: dict[str, str] | None = None,
        *,
        target: str | None = "plain",
        variables: dict[str, str] | None = None,
        environ: dict[str, str] | None = None,
    ) -> BundleReading:
        base = {
            "databricks.yml": ROOT,
            "resources/sales.yml": PIPELINE,
            "src/sales.py": "",
        }
        for name, text in (base | (files or {})).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        return read_bundle(
            tmp_path,
            target=target,
            variables=variables or {},
            environ=environ or {},
            user_name="Ada.L@example.com",
        )

    return write_and_read
