import json
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub.declare.user_code import load_declarations, user_world
from dlt_stub.sql_sources import SqlSources


def test_cells_of_a_jupyter_notebook_share_settings(spark: SparkSession, tmp_path: Path) -> None:
    cells = ["SET wanted = silver", "CREATE MATERIALIZED VIEW ${wanted}_orders AS SELECT 1 AS a"]
    content = {
        "nbformat": 4,
        "metadata": {"application/vnd.databricks.v1+notebook": {"language": "sql"}},
        "cells": [{"cell_type": "code", "source": source} for source in cells],
    }
    file = tmp_path / "main.ipynb"
    file.write_text(json.dumps(content), encoding="utf-8")
    with user_world(spark, root=tmp_path):
        found = load_declarations(
            [file], root=tmp_path, user_globals={}, declare_sql=SqlSources(spark)
        )
    (dataset,) = found.datasets
    assert dataset.name == "silver_orders"
    assert str(dataset.origin) == "main.ipynb#cell-2:1"
