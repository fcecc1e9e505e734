"""Runs the Python scripts and notebooks of tasks, with the globals Databricks gives them.

Source: docs "Orchestrate notebooks and modularize code in notebooks", "Develop code in Databricks
notebooks" (``_sqldf``, ``%sql`` and its parameter markers) and "What is the default current working
directory?": the folder of the script or notebook. Read 2026-11-24.
"""

import contextlib
import re
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlt_stub.dbutils import Dbutils, NotebookExit, TaskValueStore, has_exited
from dlt_stub.declare.notebook_sources import (
    INSTALLS,
    WITHOUT_EFFECT,
    origin_of,
    refused,
    refused_command,
    run_python,
    run_target,
    skipped_install,
)
from dlt_stub.declare.registry import shown
from dlt_stub.declare.user_code import user_world
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.sql import statements
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin
from dlt_stub.notebooks import Cell, Command, Notebook, find_notebook, read_notebook
from dlt_stub.paths import WorkspacePaths
from dlt_stub.update.globals import modules_of, task_names

_ARGUMENT = re.compile(r"""\$([A-Za-z_]\w*)\s*=\s*("[^"]*"|'[^']*'|\S+)""")
_MARKER = re.compile(r"(?<!:):[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRunner:
    """Runs the code of one task."""

    paths: WorkspacePaths
    session: UserSession
    values: TaskValueStore

    def run_script(self, file: Path, arguments: Sequence[str]) -> None:
        """Run a Python script with ``arguments`` to its end; what it raises goes on."""
        dbutils = Dbutils(self.paths, task_values=self.values)
        names = task_names(self.session, dbutils)
        with self._world(file.parent, names):
            before = sys.argv  # here: outside, another thread's script may have set it
            sys.argv = [str(file), *arguments]
            try:
                runpy.run_path(str(file), init_globals=names, run_name="__main__")
            finally:
                sys.argv = before

    def run_notebook(self, file: Path, parameters: Mapping[str, str]) -> str | None:
        """Run a notebook to its end and return its exit value; what it raises goes on.

        Raises:
            NotEmulatedError: a cell is of a kind that does not run here.
        """
        notebook = read_notebook(file)
        namespace: dict[str, Any] = {}  # Any: what user code defines
        runner = _NotebookRun(
            namespace=namespace,
            session=self.session,
            dbutils=Dbutils(
                self.paths,
                parameters=parameters,
                task_values=self.values,
                run_notebook=lambda path, arguments: self._run_another(notebook, path, arguments),
                restart=lambda: runner.begin(),
                is_notebook_task=True,
            ),
        )
        runner.begin()
        with self._world(file.parent, namespace):
            return runner.run(notebook)

    def _run_another(self, caller: Notebook, path: str, arguments: Mapping[str, str]) -> str | None:
        origin = Origin(path=shown(str(caller.path)))
        return self.run_notebook(
            find_notebook(path, below=caller.path.parent, origin=origin), arguments
        )

    @contextlib.contextmanager
    def _world(self, folder: Path, names: dict[str, Any]) -> Iterator[None]:
        modules = modules_of({name: each for name, each in names.items() if name[0] != "_"})
        with (
            user_world(self.session, root=folder, modules=modules),
            contextlib.chdir(folder),
        ):
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class _NotebookRun:
    """One run of one notebook, and of those it runs by ``%run``, in one namespace."""

    namespace: dict[str, Any]  # Any: what user code defines
    session: UserSession
    dbutils: Dbutils

    def begin(self) -> None:
        """Forget what the notebook has defined: all that is left are the globals it began with."""
        self.namespace.clear()
        self.namespace.update(task_names(self.session, self.dbutils), __name__="__main__")

    def run(self, notebook: Notebook) -> str | None:
        """Run the cells and return the exit value.

        Raises:
            NotEmulatedError: the notebook has caught its own exit.
        """
        try:
            self._run_cells(notebook, ())
        except NotebookExit as ended:
            return ended.value
        if has_exited(self.dbutils.notebook):
            raise NotEmulatedError(
                "dbutils.notebook.exit was called within try and caught by except: whether the "
                "notebook goes on is not documented",
                origin=Origin(path=shown(str(notebook.path))),
                hint="call it outside of try",
            )
        return None

    def _run_cells(self, notebook: Notebook, callers: tuple[Notebook, ...]) -> None:
        for cell in notebook.cells:
            match cell.magic:
                case "md":
                    pass
                case "python":
                    for command in cell.commands:
                        self._command(cell, command)
                    run_python(cell, self.namespace)
                case "sql":
                    self._run_sql(cell)
                case "run":
                    inner = run_target(cell, notebook, callers)
                    with self.dbutils.widgets.passing(_arguments(cell)):
                        self._run_cells(inner, (*callers, notebook))
                case _:
                    raise refused(cell)

    def _command(self, cell: Cell, command: Command) -> None:
        if command.name in INSTALLS:
            print(skipped_install(cell, command.name, command.argument, command.line))  # noqa: T201 - a task speaks through its output
            if command.name == "restart_python":
                self.begin()
        elif command.name not in WITHOUT_EFFECT:
            raise refused_command(cell, command)

    def _run_sql(self, cell: Cell) -> None:
        """Run the statements of a cell and show the last one's rows, which ``_sqldf`` names too."""
        show: Callable[[Any], None] = self.namespace["display"]
        frame = None
        for statement in statements(self.session, cell.text):
            given = self.dbutils.widgets.getAll() if _MARKER.search(statement) else None
            frame = self.session.sql(statement, given)
        if frame is not None:
            self.namespace["_sqldf"] = frame
            show(frame)


def _arguments(cell: Cell) -> dict[str, str]:
    """Return the values that ``%run ./notebook $name="value"`` passes.

    Raises:
        DefinitionError: it is written otherwise.
    """
    given = cell.text.strip().partition(" ")[2].strip()
    left = _ARGUMENT.sub("", given).strip()
    if left:
        raise DefinitionError(
            f"%run cannot take {left!r}", origin=origin_of(cell), hint='%run ./notebook $name="x"'
        )
    return {
        name: value[1:-1] if value[0] in "\"'" else value
        for name, value in _ARGUMENT.findall(given)
    }
