"""Notebooks in Jupyter's JSON, as Databricks and Jupyter write them.

Source: docs "Export and import Databricks notebooks", 2026-11-24, and the nbformat 4 schema. The
``application/vnd.databricks.v1+notebook`` metadata is as seen in public repositories.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlt_stub.errors import DefinitionError, Origin
from dlt_stub.notebooks.cells import MARKDOWN, PYTHON, Cell, Notebook, make_cell

_DATABRICKS = "application/vnd.databricks.v1+notebook"


def read_ipynb(file: Path) -> Notebook:
    """Return the notebook; lines count within a cell, which is called ``file#cell-<number>``.

    Raises:
        DefinitionError: the file is not the JSON of a notebook of version 4.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        language = _language(content.get("metadata", {}))
        cells = content["cells"]
        sources = [(str(cell["cell_type"]), _text(cell["source"])) for cell in cells]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DefinitionError(
            f"the file is no notebook of nbformat 4: {type(error).__name__}: {error}",
            origin=Origin(path=str(file)),
        ) from error
    found = []
    for number, (kind, source) in enumerate(sources, start=1):
        name = f"{file}#cell-{number}"
        if kind == "markdown":
            found.append(Cell(magic=MARKDOWN, text=source, file=name, line=1))
        elif kind == "code":
            cell = _code_cell(source, language, name)
            found += [cell] if cell is not None else []
    return Notebook(path=file, language=language, cells=tuple(found))


def _code_cell(source: str, language: str, name: str) -> Cell | None:
    texts = source.removesuffix("\n").split("\n")
    return make_cell(texts, [False] * len(texts), language=language, file=name, first=1)


def _language(metadata: Mapping[str, Any]) -> str:  # Any: JSON
    told = metadata.get(_DATABRICKS, {}).get("language")
    told = told or metadata.get("language_info", {}).get("name")
    return str(told or metadata.get("kernelspec", {}).get("language") or PYTHON).lower()


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
