"""What each statement of a SQL source file declares.

Statements are read up to their query; the query itself stays as it is written and is run by the
same code as ``spark.sql`` in a query function.

Source: docs "Develop pipeline code with SQL", "Pipeline SQL language reference", 2026-11-24.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from dlt_stub.declare.changes import apply_changes
from dlt_stub.declare.reads import current_reads
from dlt_stub.declare.records import AppendFlow, Dataset, DatasetKind, Query
from dlt_stub.declare.registry import active_registry, at_statement, joined
from dlt_stub.declare.user_sql import run_query
from dlt_stub.engine.sql import quote
from dlt_stub.engine.sql_tree import lex
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin
from dlt_stub.sql_sources.changes import read_changes
from dlt_stub.sql_sources.reader import Reader
from dlt_stub.sql_sources.statements import statements_of, with_settings
from dlt_stub.sql_sources.tables import Clauses, read_clauses

_SET = re.compile(r"SET\s+([\w.\-]+)\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_SHOWN = re.compile(r"SET(\s+-v|\s+[\w.\-]+)?", re.IGNORECASE)
_ALLOWED = (
    "CREATE OR REFRESH STREAMING TABLE, CREATE OR REFRESH MATERIALIZED VIEW, CREATE TEMPORARY "
    "VIEW, CREATE FLOW, APPLY CHANGES INTO, SET, USE"
)


@dataclass(slots=True, kw_only=True)
class _Scope:
    """What SET and USE have said in one file so far."""

    settings: dict[str, str] = field(default_factory=dict)
    catalog: str | None = None
    schema: str | None = None

    def complete(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return a name with the levels that USE has given; LIVE means the pipeline's own."""
        if parts[0].upper() == "LIVE":
            return parts
        if len(parts) == 1 and self.schema is not None:
            parts = (self.schema, *parts)
        if len(parts) == 2 and self.catalog is not None:
            parts = (self.catalog, *parts)
        return parts

    @property
    def spark_conf(self) -> dict[str, str]:
        """The settings that are Spark's or the pipeline's, not the user's own variables."""
        return {k: v for k, v in self.settings.items() if k.startswith(("spark.", "pipelines."))}


