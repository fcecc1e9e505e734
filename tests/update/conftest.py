from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.paths import WorkspacePaths
from dlt_stub.testing.outside import write_outside_table

PipelineOf = Callable[..., Pipeline]
Outside = Callable[[str, list[tuple[Any, ...]], str], None]
HEADER = "import dlt\nfrom pyspark.sql import functions as F\n"


@pytest.fixture
def pipeline_of(spark: SparkSession, tmp_path: Path) -> PipelineOf:
    """Make a pipeline of source texts below ``tmp_path/root``; the first argument is main.py."""

    def make(source: str, /, *, files: dict[str, str] | None = None, **arguments: Any) -> Pipeline:
        # Any: whatever Pipeline takes
        name = arguments.pop("name", "shop")
        root = tmp_path / "root" / name
        texts = {"main.py": HEADER + dedent(source), **(files or {})}
        for file, text in texts.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(dedent(text), encoding="utf-8")
        given: dict[str, Any] = {
            "source": ["main.py"],
            "root": root,
            "storage": tmp_path / "workspace",
            "catalog": "main",
            "schema": "shop",
            "name": name,
            "spark": spark,
            **arguments,
        }
        return Pipeline(**given)

    return make


@pytest.fixture
def outside(spark: SparkSession, tmp_path: Path) -> Outside:
    """Append rows to the table ``main.outside.<name>``, which no pipeline makes."""

    def append(name: str, given: list[tuple[Any, ...]], schema: str) -> None:
        paths = WorkspacePaths.at(tmp_path / "workspace")
        write_outside_table(
            spark,
            given,
            name=("main", "outside", name),
            schema=schema,
            properties={},
            replace=False,
            paths=paths,
            registry=TableRegistry(paths),
        )

    return append
