"""Notebooks as records: cells in order, each with its language and the lines it came from.

Source: the source format that Databricks exports (``# Databricks notebook source``,
``# COMMAND ----------``, ``# MAGIC``, ``# DBTITLE``), seen in public repositories, 2026-11-24.
"""

import ast
import os
import re
from dataclasses import dataclass
from pathlib import Path

from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin, nearest

SUFFIXES = (".py", ".ipynb", ".sql")  # of the notebooks that run here, likeliest first
PYTHON, SQL, MARKDOWN = "python", "sql", "md"
_LANGUAGES = {"#": PYTHON, "--": SQL, "//": "scala"}
_HEADER = re.compile(r"^(#|--|//) Databricks notebook source\s*$")
_COMMAND = re.compile(r"^%%?([A-Za-z_][\w-]*)[ \t]*(.*)$")
# As people write them, too: ``%pip`` without the mark, ``!ls``, and ``pip install`` alone.
_BARE = re.compile(r"^\s*(?:%%?[A-Za-z_]|!|pip install ).*$")
SHELL = "!"
_ALIASES = {"py": PYTHON, "markdown": MARKDOWN, "md-sandbox": MARKDOWN}
# They stand among Python lines; every other magic has its cell to itself.
LINE_MAGICS = frozenset(
    {"pip", "conda", "restart_python", "load_ext", "reload_ext", "autoreload", "matplotlib"}
    | {"config", "env", "set_env", "cd", "pwd", "who", "whos"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A magic on a line of its own within a Python cell, such as ``%pip install x``."""

    name: str
    argument: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: ``magic`` is its language, or the command whose argument is ``text``.

    ``line`` is where ``text`` begins in ``file``; a cell of an ``.ipynb`` is a file of its own.
    ``is_marked`` when a magic of its own names the language, even the notebook's.
    """

    magic: str
    text: str
    file: str
    line: int
    is_marked: bool = False
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook's language and its cells, in order."""

    path: Path
    language: str
    cells: tuple[Cell, ...]


def is_notebook(file: Path) -> bool:
    """Return whether Databricks takes the file for a notebook: by its suffix or first line."""
    if file.suffix == ".ipynb":
        return True
    with file.open("rb") as lines:
        return _HEADER.match(lines.readline(200).decode("utf-8", "replace")) is not None


def read_notebook(file: Path) -> Notebook:
    """Return the notebook in ``file``, for which ``is_notebook`` holds.

    Raises:
        DefinitionError: an ``.ipynb`` is not the JSON of a notebook.
        NotEmulatedError: its language is neither Python nor SQL.
    """
    if file.suffix == ".ipynb":
        from dlt_stub.notebooks.ipynb import read_ipynb  # it makes cells with what is above

        notebook = read_ipynb(file)
    else:
        notebook = _read_source(file)
    if notebook.language not in (PYTHON, SQL):
        raise NotEmulatedError(
            f"a notebook in {notebook.language} is not run locally",
            origin=Origin(path=str(file)),
            hint="Python and SQL run here",
        )
    return notebook


def find_notebook(name: str, *, below: Path, origin: Origin) -> Path:
    """Return the file of the notebook called ``name``, relative to the folder ``below``.

    A workspace shows a notebook without its suffix, so ``name`` may lack it.
    Source: docs "Orchestrate notebooks and modularize code in notebooks", 2026-11-24.

    Raises:
        DefinitionError: there is no such notebook; names the nearest.
        NotEmulatedError: ``name`` is an absolute path of a workspace.
    """
    if name.startswith("/"):
        raise NotEmulatedError(
            f"notebook {name!r} is a path in a workspace: there is nothing to run here",
            origin=origin,
            hint="name it relative to this notebook, as in ./folder/notebook",
        )
    plain = Path(os.path.normpath(below / name))
    for file in (plain, *(plain.with_name(plain.name + suffix) for suffix in SUFFIXES)):
        if file.is_file():
            if not is_notebook(file):
                raise DefinitionError(
                    f"{name!r} is a plain file, a notebook is expected",
                    origin=origin,
                    hint="import it, or begin it with `# Databricks notebook source`",
                )
            return file
    siblings = plain.parent.iterdir() if plain.parent.is_dir() else ()
    near = nearest(plain.name, [each.stem for each in siblings if each.suffix in SUFFIXES])
    raise DefinitionError(
        f"there is no notebook {name!r}",
        origin=origin,
        hint=f"did you mean {name.removesuffix(plain.name)}{near}?" if near else None,
    )


def _read_source(file: Path) -> Notebook:
    # Python counts lines by these alone; splitlines() would cut text at others, too.
    lines = file.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    header = _HEADER.match(lines[0])
    if header is None:
        raise DefinitionError(
            "the file is no notebook",
            origin=Origin(path=str(file), line=1),
            hint="a notebook's first line is `# Databricks notebook source`",
        )
    mark = header[1]
    language = "r" if file.suffix.lower() == ".r" else _LANGUAGES[mark]
    cells: list[Cell] = []
    start, separator = 1, f"{mark} COMMAND ----------"
    for number in range(1, len(lines) + 1):
        if number == len(lines) or lines[number].rstrip() == separator:
            cell = _source_cell(lines[start:number], mark, language, str(file), start + 1)
            cells += [cell] if cell is not None else []
            start = number + 1
    return Notebook(path=file, language=language, cells=tuple(cells))


def _source_cell(lines: list[str], mark: str, language: str, file: str, first: int) -> Cell | None:
    """Return the cell of ``lines``, the first of which is line ``first`` of ``file``."""
    magic, title = f"{mark} MAGIC", f"{mark} DBTITLE"
    marked = [line.startswith(magic) for line in lines]
    texts = [
        "" if line.startswith(title) else _unmarked(line, magic) if is_marked else line
        for line, is_marked in zip(lines, marked, strict=True)
    ]
    return make_cell(texts, marked, language=language, file=file, first=first)


def _unmarked(line: str, magic: str) -> str:
    rest = line[len(magic) :]
    return rest.removeprefix(" ")


def make_cell(
    texts: list[str], marked: list[bool], *, language: str, file: str, first: int
) -> Cell | None:
    """Return the cell of ``texts``; a magic counts only on a line that is ``marked``."""
    start = next((index for index, text in enumerate(texts) if text.strip()), None)
    if start is None:
        return None
    if language != PYTHON or not _parses("\n".join(texts)):
        # What parses holds no magic without a mark: `%` begins no statement, but may begin a line.
        marked = [
            is_marked or _BARE.match(text) is not None
            for text, is_marked in zip(texts, marked, strict=True)
        ]
    head = _COMMAND.match(texts[start].strip()) if marked[start] else None
    name = _ALIASES.get(head[1], head[1]) if head else language
    if head and name not in LINE_MAGICS:
        # A command's own line may hold its argument; else the text begins below it.
        below = texts[start + 1 :]
        texts = [head[2], *below] if head[2] else below
        line = first + start + (0 if head[2] else 1)
        return Cell(magic=name, text="\n".join(texts), file=file, line=line, is_marked=True)
    if language != PYTHON:
        magic = name if head else language
        return Cell(
            magic=magic, text="\n".join(texts), file=file, line=first, is_marked=head is not None
        )
    return _python_cell(texts, marked, file=file, first=first)


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


def _python_cell(texts: list[str], marked: list[bool], *, file: str, first: int) -> Cell:
    """Return a Python cell whose magics stand in ``commands`` and are blank lines in the text."""
    kept, commands = list(texts), []
    index = 0
    while index < len(texts):
        stripped = texts[index].strip()
        if marked[index] and _BARE.match(stripped):
            # Written without a percent sign, or as a shell command, pip is pip all the same.
            name, _, argument = stripped.lstrip("%!").partition(" ")
            if stripped.startswith("!") and name != "pip":
                name, argument = SHELL, stripped[1:]
            line = first + index
            kept[index] = ""
            while argument.endswith("\\") and index + 1 < len(texts):
                index += 1
                argument = f"{argument[:-1].rstrip()} {texts[index].strip()}"
                kept[index] = ""
            commands.append(
                Command(name=_ALIASES.get(name, name), argument=argument.strip(), line=line)
            )
        index += 1
    return Cell(magic=PYTHON, text="\n".join(kept), file=file, line=first, commands=tuple(commands))