class SqlSources:
    """Declares what SQL texts say; ``session`` is the user's, on which their queries run."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._scopes: dict[str, _Scope] = {}  # by file: the cells of a notebook share one

    def __call__(self, text: str, origin: Origin) -> None:
        """Record what the statements of ``text`` declare; its first line stands at ``origin``.

        Raises:
            DefinitionError: a statement cannot be read, or declares what Databricks refuses.
            NotEmulatedError: it is one that is not run here.
        """
        file = origin.path.partition("#")[0]  # each cell of an .ipynb has a name of its own
        scope = self._scopes.setdefault(file, _Scope())
        for statement in statements_of(self._session, text, origin):
            expanded = with_settings(self._session, statement.text, scope.settings)
            tokens = tuple(lex(self._session, expanded))
            reader = Reader(
                spark=self._session, text=expanded, tokens=tokens, origin=statement.origin
            )
            found = _Statement(session=self._session, scope=scope, reader=reader)
            at_statement(statement.origin, found.declare)


@dataclass(slots=True, kw_only=True)
class _Statement:
    session: SparkSession
    scope: _Scope
    reader: Reader

    def declare(self) -> None:
        reader = self.reader
        if reader.takes("CREATE"):
            self._create()
        elif reader.sees("APPLY", "CHANGES", "INTO") or reader.sees("AUTO", "CDC"):
            self._changes(None)
        elif reader.sees("SET", "CATALOG") or reader.sees("USE"):
            reader.at += 1
            self._use()
        elif reader.sees("SET"):
            self._set()
        else:
            self._refuse()

    @property
    def origin(self) -> Origin:
        return self.reader.origin

    def _refuse(self) -> NoReturn:
        words = " ".join(token.text.upper() for token in self.reader.tokens[:3])
        raise NotEmulatedError(
            f"the statement {words} ... is not run in a pipeline's SQL source locally; run are: "
            f"{_ALLOWED}",
            origin=self.origin,
        )

    def _set(self) -> None:
        if _SHOWN.fullmatch(self.reader.text):
            active_registry("SET").add_note(
                f"{self.origin}: {self.reader.text} shows settings and sets none: it is skipped"
            )
            return
        match = _SET.fullmatch(self.reader.text)
        if match is None:
            self._refuse()
        self.scope.settings[match[1]] = match[2].strip()

    def _use(self) -> None:
        reader, scope = self.reader, self.scope
        if reader.takes("CATALOG"):
            name = (reader.string(),) if reader.sees_string() else reader.name()
            # Source: docs "USE CATALOG", 2026-11-24: it resets the schema to ``default``.
            scope.catalog, scope.schema = name[0], "default"
        else:
            _ = reader.takes("SCHEMA") or reader.takes("DATABASE") or reader.takes("NAMESPACE")
            name = reader.name()
            scope.schema = name[-1]
            if len(name) > 1:
                scope.catalog = name[0]
        if not reader.is_done() or len(name) > 2:
            reader.fail("the end")

    def _create(self) -> None:
        reader = self.reader
        is_replaced = reader.takes("OR", "REPLACE")
        _ = is_replaced or reader.takes("OR", "REFRESH")
        if reader.takes("FLOW"):
            self._flow()
            return
        is_private = reader.takes("PRIVATE")
        is_temporary = reader.takes("TEMPORARY") or reader.takes("TEMP")
        is_streaming = reader.takes("STREAMING") or reader.takes("INCREMENTAL")  # its first name
        is_live = reader.takes("LIVE")
        if reader.takes("MATERIALIZED", "VIEW"):
            kind = DatasetKind.MATERIALIZED_VIEW
        elif reader.takes("TABLE") and (is_streaming or is_live):
            kind = DatasetKind.STREAMING_TABLE if is_streaming else DatasetKind.MATERIALIZED_VIEW
        elif reader.takes("VIEW") and (is_temporary or is_live):
            kind = DatasetKind.VIEW
        else:
            self._refuse()
        if is_replaced and kind is DatasetKind.STREAMING_TABLE:
            raise DefinitionError(
                "CREATE OR REPLACE STREAMING TABLE is no statement of a pipeline; allowed: CREATE "
                "OR REFRESH STREAMING TABLE",
                origin=self.origin,
            )
        _ = reader.takes("IF", "NOT", "EXISTS")
        self._dataset(
            kind, is_private=is_private or (is_temporary and kind is not DatasetKind.VIEW)
        )

    def _dataset(self, kind: DatasetKind, *, is_private: bool) -> None:
        reader = self.reader
        name = self._declared(reader.name())
        clauses = read_clauses(reader)
        registry = active_registry("table")
        conf = self.scope.spark_conf
        if conf and kind is DatasetKind.VIEW:
            raise NotEmulatedError(
                f"SET {next(iter(conf))} before view '{name}' is not run locally: a view runs "
                "inside the flows that read it",
                origin=self.origin,
                hint="set it before those, in a file of their own",
            )
        registry.add_dataset(
            Dataset(
                name=name,
                kind=kind,
                origin=self.origin,
                comment=clauses.comment,
                schema=", ".join(clauses.columns) or None,
                table_properties=clauses.properties,
                partition_columns=clauses.partition_columns,
                cluster_by=clauses.cluster_by,
                expectations=joined((), clauses.expectations, name),
                is_private=is_private,
                spark_conf=conf,
            )
        )
        for note in clauses.notes:
            registry.add_note(note)
        if reader.takes("FLOW"):
            self._flow_of(name, name)
        elif reader.takes("AS"):
            self._append(name, name, clauses=clauses)
        elif kind is not DatasetKind.STREAMING_TABLE:
            reader.fail("AS and a query")

    def _flow(self) -> None:
        name = ".".join(self.reader.name())
        if self.reader.takes("COMMENT"):
            self.reader.string()
        self.reader.expect("AS")
        self._flow_of(name, None)

    def _flow_of(self, name: str, target: str | None) -> None:
        """Read what fills ``target``, or the table that is named after INTO."""
        reader = self.reader
        if reader.sees("AUTO", "CDC") or reader.sees("APPLY", "CHANGES"):
            self._changes(name, target)
            return
        reader.expect("INSERT")
        is_once = reader.takes("ONCE")
        if target is None:
            reader.expect("INTO")
            is_once = reader.takes("ONCE") or is_once
            target = self._declared(reader.name())
        _ = reader.takes("BY", "NAME")
        if reader.sees("REPLACE"):
            self._refuse()
        self._append(name, target, once=is_once)

    def _changes(self, name: str | None, target: str | None = None) -> None:
        reader = self.reader
        if not reader.takes("APPLY", "CHANGES"):
            reader.expect("AUTO", "CDC")
        is_once = reader.takes("ONCE")
        if target is None:
            reader.expect("INTO")
            is_once = reader.takes("ONCE") or is_once
            target = self._declared(reader.name())
        if reader.sees("FROM", "SNAPSHOT"):
            raise NotEmulatedError(
                "AUTO CDC FROM SNAPSHOT in SQL is not run locally",
                origin=self.origin,
                hint="dlt.create_auto_cdc_from_snapshot_flow(...) in a Python source",
            )
        source, arguments = read_changes(reader)
        named = self._source(source, name or target, is_once=is_once)
        apply_changes(target, named, flow_name=name, once=is_once, **arguments)

    def _source(self, text: str, flow: str, *, is_once: bool) -> str:
        """Return the dataset that ``text`` names; of a longer source, a view made for it."""
        tokens = tuple(lex(self.session, text))
        reader = replace(self.reader, text=text, tokens=tokens, at=0)
        is_stream = reader.takes("STREAM")
        is_bracketed = is_stream and reader.takes("(")
        if not reader.sees("("):
            name = reader.name()
            if (not is_bracketed or reader.takes(")")) and reader.is_done():
                if not is_stream and not is_once:
                    raise DefinitionError(
                        f"flow '{flow}': source data for AUTO CDC must be a streaming query",
                        origin=self.origin,
                        hint=f"FROM STREAM({text})",
                    )
                return _written(self.scope.complete(name))
        view = f"__dlt_source_of_{flow.replace('.', '_').replace('`', '')}"
        registry = active_registry("view")
        registry.add_dataset(Dataset(name=view, kind=DatasetKind.VIEW, origin=self.origin))
        query = self._query(f"SELECT * FROM {text}")  # noqa: S608 - the user's own
        registry.add_flow(AppendFlow(name=view, target=view, query=query, origin=self.origin))
        return view

    def _append(
        self, name: str, target: str, *, once: bool = False, clauses: Clauses | None = None
    ) -> None:
        query = self._query(self.reader.rest(), clauses)
        active_registry("table").add_flow(
            AppendFlow(name=name, target=target, query=query, origin=self.origin, once=once)
        )

    def _query(self, text: str, clauses: Clauses | None = None) -> Query:
        session, scope, origin = self.session, replace(self.scope), self.origin

        def run() -> DataFrame:
            frame = run_query(
                session, current_reads(), text, args=None, frames={}, complete=scope.complete
            )
            return _renamed(frame, clauses, origin) if clauses is not None else frame

        return lambda: at_statement(origin, run)

    def _declared(self, parts: tuple[str, ...]) -> str:
        parts = self.scope.complete(parts)
        return _written(parts[1:] if parts[0].upper() == "LIVE" and len(parts) > 1 else parts)


def _written(parts: Iterable[str]) -> str:
    """Return a name as a user would write it: in backticks only where it has to be."""
    return ".".join(part if part.isidentifier() else quote((part,)) for part in parts)


def _renamed(frame: DataFrame, clauses: Clauses, origin: Origin) -> DataFrame:
    """Return ``frame`` with the names of a column list without types."""
    names = clauses.names
    if not names:
        return frame
    if len(names) != len(frame.columns):
        raise DefinitionError(
            f"the column list has {len(names)} names, the query {len(frame.columns)} columns",
            origin=origin,
        )
    columns: list[Any] = []  # Any: pyspark types alias loosely
    for name, field_name in zip(frame.toDF(*names).columns, names, strict=True):
        comment = clauses.comments.get(field_name)
        column = F.col(quote((name,)))
        columns.append(column.alias(name, metadata={"comment": comment}) if comment else column)
    return frame.toDF(*names).select(*columns)
