"""A notebook as a pipeline's source file: its cells run in order, in one namespace.

Source: the warning that a pipeline gives about its notebooks, "Magic commands (e.g. %py, %sql and
%run) are not supported with the exception of %pip within a Python notebook. Cells containing magic
commands are ignored", quoted in public notebooks, and databricks-demos/dbdemos issue 19, where its
makers say that such a cell "is ignored ... it should be just a warning"; docs "Develop pipelines":
each source file holds one language; docs "Manage Python dependencies for pipelines" for ``%pip``.
Read 2026-11-24.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dlt_stub.declare.registry import shown
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin
from dlt_stub.notebooks import SHELL, Cell, Command, Notebook, find_notebook, read_notebook

DeclareSql = Callable[[str, Origin], None]  # statements, and where their first line stands
RUN_MAGICS = "dlt_stub.notebooks.runMagics"  # a setting of the pipeline's configuration
INSTALLS = ("pip", "conda", "restart_python")
# They change how a notebook looks or is edited, not what comes out of it.
WITHOUT_EFFECT = ("load_ext", "reload_ext", "autoreload", "matplotlib", "config")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSource:
    """Runs notebooks the way an update does; ``note`` is told what was skipped.

    What a pipeline on Databricks makes of ``!command`` is not known: it is refused.

    With ``runs_magics`` cells that Databricks ignores in a pipeline (``%run``, ``%sql``,
    ``%python``) run all the same.
    """

    namespace: dict[str, Any]  # Any: whatever user code defines
    declare_sql: DeclareSql
    note: Callable[[str], None]
    runs_magics: bool = False
    _ignored: dict[str, None] = field(default_factory=dict)  # magics, in the order they are met

    def run(self, notebook: Notebook) -> None:
        """Run the cells of ``notebook``; those with magics are ignored, and noted once.

        Raises:
            NotEmulatedError: ``runs_magics`` asks for a magic that does not run here.
        """
        self._ignored.clear()
        self._run_cells(notebook, ())
        if self._ignored:
            found = ", ".join(f"%{name}" for name in self._ignored)
            self.note(
                "Magic commands (e.g. %py, %sql and %run) are not supported with the exception of "
                "%pip within a Python notebook. Cells containing magic commands are ignored. "
                f"Unsupported magic commands were found in {shown(str(notebook.path))}: {found}"
            )

    def _run_cells(self, notebook: Notebook, callers: tuple[Notebook, ...]) -> None:
        for cell in notebook.cells:
            if cell.magic == "md":
                continue
            if cell.is_marked and not self.runs_magics:
                self._ignored[cell.magic] = None
            elif cell.magic == "python":
                self._run_python(cell)
            elif cell.magic == "sql":
                self.declare_sql(cell.text, origin_of(cell))
            elif cell.magic == "run":
                inner = run_target(cell, notebook, callers)
                self._run_cells(inner, (*callers, notebook))
            elif self.runs_magics:
                raise refused(cell)
            else:
                self._ignored[cell.magic] = None

    def _run_python(self, cell: Cell) -> None:
        unknown = [each for each in cell.commands if each.name not in INSTALLS]
        unknown = [each for each in unknown if each.name not in WITHOUT_EFFECT]
        shell = next((each for each in unknown if each.name == SHELL), None)
        if shell is not None:
            raise refused_command(cell, shell)
        if unknown:
            self._ignored.update(dict.fromkeys(each.name for each in unknown))
            return
        for command in cell.commands:
            if command.name in INSTALLS:
                self.note(skipped_install(cell, command.name, command.argument, command.line))
        run_python(cell, self.namespace)


def run_python(cell: Cell, namespace: dict[str, Any]) -> None:  # Any: what user code defines
    """Run a Python cell in ``namespace``; an error names the line of the file."""
    text = "\n" * (cell.line - 1) + cell.text
    exec(compile(text, cell.file, "exec"), namespace)  # noqa: S102 - running it is the point


def skipped_install(cell: Cell, name: str, argument: str, line: int) -> str:
    """Return the note about a command that would install packages."""
    where = Origin(path=shown(cell.file), line=line)
    return (
        f"{where}: `%{name} {argument}".rstrip() + "` is skipped: packages are those of the "
        "Python that runs dlt_stub"
    )


def origin_of(cell: Cell) -> Origin:
    """Return where the text of ``cell`` begins."""
    return Origin(path=shown(cell.file), line=cell.line)


def refused(cell: Cell) -> NotEmulatedError:
    """Return the error about a cell whose magic does not run here."""
    return NotEmulatedError(
        f"%{cell.magic} cells are not run locally",
        origin=origin_of(cell),
        hint="Python and SQL cells and %run of another notebook run here",
    )


def refused_command(cell: Cell, command: Command) -> NotEmulatedError:
    """Return the error about a command within a Python cell that does not run here."""
    sign = "" if command.name == SHELL else "%"
    return NotEmulatedError(
        f"`{sign}{command.name}{' ' if sign else ''}{command.argument}` is not run locally",
        origin=Origin(path=shown(cell.file), line=command.line),
        hint="a notebook's Python and SQL run here, and what installs packages is skipped",
    )


def run_target(cell: Cell, notebook: Notebook, callers: tuple[Notebook, ...]) -> Notebook:
    """Return the notebook that a ``%run`` cell of ``notebook`` names.

    Raises:
        DefinitionError: there is none, it is no notebook, or it is running already.
    """
    words = cell.text.split()
    if not words:
        raise DefinitionError("%run names no notebook", origin=origin_of(cell))
    path = find_notebook(words[0].strip("'\""), below=notebook.path.parent, origin=origin_of(cell))
    if path in [each.path for each in (*callers, notebook)]:
        raise DefinitionError(
            f"%run {words[0]} would run the notebook within itself", origin=origin_of(cell)
        )
    return read_notebook(path)
