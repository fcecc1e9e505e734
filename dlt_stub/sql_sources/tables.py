"""The clauses between the name of a table or view and its query.

Source: docs "CREATE STREAMING TABLE (pipelines)", "CREATE MATERIALIZED VIEW (pipelines)",
"CREATE TEMPORARY VIEW (pipelines)", 2026-11-24.
"""

from dataclasses import dataclass, field

from dlt_stub.declare.records import Action, Expectation
from dlt_stub.engine.sql import quote
from dlt_stub.errors import DefinitionError, NotEmulatedError
from dlt_stub.sql_sources.reader import Reader, literal

_REFUSED = {
    ("LOCATION",): "Unity Catalog pipelines take no storage location",
    ("WITH", "ROW", "FILTER"): "local tables know no row filters: every reader would see every row",
    ("ROW", "FILTER"): "local tables know no row filters: every reader would see every row",
    ("SCHEDULE",): "a pipeline is refreshed by its updates",
    ("TRIGGER",): "a pipeline is refreshed by its updates",
    ("REFRESH", "POLICY"): "only Databricks can say what it can refresh incrementally",
    ("OPTIONS",): "the tables of a pipeline are Delta tables",
}


@dataclass(slots=True, kw_only=True)
class Clauses:
    """What a CREATE statement says beside its name and query."""

    columns: list[str] = field(default_factory=list)  # each as DDL
    names: list[str] = field(default_factory=list)  # of columns without types, in order
    comments: dict[str, str] = field(default_factory=dict)  # of those
    expectations: tuple[Expectation, ...] = ()
    comment: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    partition_columns: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def read_clauses(reader: Reader) -> Clauses:
    """Return the clauses up to ``AS``, ``FLOW`` or the end of the statement.

    Raises:
        DefinitionError: one cannot be read.
        NotEmulatedError: one has no local meaning and could change results.
    """
    clauses = Clauses()
    if reader.sees("("):
        for part in reader.bracketed().split():
            _specify(part, clauses)
    if clauses.columns and clauses.names:
        raise DefinitionError(
            f"column '{clauses.names[0]}' has no type, others have one", origin=reader.origin
        )
    while not reader.is_done() and not reader.sees("AS") and not reader.sees("FLOW"):
        _clause(reader, clauses)
    return clauses


def _clause(reader: Reader, clauses: Clauses) -> None:
    for words, why in _REFUSED.items():
        if reader.sees(*words):
            raise NotEmulatedError(
                f"{' '.join(words)} is not run locally: {why}", origin=reader.here()
            )
    if reader.takes("USING"):
        if not reader.takes("DELTA"):
            reader.fail("DELTA")
    elif reader.takes("PARTITIONED", "BY"):
        clauses.partition_columns = _names(reader)
    elif reader.takes("CLUSTER", "BY", "AUTO") or reader.takes("CLUSTER", "BY", "NONE"):
        pass  # where rows lie, not which
    elif reader.takes("CLUSTER", "BY"):
        clauses.cluster_by = _names(reader)
    elif reader.takes("COMMENT"):
        clauses.comment = reader.string()
    elif reader.takes("TBLPROPERTIES"):
        clauses.properties.update(_properties(reader.bracketed()))
    elif reader.takes("DEFAULT", "COLLATION"):
        if not reader.takes("UTF8_BINARY"):
            reader.fail("UTF8_BINARY")
    else:
        reader.fail("a column list, COMMENT, TBLPROPERTIES, PARTITIONED BY, CLUSTER BY, AS")


def _names(reader: Reader) -> tuple[str, ...]:
    return tuple(".".join(part.name()) for part in reader.bracketed().split())


def _properties(reader: Reader) -> dict[str, str]:
    found = {}
    for part in reader.split():
        key = part.string() if part.sees_string() else ".".join(part.name())
        part.takes("=")
        found[key] = literal(part.spark, part.rest(), part.origin)
    return found


def _specify(part: Reader, clauses: Clauses) -> None:
    if part.sees("CONSTRAINT"):
        _constraint(part, clauses)
    elif part.sees("PRIMARY", "KEY") or part.sees("FOREIGN", "KEY"):
        _inform(part, clauses, " ".join(token.text for token in part.tokens[:2]).upper())
    else:
        _column(part, clauses)


def _constraint(part: Reader, clauses: Clauses) -> None:
    part.expect("CONSTRAINT")
    (name,) = part.name()
    if not part.sees("EXPECT"):
        if part.sees("PRIMARY") or part.sees("FOREIGN"):
            _inform(part, clauses, name)
            return
        part.fail("EXPECT (...), PRIMARY KEY, FOREIGN KEY")
    part.expect("EXPECT")
    constraint = part.bracketed().rest()
    action = Action.WARN
    if part.takes("ON", "VIOLATION", "DROP", "ROW"):
        action = Action.DROP
    elif part.takes("ON", "VIOLATION", "FAIL", "UPDATE"):
        action = Action.FAIL
    if not part.is_done():
        part.fail("ON VIOLATION DROP ROW, ON VIOLATION FAIL UPDATE")
    expectation = Expectation(name=name, constraint=constraint, action=action, origin=part.origin)
    clauses.expectations = (*clauses.expectations, expectation)


def _inform(part: Reader, clauses: Clauses, name: str) -> None:
    clauses.notes.append(
        f"{part.origin}: constraint {name} is for information only: it is not enforced, there or "
        "here"
    )


def _column(part: Reader, clauses: Clauses) -> None:
    (name,) = part.name()
    if part.is_done() or part.sees("COMMENT"):
        clauses.names.append(name)
        if part.takes("COMMENT"):
            clauses.comments[name] = part.string()
        return
    kind = part.until(
        ("NOT", "NULL"),
        ("COMMENT",),
        ("PRIMARY", "KEY"),
        ("CONSTRAINT",),
        ("MASK",),
        ("GENERATED",),
        ("DEFAULT",),
        ("REFERENCES",),
        ("FOREIGN", "KEY"),
    )
    words = [quote((name,)), kind]
    while not part.is_done():
        if part.takes("NOT", "NULL"):
            words.append("NOT NULL")
        elif part.takes("COMMENT"):
            start = part.tokens[part.at]
            part.string()
            words += ["COMMENT", start.text]
        elif part.sees("PRIMARY") or part.sees("CONSTRAINT") or part.sees("REFERENCES"):
            _inform(part, clauses, f"on column {name}")
            part.at = len(part.tokens)
        else:
            raise NotEmulatedError(
                f"{part.tokens[part.at].text.upper()} of column '{name}' is not run locally",
                origin=part.here(),
                hint="columns, types, NOT NULL and comments are",
            )
    clauses.columns.append(" ".join(words))
