"""``AUTO CDC INTO`` and ``APPLY CHANGES INTO``: the clauses, and what they say to apply_changes.

Source: docs "AUTO CDC INTO (pipelines)", "CREATE FLOW (pipelines)", 2026-11-24.
"""

from typing import Any

from dlt_stub.errors import DefinitionError, NotEmulatedError
from dlt_stub.sql_sources.reader import Reader

_CLAUSES = (
    ("KEYS", "("),
    ("WHERE",),
    ("IGNORE", "NULL", "UPDATES"),
    ("APPLY", "AS", "DELETE", "WHEN"),
    ("APPLY", "AS", "TRUNCATE", "WHEN"),
    ("SEQUENCE", "BY"),
    ("SYSTEM", "SEQUENCE", "BY"),
    ("COLUMNS", "("),
    ("COLUMNS", "*"),
    ("COLUMNS", "TO", "UPDATE"),
    ("STORED", "AS"),
    ("TRACK", "HISTORY", "ON"),
)

_EXPRESSIONS = {
    ("WHERE",): "where",
    ("APPLY", "AS", "DELETE", "WHEN"): "apply_as_deletes",
    ("APPLY", "AS", "TRUNCATE", "WHEN"): "apply_as_truncates",
    ("SEQUENCE", "BY"): "sequence_by",
    ("SYSTEM", "SEQUENCE", "BY"): "system_sequence_by",
    ("COLUMNS", "TO", "UPDATE"): "columns_to_update",
}


def read_changes(reader: Reader) -> tuple[str, dict[str, Any]]:
    """Return the source after ``FROM``, as written, and the arguments of ``apply_changes``.

    Raises:
        DefinitionError: a clause is missing, is doubled, or cannot be read.
    """
    reader.expect("FROM")
    source = reader.until(*_CLAUSES)
    found: dict[str, Any] = {}  # Any: apply_changes' own argument types
    while not reader.is_done():
        for name, value in _clause(reader).items():
            if name in found:
                raise DefinitionError(f"the clause of {name} stands twice", origin=reader.origin)
            found[name] = value
    for name, clause in (("keys", "KEYS (...)"), ("sequence_by", "SEQUENCE BY ...")):
        if name not in found:
            raise DefinitionError(f"the statement lacks {clause}", origin=reader.origin)
    return source, found


def _clause(reader: Reader) -> dict[str, Any]:
    for words, argument in _EXPRESSIONS.items():
        if reader.takes(*words):
            return {argument: reader.until(*_CLAUSES)}
    if reader.takes("KEYS"):
        return {"keys": _names(reader)}
    if reader.takes("IGNORE", "NULL", "UPDATES"):
        if not reader.takes("ON"):
            return {"ignore_null_updates": True}
        return _columns(reader, "ignore_null_updates_")
    if reader.takes("COLUMNS"):
        return _columns(reader, "")
    if reader.takes("STORED", "AS"):
        return {"stored_as_scd_type": _scd_type(reader)}
    if reader.takes("TRACK", "HISTORY", "ON"):
        return _columns(reader, "track_history_")
    reader.fail(", ".join(" ".join(clause).removesuffix(" (") for clause in _CLAUSES))


def _scd_type(reader: Reader) -> str:
    if reader.takes("BITEMPORAL"):
        return "bitemporal"
    reader.expect("SCD", "TYPE")
    return reader.token("1 or 2").text


def _columns(reader: Reader, prefix: str) -> dict[str, Any]:
    if reader.takes("*"):
        reader.expect("EXCEPT")
        return {f"{prefix}except_column_list": _names(reader)}
    return {f"{prefix}column_list": _names(reader)}


def _names(reader: Reader) -> list[str]:
    """Return the column names in brackets, or without them up to the next clause."""
    if not reader.sees("("):  # docs' own examples write ``COLUMNS a, b`` as well
        names = [reader.name()]
        while reader.takes(","):
            names.append(reader.name())
        return [".".join(name) for name in names]
    found = []
    for part in reader.bracketed().split():
        name = part.name()
        if not part.is_done() or len(name) > 1:
            raise NotEmulatedError(
                "a list of columns holds more than names", origin=part.origin, hint="(a, b, c)"
            )
        found.append(name[0])
    return found
