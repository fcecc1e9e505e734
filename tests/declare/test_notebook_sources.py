from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import DefinitionError, NotEmulatedError
from dlt_stub.declare.records import Declarations
from dlt_stub.declare.user_code import load_declarations, user_world
from dlt_stub.errors import Origin

Load = Callable[..., Declarations]
MAIN = """
# Databricks notebook source
# MAGIC %md # Orders

# COMMAND ----------

# MAGIC %pip install simplejson

# COMMAND ----------

# MAGIC %run ./helpers

# COMMAND ----------

import dlt
name = "orders"

# COMMAND ----------

@dlt.table(name=name)
def _():
    return spark.range(3)

# COMMAND ----------

# MAGIC %sql
# MAGIC CREATE LIVE TABLE of_sql AS SELECT 1
"""
HELPERS = """
# Databricks notebook source
import dlt

def declare(name):
    dlt.table(lambda: spark.range(1), name=name)

declare("of_helper")
"""


@pytest.fixture
def load(spark: SparkSession, tmp_path: Path) -> Load:
    """Load source files, given by name and text, of which only the first is a pipeline's."""

    def run(files: dict[str, str], **arguments: Any) -> Declarations:
        # Any: whatever load_declarations takes
        for name, text in files.items():
            (tmp_path / name).write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        first = tmp_path / next(iter(files))
        with user_world(spark, root=tmp_path):
            return load_declarations(
                [first], root=tmp_path, user_globals={"spark": spark}, **arguments
            )

    return run


def names(declarations: Declarations) -> list[str]:
    return [dataset.name for dataset in declarations.datasets]


def test_cells_share_one_namespace(load: Load) -> None:
    found = load({"main.py": MAIN, "helpers.py": HELPERS})
    assert names(found) == ["orders"]
    assert found.datasets[0].origin == Origin(path="main.py", line=19)
    installs, ignored = found.notes
    assert installs.startswith("main.py:6: `%pip install simplejson` is skipped")
    assert "Cells containing magic commands are ignored" in ignored
    assert ignored.endswith("found in main.py: %run, %sql")


def test_magics_run_where_asked_for(load: Load) -> None:
    told: list[tuple[str, Origin]] = []
    found = load(
        {"main.py": MAIN, "helpers.py": HELPERS},
        runs_magics=True,
        declare_sql=lambda text, origin: told.append((text, origin)),
    )
    assert names(found) == ["of_helper", "orders"]
    assert found.datasets[0].origin.path == "helpers.py"
    assert told == [("CREATE LIVE TABLE of_sql AS SELECT 1", Origin(path="main.py", line=26))]


def test_sql_notebook_declares_its_cells(load: Load) -> None:
    told: list[tuple[str, Origin]] = []
    text = """
    -- Databricks notebook source
    CREATE LIVE TABLE a AS SELECT 1

    -- COMMAND ----------

    -- MAGIC %python
    -- MAGIC raise ValueError("Databricks ignores it")
    """
    found = load({"main.sql": text}, declare_sql=lambda text, origin: told.append((text, origin)))
    assert [(text.strip(), origin.line) for text, origin in told] == [
        ("CREATE LIVE TABLE a AS SELECT 1", 2)
    ]
    assert [note.rpartition(": ")[2] for note in found.notes] == ["%python"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n\n# COMMAND ----------\n\nraise KeyError(2)\n", r"main\.py:6: KeyError: 2"),
        ("x = 1\n\n# COMMAND ----------\n\nif\n", r"main\.py:6: the file cannot be parsed"),
        ("import simplejson_x\n", r"ModuleNotFoundError: .*\n.*install it where dlt_stub runs"),
        ("x = __file__\n", r"main\.py:2: NameError: name '__file__' is not defined"),
    ],
)
def test_errors_name_the_files_line(load: Load, text: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        load({"main.py": f"# Databricks notebook source\n{text}"})


def test_run_within_itself_is_an_error(load: Load) -> None:
    text = "# Databricks notebook source\n# MAGIC %run ./OTHER\n"
    files = {"main.py": text.replace("OTHER", "b"), "b.py": text.replace("OTHER", "main")}
    with pytest.raises(DefinitionError, match=r"b\.py:2: %run \./main would run the notebook"):
        load(files, runs_magics=True)


def test_other_languages_are_refused_where_magics_run(load: Load) -> None:
    text = "# Databricks notebook source\n# MAGIC %sh ls\n"
    assert load({"main.py": text}).notes[0].endswith("found in main.py: %sh")
    with pytest.raises(NotEmulatedError, match=r"main\.py:2: %sh cells are not run locally"):
        load({"main.py": text}, runs_magics=True)


def test_shell_commands_are_refused(load: Load) -> None:
    with pytest.raises(NotEmulatedError, match=r"main\.py:3: `!ls /tmp` is not run locally"):
        load({"main.py": "# Databricks notebook source\nx = 1\n!ls /tmp\n"})


def test_sql_without_a_reader_is_refused(load: Load) -> None:
    with pytest.raises(NotEmulatedError, match=r"main\.sql:1: SQL sources"):
        load({"main.sql": "SELECT 1"})
