"""Reads notebooks as people keep them: ``.py`` and ``.sql`` with cell marks, and ``.ipynb``."""

from dlt_stub.notebooks.cells import (
    SHELL,
    SUFFIXES,
    Cell,
    Command,
    Notebook,
    find_notebook,
    is_notebook,
    read_notebook,
)

__all__ = [
    "SHELL",
    "SUFFIXES",
    "Cell",
    "Command",
    "Notebook",
    "find_notebook",
    "is_notebook",
    "read_notebook",
]
