from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline

SqlPipeline = Callable[..., Pipeline]


@pytest.fixture
def sql_pipeline(spark: SparkSession, tmp_path: Path) -> SqlPipeline:
    """Make a pipeline of ``main.sql`` and other source files."""

    def make(sql: str, *, files: dict[str, str] | None = None, **arguments: Any) -> Pipeline:
        # Any: whatever Pipeline takes
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        for name, text in {"main.sql": sql, **(files or {})}.items():
            (root / name).write_text(dedent(text), encoding="utf-8")
        given: dict[str, Any] = {
            "source": [root / "**"],
            "root": root,
            "storage": tmp_path / "workspace",
            "catalog": "main",
            "schema": "shop",
            "spark": spark,
            **arguments,
        }
        return Pipeline(**given)

    return make
