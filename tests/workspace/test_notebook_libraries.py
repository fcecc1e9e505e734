from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Workspace

BUNDLE = """
bundle: {name: shop}
targets:
  dev: {default: true}
resources:
  pipelines:
    shop:
      name: shop
      catalog: main
      schema: shop
      libraries:
        - notebook: {path: ./src/first.py}
        - notebook: {path: ./src/second.ipynb}
        - file: {path: ./src/third.py}
"""
NOTEBOOK = "# Databricks notebook source\nimport dlt\n\n# COMMAND ----------\n\n"
TABLE = "dlt.table(lambda: {read}, name='{name}')"
JUPYTER = '{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": "%s"}]}'


def test_notebooks_and_files_are_one_pipeline(spark: SparkSession, tmp_path: Path) -> None:
    files = {
        "databricks.yml": BUNDLE,
        "src/first.py": NOTEBOOK + TABLE.format(read="dlt.read('second')", name="first"),
        "src/second.ipynb": JUPYTER
        % ("import dlt\\n" + TABLE.format(read="dlt.read('third')", name="second")),
        "src/third.py": "import dlt\n" + TABLE.format(read="spark.range(1)", name="third"),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    graph = Workspace.open(tmp_path, spark=spark).pipeline("shop").resolve()
    assert {
        name: (str(dataset.dataset.origin), dataset.flows[0].analysis.inputs)
        for name, dataset in graph.datasets.items()
    } == {
        "first": ("src/first.py:6", ("second",)),
        "second": ("src/second.ipynb#cell-1:2", ("third",)),
        "third": ("src/third.py:2", ()),
    }
