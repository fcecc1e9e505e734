import json
from pathlib import Path
from textwrap import dedent

import pytest

from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin
from dlt_stub.notebooks import Cell, find_notebook, is_notebook, read_notebook

HERE = Origin(path="main.py", line=1)


def cells(file: Path) -> list[tuple[str, str, int]]:
    return [(cell.magic, cell.text, cell.line) for cell in read_notebook(file).cells]


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return file


def test_python_source_gives_cells_with_lines(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "main.py",
        """
        # Databricks notebook source
        # MAGIC %md
        # MAGIC # Title
        # MAGIC
        # MAGIC text

        # COMMAND ----------

        # DBTITLE 1,Imports
        import dlt
        x = 1

        # COMMAND ----------

        # MAGIC %run ./helpers $a="b c"

        # COMMAND ----------

        # MAGIC %sql SELECT 1

        # COMMAND ----------

        # MAGIC %python
        # MAGIC y = 2
        """,
    )
    assert is_notebook(file)
    found = read_notebook(file)
    assert found.language == "python"
    assert [(each.magic, each.line, each.is_marked) for each in found.cells] == [
        ("md", 3, True),
        ("python", 8, False),
        ("run", 15, True),
        ("sql", 19, True),
        ("python", 24, True),
    ]
    _, code, run, sql, marked = found.cells
    # the title is a blank line, so that the lines after it keep their numbers
    assert code.text.splitlines() == ["", "", "import dlt", "x = 1"]
    assert (run.text.strip(), sql.text.strip(), marked.text) == (
        './helpers $a="b c"',
        "SELECT 1",
        "y = 2",
    )


def test_installs_stand_beside_python_lines(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "main.py",
        """
        # Databricks notebook source
        # MAGIC %pip install a \\
        # MAGIC   b
        # MAGIC dbutils.library.restartPython()

        # COMMAND ----------

        x = 1
        # MAGIC %fs ls /
        """,
    )
    first, second = read_notebook(file).cells
    assert [(c.name, c.argument, c.line) for c in first.commands] == [("pip", "install a b", 2)]
    assert first.magic == "python"
    assert not first.is_marked
    assert first.text.split() == ["dbutils.library.restartPython()"]
    assert [(c.name, c.argument, c.line) for c in second.commands] == [("fs", "ls /", 9)]


def test_magics_without_marks_are_found(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "main.py",
        """
        # Databricks notebook source
        wheel = spark.conf.get("wheel")
        %pip install $wheel # noqa : E999
        import dlt

        # COMMAND ----------

        !pip install a
        pip install b

        # COMMAND ----------

        text = '''
        %pip is no magic in a string
        '''
        """,
    )
    first, second, third = read_notebook(file).cells
    assert [(c.name, c.line) for c in first.commands] == [("pip", 3)]
    assert first.text.split("\n")[1:3] == ["", "import dlt"]
    assert [(c.name, c.argument) for c in second.commands] == [
        ("pip", "install a"),
        ("pip", "install b"),
    ]
    assert third.commands == ()


def test_sql_source_gives_sql_cells(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "main.sql",
        """
        -- Databricks notebook source
        -- MAGIC %md hello

        -- COMMAND ----------

        -- a comment
        CREATE OR REFRESH STREAMING TABLE a

        -- COMMAND ----------

        -- MAGIC %python
        -- MAGIC x = 1

        -- COMMAND ----------

        -- MAGIC %pip install a
        """,
    )
    notebook = read_notebook(file)
    assert notebook.language == "sql"
    assert [(each.magic, each.is_marked) for each in notebook.cells] == [
        ("md", True),
        ("sql", False),
        ("python", True),
        ("pip", True),
    ]
    assert notebook.cells[1].line == 5
    assert notebook.cells[1].text.endswith("CREATE OR REFRESH STREAMING TABLE a\n")


