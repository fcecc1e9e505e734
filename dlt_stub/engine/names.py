"""One session's view of the workspace: its tables by name, Databricks' functions, its volumes."""

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import SparkSession

from dlt_stub.engine.catalog import TableEntry, TableRegistry, attach_catalogs, name_table, quote
from dlt_stub.engine.sql import TableFunctionCall, rewrite, table_functions, table_names
from dlt_stub.errors import UsageError
from dlt_stub.paths import WorkspacePaths

# Databricks' table functions that Spark lacks, and the word each is refused or answered by.
EVENT_LOG = "event_log"
CLOUD_FILES_STATE = "cloud_files_state"

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

    def use(self) -> None:
        """Make ``catalog`` and ``schema`` the session's current ones."""
        attach_catalogs(self.session, {self.catalog})
        name = f"{quote(self.catalog)}.{quote(self.schema)}"
        self.session.sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
        self.session.sql(f"USE {name}")

    def path(self, path: str) -> str:
        """Return where ``path`` lies on this machine."""
        return self.paths.to_local(path)

    def know(self, table: str) -> None:
        """Let the session find ``table`` by that name, if the workspace has it."""
        entry = self.find(table)
        if entry is not None:
            name_table(self.session, entry)

    def find(self, table: str) -> TableEntry | None:
        """Return the workspace's table of that name."""
        return self.registry.find(table, catalog=self.catalog, schema=self.schema)

    def sql(self, text: str) -> str:
        """Return ``text`` with Databricks' functions answered; the tables it names are known."""
        for parts in table_names(self.session, text):
            self.know(".".join(parts))
        if not table_functions(self.session, text):
            return text
        return rewrite(self.session, text, function=lambda call: self.functions(self.session, call))


def table_argument(call: TableFunctionCall) -> str:
    """Return the table that ``f(TABLE(name))`` or ``f('name')`` is called on.

    Raises:
        UsageError: the call has another form.
    """
    if len(call.arguments) == 1:
        argument = call.arguments[0]
        if argument.table is not None:
            return ".".join(argument.table)
        if argument.string is not None:
            return argument.string
    name = ".".join(call.name)
    raise UsageError(
        f"{name}(...) takes one argument, found {[each.text for each in call.arguments]}",
        hint=f"{name}(TABLE(catalog.schema.table))",
    )
