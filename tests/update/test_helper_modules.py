from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.update.conftest import PipelineOf

MAIN = """
import functools, sys
from pyspark.sql.types import StringType

sys.path.append(spark.conf.get("bundle.sourcePath"))
from shared.rules import twice
from utilities.text import pkg

def table(function):
    dlt.table(function, name=function.__name__)
    return function

@table
def at_the_top():
    return spark.range(2).select(F.udf(pkg.shout)("id").alias("said"))

@table
def in_the_function():
    from utilities import late
    return spark.range(2).select(late.whisper(F.col("id")).alias("said"))

@table
def of_an_added_folder():
    return spark.range(2).select(F.udf(twice, "long")("id").alias("said"))

@table
def of_a_pandas_udf():
    from utilities import frames
    return spark.range(2).select(frames.plus_one("id").alias("said"))

@table
def applied_in_pandas():
    from utilities import frames
    return spark.range(4).groupBy((F.col("id") % 2).alias("k")).applyInPandas(frames.rows, "n long")

@table
def wrapped_with_arguments():
    from utilities.late import named
    return spark.range(1).select(F.udf(functools.partial(named, "x"))("id").alias("said"))
"""
FILES = {
    "utilities/__init__.py": "",
    "utilities/text/__init__.py": "",
    "utilities/text/pkg.py": """
        from ..late import MARK

        def shout(value):
            return f"{value}{MARK}"
        """,
    "utilities/late.py": """
        import functools
        from pyspark.sql.functions import udf

        MARK = "!"

        def loud(function):
            @functools.wraps(function)
            def call(value):
                return function(value) + MARK
            return call

        @udf
        @loud
        def whisper(value):
            return str(value)

        def named(name, value):
            return f"{name}={value}"
        """,
    "utilities/frames.py": """
        import pandas as pd
        from pyspark.sql.functions import pandas_udf

        @pandas_udf("long")
        def plus_one(values: pd.Series) -> pd.Series:
            return values + 1

        def rows(frame: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"n": [len(frame)]})
        """,
}


def test_helper_functions_reach_the_workers(pipeline_of: "PipelineOf", tmp_path: Path) -> None:
    shared = tmp_path / "beside" / "shared"
    shared.mkdir(parents=True)
    (shared / "rules.py").write_text("def twice(n):\n    return n * 2\n", encoding="utf-8")
    pipeline = pipeline_of(
        MAIN, files=FILES, configuration={"bundle.sourcePath": str(shared.parent)}
    )
    update = pipeline.update()
    update.raise_for_failure()

    def said(name: str) -> list[object]:
        return sorted(row[0] for row in pipeline.table(name).collect())

    assert said("at_the_top") == said("in_the_function") == ["0!", "1!"]
    assert said("of_an_added_folder") == [0, 2]
    assert said("of_a_pandas_udf") == [1, 2]
    assert said("applied_in_pandas") == [2, 2]
    assert said("wrapped_with_arguments") == ["x=0"]


def test_layout_of_the_lakeflow_template_runs(pipeline_of: "PipelineOf") -> None:
    files = {
        "transformations/sample.py": """
            import dlt
            from utilities import utils

            @dlt.table
            def sample():
                return utils.marked(spark.range(1))
            """,
        "transformations/more/second.py": """
            # Databricks notebook source
            import dlt

            # COMMAND ----------

            dlt.table(lambda: dlt.read("sample"), name="second")
            """,
        "transformations/more/third.ipynb": """
            {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source":
            ["import dlt\\n", "dlt.table(lambda: dlt.read('second'), name='third')"]}]}
            """,
        "utilities/utils.py": """
            def marked(frame):
                return frame.selectExpr("id", "'m' AS mark")
            """,
        "explorations/never.py": "raise AssertionError('no source of the pipeline')",
    }
    pipeline = pipeline_of(
        "",
        files={name: dedent(text).lstrip() for name, text in files.items()},
        source=["transformations/**"],
    )
    update = pipeline.update()
    update.raise_for_failure()
    assert set(update.flows) == {"sample", "second", "third"}
    assert pipeline.table("third").collect()[0].mark == "m"