def ipynb(folder: Path, *sources: tuple[str, str | list[str]], language: str = "python") -> Path:
    content = {
        "cells": [{"cell_type": kind, "source": source} for kind, source in sources],
        "metadata": {"application/vnd.databricks.v1+notebook": {"language": language}},
        "nbformat": 4,
        "nbformat_minor": 0,
    }
    file = folder / "main.ipynb"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_ipynb_gives_the_same_cells(tmp_path: Path) -> None:
    file = ipynb(
        tmp_path,
        ("markdown", "# hello"),
        ("code", ["import dlt\n", "%pip install a\n", "!ls\n", "x = 1"]),
        ("code", "%sql\nSELECT 1"),
        ("code", "%%sh\nls"),
        ("code", "x = (7\n% 2)"),
        ("code", ""),
        ("raw", "nothing"),
    )
    assert is_notebook(file)
    assert cells(file) == [
        ("md", "# hello", 1),
        ("python", "import dlt\n\n\nx = 1", 1),
        ("sql", "SELECT 1", 2),
        ("sh", "ls", 2),
        ("python", "x = (7\n% 2)", 1),
    ]
    second = read_notebook(file).cells[1]
    assert [(c.name, c.argument, c.line) for c in second.commands] == [
        ("pip", "install a", 2),
        ("!", "ls", 3),
    ]
    assert second.file == f"{file}#cell-2"


def test_language_of_an_ipynb_is_read(tmp_path: Path) -> None:
    sql = read_notebook(ipynb(tmp_path, ("code", "SELECT 1"), language="sql"))
    assert sql.cells == (Cell(magic="sql", text="SELECT 1", file=f"{sql.path}#cell-1", line=1),)
    with pytest.raises(NotEmulatedError, match="a notebook in scala is not run locally"):
        read_notebook(ipynb(tmp_path, language="scala"))


@pytest.mark.parametrize("text", ["{}", "nothing", "[1]", '{"cells": [{}]}'])
def test_broken_ipynb_is_named(tmp_path: Path, text: str) -> None:
    file = written(tmp_path, "main.ipynb", text)
    with pytest.raises(DefinitionError, match=r"main\.ipynb: the file is no notebook"):
        read_notebook(file)


def test_lines_are_those_python_counts(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    text = "# Databricks notebook source\r\n"
    text += "x = 'a\u2028b'\r\n\r\n# COMMAND ----------\r\n\r\ny = 1\r\n"
    file.write_bytes(text.encode())
    assert cells(file) == [("python", "x = 'a\u2028b'\n", 2), ("python", "\ny = 1", 5)]
    jupyter = ipynb(tmp_path, ("code", "x = 'a\u2028b'\ny = 1\n"))
    assert cells(jupyter) == [("python", "x = 'a\u2028b'\ny = 1", 1)]


def test_plain_file_is_no_notebook(tmp_path: Path) -> None:
    file = written(tmp_path, "main.py", "# MAGIC %sql\nx = 1\n")
    assert not is_notebook(file)
    assert not is_notebook(written(tmp_path, "empty.py", ""))


def test_notebook_is_found_without_suffix(tmp_path: Path) -> None:
    helper = written(tmp_path, "helpers.py", "# Databricks notebook source\n")
    written(tmp_path, "plain.py", "x = 1\n")
    (tmp_path / "inner").mkdir()
    for below, name in (
        (tmp_path, "./helpers"),
        (tmp_path, "helpers.py"),
        (tmp_path / "inner", "../helpers"),
    ):
        assert find_notebook(name, below=below, origin=HERE) == helper
    with pytest.raises(DefinitionError, match=r"'\./hlpers'\n.*did you mean \./helpers\?"):
        find_notebook("./hlpers", below=tmp_path, origin=HERE)
    with pytest.raises(DefinitionError, match=r"'\./plain' is a plain file"):
        find_notebook("./plain", below=tmp_path, origin=HERE)
    with pytest.raises(NotEmulatedError, match="is a path in a workspace"):
        find_notebook("/Users/me/helpers", below=tmp_path, origin=HERE)
