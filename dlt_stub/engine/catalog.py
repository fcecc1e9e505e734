"""The workspace's tables: a registry on disk, and the names Spark knows them by.

Spark's session catalog is in memory and forgets, so each table is registered with it when a name
is first needed. Three-level names work by giving each catalog the session catalog as delegate;
the price is that all catalogs share one namespace below them.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from glob import escape
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub.atomic import write_text
from dlt_stub.engine.sql_tree import active
from dlt_stub.errors import StateError, UsageError, nearest
from dlt_stub.failpoints import reach
from dlt_stub.locks import exclusive
from dlt_stub.paths import WorkspacePaths, segment

FORMAT = 1
WAIT_SECONDS = 60.0  # for another process that registers a table: that takes milliseconds
OUTSIDE = "OUTSIDE"  # the kind of a table no pipeline makes, and who it belongs to
# Spark's session catalog outlives a workspace opened in this process: what it was told, by name.
_named: dict[tuple[str, str, str], tuple[str, str]] = {}
_CATALOG = "spark.sql.catalog."
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableEntry:
    """What the registry knows of one table; ``location`` is a folder of Delta or JSON files."""

    catalog: str
    schema: str
    name: str
    location: str
    provider: str = "delta"
    kind: str  # a DatasetKind, or EVENT_LOG
    pipeline_id: str
    ddl: str | None = None  # the columns, where the files do not hold them
    is_private: bool = False  # only the pipeline that makes it finds it

    @property
    def full_name(self) -> str:
        """``catalog.schema.name``."""
        return f"{self.catalog}.{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        """The three-level name as SQL text."""
        return ".".join(quote(part) for part in (self.catalog, self.schema, self.name))


class TableRegistry:
    """The tables of one workspace; every write is atomic, one file a table."""

    def __init__(self, paths: WorkspacePaths) -> None:
        self._folder = paths.registry()

    def check(self, entry: TableEntry) -> None:
        """Return once ``entry`` is known to take nobody's name.

        Raises:
            UsageError: another pipeline owns the name, or another catalog holds the same
                ``schema.name`` (Spark's catalogs share one namespace here).
        """
        schema, name = segment(entry.schema.lower()), segment(entry.name.lower())
        for file in sorted(self._folder.glob(f"*/{escape(schema)}/{escape(name)}.json")):
            other = _entry(file)
            if other.catalog.lower() != entry.catalog.lower():
                raise UsageError(
                    f"table {entry.full_name} cannot stand beside {other.full_name} in one local "
                    "workspace: catalogs share one namespace here",
                    hint="use another schema, or another workspace folder",
                )
            if other.pipeline_id != entry.pipeline_id:
                raise UsageError(
                    f"table {entry.full_name} is already managed by pipeline {other.pipeline_id}; "
                    f"found pipeline {entry.pipeline_id}",
                    hint="a table is managed by one pipeline: rename the dataset or the schema",
                )

    def put(self, entry: TableEntry) -> None:
        """Record ``entry``; of two processes that want a name at once, one is refused.

        Raises:
            UsageError: the name is taken, as ``check`` says.
        """
        file = self._file(entry.catalog, entry.schema, entry.name)
        content = json.dumps({"format": FORMAT, **asdict(entry)}, indent=1)
        what = f"registering table {entry.full_name}"
        with exclusive(self._folder / "lock", what=what, wait_seconds=WAIT_SECONDS):
            self.check(entry)
            if not file.exists() or file.read_text(encoding="utf-8") != content:
                write_text(file, content)
                reach("registry.written", entry.name)

    def remove(self, entry: TableEntry) -> None:
        """Forget ``entry``; its files are left alone."""
        self._file(entry.catalog, entry.schema, entry.name).unlink(missing_ok=True)

    def entries(self) -> Iterator[TableEntry]:
        """Yield every published table, by name.

        Raises:
            StateError: a file is not a registry entry, or of a newer format.
        """
        for file in sorted(self._folder.glob("*/*/*.json")):
            entry = _entry(file)
            if not entry.is_private:
                yield entry

    def find(
        self, name: str, *, catalog: str, schema: str, pipeline_id: str | None = None
    ) -> TableEntry | None:
        """Return the table called ``name``: one to three levels, the rest from the arguments.

        A private table is found by its own pipeline only.
        """
        parts = name_levels(name)
        if parts is None or len(parts) > 3:
            return None
        full = [catalog, schema, *parts][-3:] if len(parts) == 1 else [catalog, *parts][-3:]
        file = self._file(*full)
        entry = _entry(file) if file.exists() else None
        if entry is not None and entry.is_private and entry.pipeline_id != pipeline_id:
            return None
        return entry

    def unknown(self, name: str) -> UsageError:
        """Return what to raise where no table is called ``name``."""
        near = self.nearest(name)
        return UsageError(
            f"no table '{name}' in this workspace",
            hint=f"did you mean '{near}'?" if near else "update its pipeline first",
        )

    def nearest(self, name: str) -> str | None:
        """Return the full name of the table ``name`` was probably meant to be."""
        names = {entry.name: entry.full_name for entry in self.entries()}
        near = nearest((name_levels(name) or (name,))[-1], names)
        return names[near] if near else None

    def _file(self, catalog: str, schema: str, name: str) -> Path:
        folder = self._folder / segment(catalog.lower()) / segment(schema.lower())
        return folder / f"{segment(name.lower())}.json"


def attach_catalogs(spark: SparkSession, catalogs: set[str]) -> None:
    """Let ``spark`` resolve three-level names in ``catalogs``; once for each session."""
    for catalog in sorted(catalogs):
        if is_attached(spark, catalog):
            continue
        spark.conf.set(f"spark.sql.catalog.{catalog}", DELTA_CATALOG)
        with active(spark):
            catalogs_of = spark._jsparkSession.sessionState().catalogManager()
            catalogs_of.catalog(catalog).setDelegateCatalog(catalogs_of.v2SessionCatalog())


def adopt_catalogs(spark: SparkSession) -> None:
    """Let a session cloned from one of ours, as each stream has, find what that one found."""
    named = [key for key in spark.conf.getAll if key.startswith(_CATALOG)]
    with active(spark):
        catalogs_of = spark._jsparkSession.sessionState().catalogManager()
        for key in named:
            catalog = key.removeprefix(_CATALOG)
            if "." not in catalog and catalog != "spark_catalog":
                found = catalogs_of.catalog(catalog)
                found.setDelegateCatalog(catalogs_of.v2SessionCatalog())


def is_attached(spark: SparkSession, catalog: str) -> bool:
    """Return whether ``spark`` knows ``catalog`` by that name."""
    return spark.conf.get(f"spark.sql.catalog.{catalog}", None) is not None


def name_table(spark: SparkSession, entry: TableEntry) -> None:
    """Let ``spark`` find ``entry`` by its three-level name, in SQL too."""
    attach_catalogs(spark, {entry.catalog})
    key = (spark.sparkContext.applicationId, entry.schema.lower(), entry.name.lower())
    known = _named.get(key)
    if known == (entry.catalog, entry.location):
        return
    if known is not None:
        run_sql(spark, f"DROP TABLE IF EXISTS {entry.quoted}")
    run_sql(spark, f"CREATE SCHEMA IF NOT EXISTS {quote(entry.catalog)}.{quote(entry.schema)}")
    columns = f"({entry.ddl}) " if entry.ddl else ""
    # A line that is no event would be a row of NULLs, which no count would miss.
    options = "OPTIONS (mode 'FAILFAST') " if entry.provider == "json" else ""
    location = entry.location.replace("\\", "\\\\").replace("'", "\\'")
    run_sql(
        spark,
        f"CREATE TABLE IF NOT EXISTS {entry.quoted} {columns}USING {entry.provider} {options}"
        f"LOCATION '{location}'",
    )
    _named[key] = (entry.catalog, entry.location)


def forget_other_workspaces(spark: SparkSession, root: Path) -> None:
    """Take from Spark the names of tables that do not lie below ``root``.

    Spark's session catalog is one for the whole process: a table of a workspace opened before would
    be found where this one has none.
    """
    application = spark.sparkContext.applicationId
    for key, (catalog, location) in list(_named.items()):
        if key[0] == application and not Path(location).is_relative_to(root):
            attach_catalogs(spark, {catalog})
            name = ".".join(quote(part) for part in (catalog, *key[1:]))
            run_sql(spark, f"DROP TABLE IF EXISTS {name}")
            del _named[key]


def run_sql(spark: SparkSession, text: str) -> None:
    """Run a statement of ours, past what a user's session does with a user's SQL."""
    SparkSession.sql(spark, text)


_LEVEL = re.compile(r"`((?:[^`]|``)+)`|([^.`\s]+)")


def name_levels(name: str) -> tuple[str, ...] | None:
    """Return the levels of a dotted name without their quotes, or None if it is no name."""
    levels, at = [], 0
    while match := _LEVEL.match(name, at):
        levels.append(match[1].replace("``", "`") if match[1] else match[2])
        at = match.end()
        if at == len(name):
            return tuple(levels)
        if name[at] != ".":
            return None
        at += 1
    return None


def quote(name: str) -> str:
    """Return ``name`` as a quoted SQL identifier."""
    return "`" + name.replace("`", "``") + "`"


def _entry(file: Path) -> TableEntry:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise StateError(
                f"registry file {file} is of another format; allowed: {FORMAT}",
                hint="use the dlt-stub version that wrote it",
            )
        return TableEntry(**content)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateError(
            f"registry file {file} cannot be read: {error}",
            hint="delete that file; the next update of its pipeline writes it again",
        ) from error
