"""One session's view of the workspace: its tables by name, Databricks' functions, its volumes."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import SparkSession

from dlt_stub.engine.catalog import (
    OUTSIDE,
    TableEntry,
    TableRegistry,
    attach_catalogs,
    forget_other_workspaces,
    name_levels,
    name_table,
    quote,
)
from dlt_stub.engine.sql import (
    TableFunctionCall,
    plan_kind,
    rewrite,
    table_functions,
    table_names,
    used_name,
)
from dlt_stub.engine.sql_json import with_paths
from dlt_stub.errors import NotEmulatedError, UsageError
from dlt_stub.paths import WorkspacePaths

# Databricks' table functions that Spark lacks, and the word each is refused or answered by.
EVENT_LOG = "event_log"
CLOUD_FILES_STATE = "cloud_files_state"

# Spark's session catalog is in memory: what these make is gone with the process, and what they drop
# or rename comes back from the workspace's registry.
_FORGOTTEN = frozenset(
    {"CreateTable", "CreateTableAsSelect", "ReplaceTable", "ReplaceTableAsSelect", "CreateView"}
    | {"DropTable", "DropView", "RenameTable", "CreateNamespace", "DropNamespace", "CreateFunction"}
    | {"CloneTableStatement", "CreateTableLikeCommand", "LoadData"}
)
_LISTS = frozenset({"ShowTables", "ShowTablesCommand", "ShowTablesExtended", "ShowViews"})

# Returns SQL text that stands for a Databricks table function, or None to leave it to Spark.
Functions = Callable[[SparkSession, TableFunctionCall], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNames:
    """Names and paths on ``session``; unqualified tables are in ``catalog`` and ``schema``."""

    session: SparkSession
    paths: WorkspacePaths
    registry: TableRegistry
    catalog: str
    schema: str
    functions: Functions
    stays_in_schema: bool = False  # a pipeline completes names by its own schema, whatever USE says

    def use(self) -> None:
        """Make ``catalog`` and ``schema`` the session's current ones; forget other workspaces."""
        forget_other_workspaces(self.session, self.paths.root)
        attach_catalogs(self.session, {self.catalog})
        name = f"{quote(self.catalog)}.{quote(self.schema)}"
        self.session.sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
        self.session.sql(f"USE {name}")

    def path(self, path: str) -> str:
        """Return where ``path`` lies on this machine.

        Raises:
            UsageError: it leads out of its volume.
        """
        return self.paths.to_local(path)

    def read_path(self, path: str) -> str:
        """Return where ``path`` lies on this machine, for Spark to read all that is there.

        Raises:
            UsageError: it, or a link in the folder that it names, leads out of its volume.
        """
        local = self.paths.to_local(path)
        self.paths.check_links(local)  # Spark follows those that it finds
        return local

    def know(self, table: str) -> None:
        """Let the session find ``table`` by that name, if the workspace has it."""
        entry = self.find(table)
        if entry is not None:
            self._know(entry)

    def _know(self, entry: TableEntry) -> None:
        name_table(self.session, entry)
        if entry.provider != "delta":
            # Spark lists the files of such a table once for each session (tried), and events grow.
            self.session.catalog.refreshTable(entry.quoted)

    def find(self, table: str) -> TableEntry | None:
        """Return the workspace's table of that name, completed as the session completes it now."""
        catalog, schema = self.current()
        return self.registry.find(table, catalog=catalog, schema=schema)

    def outside(self, table: str) -> TableEntry:
        """Return the table no pipeline makes that ``table`` names, there already or not.

        Raises:
            UsageError: a pipeline makes it, or it is no name of a table.
        """
        known = self.find(table)
        if known is not None:
            if known.kind == OUTSIDE:
                return known
            raise UsageError(
                f"table {known.full_name} is made by a pipeline and cannot be written here",
                hint="write another table, or let a flow of that pipeline write it",
            )
        catalog, schema = self.current()
        levels = name_levels(table)
        if levels is None or len(levels) > 3:
            raise UsageError(f"{table!r} is no name of a table", hint="catalog.schema.table")
        full = ((catalog, schema, *levels) if len(levels) == 1 else (catalog, *levels))[-3:]
        entry = TableEntry(
            catalog=full[0],
            schema=full[1],
            name=full[2],
            location=str(self.paths.table(*full)),
            kind=OUTSIDE,
            pipeline_id=OUTSIDE,
        )
        self.registry.check(entry)  # a private table lies there too
        return entry

    def publish(self, entry: TableEntry) -> None:
        """Let the workspace and the session find ``entry``."""
        self.registry.put(entry)
        self._know(entry)

    def current(self) -> tuple[str, str]:
        """Return the session's current catalog and schema.

        Spark calls every catalog of ours by the name of what it delegates to, in ``USE`` as well;
        so the catalog stays the one this session was opened with.
        """
        return self.catalog, self.session.catalog.currentDatabase()

    def sql(self, text: str) -> str:
        """Return ``text`` with Databricks' functions answered; the tables it names are known."""
        if "current_catalog" in text.lower():
            raise NotEmulatedError(
                "current_catalog() is not run locally: it would be spark_catalog for every catalog",
                hint="write the catalog's name, or spark.catalog.currentCatalog() in Python",
            )
        command = plan_kind(self.session, text)
        used = used_name(self.session, text)
        if len(used) > 1 and used[0].lower() != self.catalog.lower():
            raise NotEmulatedError(
                f"this session stays in catalog '{self.catalog}': changing it is not run locally",
                hint="write names of other catalogs with all three levels",
            )
        if used and self.stays_in_schema and used[-1].lower() != self.schema.lower():
            raise NotEmulatedError(
                "USE by spark.sql in a pipeline is not run locally: what it does to the names of "
                "datasets is not documented",
                hint="USE stands in SQL source files; or write names with their schema",
            )
        if command in _FORGOTTEN:
            raise NotEmulatedError(
                f"the statement makes or changes what the local catalog would forget ({command})",
                hint="a pipeline makes its tables; a temporary view lives as long as its session",
            )
        for parts in table_names(self.session, text):
            self.know(".".join(quote(part) for part in parts))
        if command in _LISTS:
            for entry in self.registry.entries():
                self._know(entry)
        if table_functions(self.session, text):
            text = rewrite(
                self.session, text, function=lambda call: self.functions(self.session, call)
            )
        return with_paths(self.session, text)


def table_argument(call: TableFunctionCall) -> str:
    """Return the table that ``f(TABLE(name))`` or ``f('name')`` is called on.

    Raises:
        UsageError: the call has another form.
    """
    if len(call.arguments) == 1:
        argument = call.arguments[0]
        if argument.table is not None:
            return ".".join(part if part.isidentifier() else quote(part) for part in argument.table)
        if argument.string is not None:
            return argument.string
    name = ".".join(call.name)
    raise UsageError(
        f"{name}(...) takes one argument, found {[each.text for each in call.arguments]}",
        hint=f"{name}(TABLE(catalog.schema.table))",
    )
