"""``dlt-stub sql``: Databricks SQL over the local workspace's tables."""

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType

from dlt_stub.cli.display import Display, open_display
from dlt_stub.cli.place import Place
from dlt_stub.cli.tables import row_table
from dlt_stub.engine.sql import statements
from dlt_stub.errors import UsageError


def sql(place: Place, text: str, *, limit: int, as_json: bool) -> int:
    """Return 0 after running every statement of ``text`` and printing its rows; 1 if one fails.

    Raises:
        UsageError: there is no bundle, no statement, or a column name that JSON cannot hold twice.
    """
    workspace = place.open()
    display = open_display(as_json=as_json)
    with display.starting_spark():
        session = workspace.session()
    try:
        pieces = statements(session, text)
        if not pieces:
            raise UsageError("there is no statement to run", hint="dlt-stub sql 'SHOW TABLES'")
        for piece in pieces:
            if piece.split()[0].upper() == "SHOW":  # Spark knows a table once it was asked for
                for entry in workspace.registry.entries():
                    session.names.know(entry.full_name)
            rows = session.sql(piece)
            if as_json:
                _write(rows, limit, display)
            elif rows.columns:
                _print(rows, limit, display)
            else:
                display.say("OK")
    except PySparkException as error:
        display.err.print(_message(error), style="red", markup=False, soft_wrap=True)
        return 1
    return 0


def texts(rows: DataFrame) -> list[tuple[str | None, ...]]:
    """Return every row as Spark would show it: instants in the session's zone, bytes as hex."""
    numbered = rows.toDF(*(f"c{number}" for number in range(len(rows.columns))))
    shown = [
        (F.hex(field.name) if isinstance(field.dataType, BinaryType) else F.col(field.name)).cast(
            "string"
        )
        for field in numbered.schema.fields
    ]
    return [tuple(row) for row in numbered.select(*shown).collect()]


def _print(rows: DataFrame, limit: int, display: Display) -> None:
    found = texts(rows.limit(limit + 1) if limit else rows)
    display.show(row_table(rows.columns, found[:limit] if limit else found))
    if limit and len(found) > limit:
        display.say(f"the first {limit} rows; --limit 0 shows all", style="yellow")


def _write(rows: DataFrame, limit: int, display: Display) -> None:
    columns = rows.columns
    if len(set(columns)) < len(columns):
        twice = sorted({name for name in columns if columns.count(name) > 1})
        raise UsageError(
            f"several columns are called {', '.join(twice)}; a JSON object holds one",
            hint="give them names with AS",
        )
    if not columns:
        return
    whole = F.to_json(F.struct("*"), {"ignoreNullFields": "false"})
    found = (rows.limit(limit + 1) if limit else rows).select(whole).collect()
    for row in found[:limit] if limit else found:
        display.out.file.write(f"{row[0]}\n")
    if limit and len(found) > limit:
        display.err.print(f"the first {limit} rows; --limit 0 writes all")


def _message(error: PySparkException) -> str:
    """Return what Spark says to the user: without the stack of its JVM."""
    return str(error).partition("\n\nJVM stacktrace:")[0]
