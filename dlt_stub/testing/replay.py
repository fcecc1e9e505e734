"""Prints the shell script that replays a conformance case in a Databricks workspace.

python -m dlt_stub.testing.replay CASE_FOLDER --catalog C --schema S --warehouse ID > replay.sh

The case is run here first: what does not hold here is not worth a replay, and the types of its
tables are needed. The script uses the Databricks CLI alone (``bundle deploy`` of the folder with
``databricks.yml``, ``bundle run``, ``fs cp``, the SQL statements API). It compares tables and
queries; counts, events and error texts it leaves to the reader.

Source: docs "Databricks CLI commands", bundle, fs and api command groups, 2026-11-24; assumed: the
script itself was never run against a workspace.
"""

import argparse
import base64
import json
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from dlt_stub.engine.catalog import quote
from dlt_stub.errors import UsageError
from dlt_stub.testing.case import Case, GivenFile, GivenTable, Step, read_case
from dlt_stub.testing.pipeline import PipelineUnderTest
from dlt_stub.testing.rows import ExpectedRows, chosen_columns, typed_sql
from dlt_stub.testing.runner import run_steps
from dlt_stub.testing.values import literal

_HEAD = """\
#!/usr/bin/env bash
# {says}
# Replays case {case} on Databricks. Needs the Databricks CLI, logged in, and python3.
set -euo pipefail
cd {folder}
export BUNDLE_VAR_case={case} BUNDLE_VAR_catalog={catalog} BUNDLE_VAR_schema={schema}
failures=0

statement() {{  # one SQL statement: prints how many rows it returned, and shows them on stderr
    databricks api post /api/2.0/sql/statements --json "$1" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
if answer["status"]["state"] != "SUCCEEDED":
    sys.exit(json.dumps(answer["status"]))
rows = answer.get("result", {{}}).get("data_array") or []
print(*rows, sep="\\n", file=sys.stderr)
print(len(rows))'
}}

holds() {{  # what is checked, a statement that returns the rows that differ
    if [ "$(statement "$2")" = 0 ]; then echo "holds:  $1"; else echo "FAILS:  $1"; failures=1; fi
}}

update() {{  # how it must end, what it is told
    local ended=COMPLETED expected=$1; shift
    databricks bundle run case "$@" || ended=FAILED
    if [ "$ended" = "$expected" ]; then echo "holds:  update is $ended"
    else echo "FAILS:  update is $ended, expected $expected"; failures=1; fi
}}
"""
_FLAGS = {  # arguments of an update, as the CLI spells them
    "full_refresh": "--full-refresh-all",
    "validate_only": "--validate-only",
    "refresh": "--refresh",
    "full_refresh_selection": "--full-refresh",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case is replayed."""

    catalog: str
    schema: str
    warehouse: str


def replay_script(case: Case, place: Place, *, storage: Path) -> str:
    """Return the script that replays ``case``, which has been run in folder ``storage``.

    Raises:
        CaseFailure: the case does not hold here.
        UsageError: the case cannot be replayed.
    """
    if not case.replayable or case.is_bundle:
        raise UsageError(f"case {case.name} says something of dlt_stub alone and is not replayed")
    root = case.folder.parent.parent
    if not (root / "databricks.yml").is_file():
        raise UsageError(f"there is no databricks.yml two folders above case {case.name}")
    lines = [
        _HEAD.format(
            says=" ".join(case.says.split()),
            case=shlex.quote(case.folder.relative_to(root).as_posix()),
            folder=shlex.quote(str(root.resolve())),
            catalog=shlex.quote(place.catalog),
            schema=shlex.quote(place.schema),
        )
    ]
    made: set[str] = set()
    deployed: Step | None = None
    for number, (step, pipeline) in enumerate(run_steps(case, storage=storage), start=1):
        lines += ["", f"echo 'step {number} of {len(case.steps)}'"]
        if deployed is None or _definitions(step) != _definitions(deployed):
            lines += _deploy(step, place)
            deployed = step
        lines += _step(step, pipeline, place, made)
    return "\n".join([*lines, "", 'exit "$failures"', ""])


def check_sql(query: str, expected: ExpectedRows, schema: StructType, *, name: str) -> str:
    """Return the query of the rows that differ: ``what`` is ``missing`` or ``unexpected``.

    Raises:
        UsageError: an expected row does not fit the columns.
    """
    chosen = chosen_columns(schema, expected.columns, name)
    texts = ", ".join(_as_text(field.name, field.dataType) for field in chosen)
    wanted = typed_sql(chosen, expected.rows, name=name)
    wanted = wanted or f"SELECT * FROM ({query}) WHERE false"  # noqa: S608 - a case's own SQL
    found = f"SELECT {texts} FROM ({query})"  # noqa: S608 - a case's own SQL
    wanted = f"SELECT {texts} FROM ({wanted})"  # noqa: S608
    return (
        f"WITH found AS ({found}), wanted AS ({wanted}) "  # noqa: S608
        "SELECT 'missing' AS what, * FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM found) "
        "UNION ALL "
        "SELECT 'unexpected' AS what, * FROM (SELECT * FROM found EXCEPT ALL SELECT * FROM wanted)"
    )


def given_sql(table: GivenTable, schema: StructType, *, is_new: bool) -> Iterator[str]:
    """Yield the statements that give a table its rows, as one commit where it is there already.

    Raises:
        UsageError: a row does not fit the columns.
    """
    if is_new:
        columns = ", ".join(f"{quote(f.name)} {f.dataType.simpleString()}" for f in schema)
        options = ", ".join(f"{literal(k)} = {literal(v)}" for k, v in table.properties.items())
        yield f"CREATE TABLE {quote(table.name)} ({columns})" + (
            f" TBLPROPERTIES ({options})" if options else ""
        )
    rows = typed_sql(schema, table.rows, name=table.name)
    verb = "INSERT OVERWRITE" if table.replace else "INSERT INTO"
    if rows is not None:
        yield f"{verb} {quote(table.name)} {rows}"
    elif table.replace:
        yield f"TRUNCATE TABLE {quote(table.name)}"


def main() -> None:
    """Print the script of the case that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("case", type=Path, help="the case's folder")
    for name in ("catalog", "schema", "warehouse"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    place = Place(catalog=given.catalog, schema=given.schema, warehouse=given.warehouse)
    case = read_case(given.case / "case.yml")
    with tempfile.TemporaryDirectory(prefix="dlt_stub-replay-") as folder:
        sys.stdout.write(replay_script(case, place, storage=Path(folder)))


def _definitions(step: Step) -> tuple[object, ...]:
    return step.definitions, sorted(step.configuration.items())


def _deploy(step: Step, place: Place) -> list[str]:
    if len(step.definitions) != 1:
        raise UsageError(f"definitions in several folders are not deployed: {step.definitions}")
    configuration = {
        "catalog": place.catalog,
        "schema": place.schema,
        "landing": f"/Volumes/{place.catalog}/{place.schema}/landing",
        **step.configuration,
    }
    overrides = json.dumps({"configuration": configuration})
    folder = ".databricks/bundle/replay"
    return [
        f"mkdir -p {folder}",
        f"printf '%s' {shlex.quote(overrides)} > {folder}/variable-overrides.json",
        f"export BUNDLE_VAR_definitions={shlex.quote(step.definitions[0])}",
        "databricks bundle deploy",
    ]


def _step(step: Step, pipeline: PipelineUnderTest, place: Place, made: set[str]) -> Iterator[str]:
    for table in step.tables:
        schema = pipeline.table(table.name).schema
        for sql in given_sql(table, schema, is_new=table.name not in made):
            yield f"statement {_request(sql, place)} > /dev/null"
        made.add(table.name)
    for file in step.files:
        yield from _file(file, place)
    for sql in step.sql:
        yield f"statement {_request(sql, place)} > /dev/null"
    if step.update is not None:
        yield f"update {step.expected.state} {_told(step.update)}".rstrip()
    for expected in step.expected.tables:
        if not expected.exists:
            sql = (
                f"SELECT * FROM information_schema.tables WHERE table_schema = "  # noqa: S608
                f"{literal(place.schema)} AND table_name = {literal(expected.name)}"
            )
            yield f"holds 'no table {expected.name}' {_request(sql, place)}"
        elif expected.rows is not None:
            schema = pipeline.table(expected.name).schema
            query = f"SELECT * FROM {expected.name}"  # noqa: S608 - a case's own name
            sql = check_sql(query, expected.rows, schema, name=expected.name)
            yield f"holds 'rows of {expected.name}' {_request(sql, place)}"
    for asked in step.expected.queries:
        schema = pipeline.sql(asked.text).schema
        sql = check_sql(asked.text, asked.rows, schema, name="the query")
        yield f"holds {shlex.quote('query ' + asked.text)} {_request(sql, place)}"


def _file(file: GivenFile, place: Place) -> Iterator[str]:
    path = f"dbfs:/Volumes/{place.catalog}/{place.schema}/landing/{file.name}"
    if file.name.startswith("/Volumes/") or file.modified_at is not None:
        raise UsageError(
            f"file {file.name} lies in another volume or has a time of its own: not replayed"
        )
    if file.content is None:
        yield f"databricks fs rm {shlex.quote(path)}"
        return
    yield f"databricks fs mkdir {shlex.quote(path.rpartition('/')[0])}"
    content = base64.b64encode(file.content).decode()
    yield f"base64 -d <<< {content} > given_file"
    yield f"databricks fs cp --overwrite given_file {shlex.quote(path)} && rm given_file"


def _told(update: Mapping[str, object]) -> str:
    words: list[str] = []
    for argument, value in update.items():
        if argument not in _FLAGS:
            raise UsageError(
                f"the CLI cannot tell an update {argument}: not replayed",
                hint="databricks api post /api/2.0/pipelines/<id>/updates takes it",
            )
        if isinstance(value, list):
            words += [_FLAGS[argument], shlex.quote(",".join(map(str, value)))]
        elif value:
            words.append(_FLAGS[argument])
    return " ".join(words)


def _request(sql: str, place: Place) -> str:
    body = {
        "warehouse_id": place.warehouse,
        "catalog": place.catalog,
        "schema": place.schema,
        "statement": sql,
        "wait_timeout": "50s",
    }
    return shlex.quote(json.dumps(body))


def _as_text(name: str, kind: DataType) -> str:
    if isinstance(kind, ArrayType | MapType | StructType):
        return f"to_json({quote(name)}, map('ignoreNullFields', 'false')) AS {quote(name)}"
    return f"CAST({quote(name)} AS STRING) AS {quote(name)}"


if __name__ == "__main__":
    main()
