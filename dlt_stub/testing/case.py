"""A case: pipeline definitions, what is given, what must come out; told by one YAML file.

Scalars stay the text that is written (``0012``, ``NO`` and ``1.50`` too): the column's type says
what a value is. Only a plain ``null``, ``~`` or nothing is NULL. docs/testing.md tells the format.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dlt_stub.errors import Origin, UsageError, nearest
from dlt_stub.testing.rows import ExpectedRows, RowSpelling

DEFINITIONS = "pipeline"
NAMED_CASE = ".dlt.yml"  # a case that is called by its file, and not by its folder
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTable:
    """Rows that an outside table gets in one commit."""

    name: str
    schema: str | None
    rows: tuple[RowSpelling, ...]
    properties: Mapping[str, str]
    replace: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """A file that lands; without content it is taken away."""

    name: str
    content: bytes | None
    modified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedTable:
    """What one table must be after an update."""

    name: str
    exists: bool
    rows: ExpectedRows | None
    schema: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFlow:
    """What one flow must have done; what is None is not asked."""

    name: str
    status: str | None
    metrics: Mapping[str, int] | None
    dropped_records: int | None
    expectations: Mapping[str, tuple[int, int]] | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedEvents:
    """How often the update must have said something; ``count`` None means at least once."""

    fields: Mapping[str, Any]  # event_type, level, ...: text; details, origin, error: nested
    message: str | None
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedQuery:
    """What a SQL query over the workspace must return."""

    text: str
    rows: ExpectedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFiles:
    """What lies below the landing volume at a path, which may hold ``*``; None: at least one file.

    Each of the files holds ``text``, where it is given.
    """

    pattern: str
    count: int | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must hold after an update; an ``error`` is a regular expression found in its text."""

    state: str
    error: str | None
    tables: tuple[ExpectedTable, ...]
    flows: tuple[ExpectedFlow, ...]
    expectations: Mapping[str, Mapping[str, tuple[int, int]]]
    events: tuple[ExpectedEvents, ...]
    queries: tuple[ExpectedQuery, ...]
    files: tuple[ExpectedFiles, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One update, what lands before it and what holds after it."""

    definitions: tuple[str, ...]  # files and folders below the case's folder; or a bundle's key
    configuration: Mapping[str, str]
    tables: tuple[GivenTable, ...]
    files: tuple[GivenFile, ...]
    sql: tuple[str, ...]
    update: Mapping[str, Any] | None  # arguments of Pipeline.update; None: no update
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One named behaviour with its source."""

    name: str
    folder: Path
    root: Path  # where helper modules are imported from; of a bundle, its folder
    is_bundle: bool
    variables: Mapping[str, str]  # of the bundle
    says: str
    source: str
    slow: bool
    replayable: bool
    steps: tuple[Step, ...]


def read_case(file: Path) -> Case:
    """Return the case that ``file`` tells.

    Raises:
        UsageError: the file is no YAML, has an unknown key, lacks one, or names a missing file.
    """
    try:
        # Not safe_load, which is this without our resolvers: the loader makes plain values only.
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        raise UsageError(
            f"the case is no YAML: {getattr(error, 'problem', error)}",
            origin=Origin(path=str(file), line=line),
        ) from error
    except RecursionError as error:
        raise UsageError("the case is nested too deep", origin=Origin(path=str(file))) from error
    return _Reader(file).case(content)


class _Loader(yaml.SafeLoader):
    """Safe YAML in which every scalar but null is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one file; ``at`` is the path of keys to a value, for the messages."""

    file: Path
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.file.parent)

    def case(self, content: Any) -> Case:  # whatever YAML holds, here and below
        known = ["says", "source", "slow", "replayable", "configuration", "pipeline", "steps"]
        top = self.mapping(content, "", [*known, "root", "bundle", "variables"])
        for key in ("says", "steps"):
            if not top.get(key):
                raise self.fault(key, "is missing")
        is_bundle = "bundle" in top
        root = (self.folder / str(top.get("bundle") or top.get("root") or ".")).resolve()
        if is_bundle and "pipeline" not in top:
            raise self.fault("pipeline", "is missing: the key of one of the bundle's pipelines")
        configuration: Mapping[str, str] = self.texts(top.get("configuration"), "configuration")
        definitions = self.definitions(top.get("pipeline") or DEFINITIONS, "pipeline")
        steps: list[Step] = []
        for at, each in self.items(top["steps"], "steps"):
            steps.append(self.step(each, at, definitions, configuration))
            definitions, configuration = steps[-1].definitions, steps[-1].configuration
            for place in () if is_bundle else definitions:
                if not (self.folder / place).exists():
                    raise self.fault(f"{at}.pipeline", f"names no file or folder: {place}")
        name = self.file.name.removesuffix(NAMED_CASE)
        return Case(
            name=self.folder.name if name == self.file.name else name,
            folder=self.folder,
            root=root,
            is_bundle=is_bundle,
            variables=self.texts(top.get("variables"), "variables"),
            says=str(top["says"]).strip(),
            source=str(top.get("source") or "").strip(),
            slow=self.truth(top.get("slow"), "slow", default=False),
            replayable=self.truth(top.get("replayable"), "replayable", default=True),
            steps=tuple(steps),
        )

    def definitions(self, content: Any, at: str) -> tuple[str, ...]:
        return (content,) if isinstance(content, str) else self.names(content, at)

    def step(
        self,
        content: Any,
        at: str,
        definitions: tuple[str, ...],
        configuration: Mapping[str, str],
    ) -> Step:
        known = ["given", "pipeline", "configuration", "update", "expect"]
        step = self.mapping(content, at, known)
        given = self.mapping(step.get("given"), f"{at}.given", ["tables", "files", "sql"])
        if step.get("pipeline"):
            definitions = self.definitions(step["pipeline"], f"{at}.pipeline")
        tables, files = f"{at}.given.tables", f"{at}.given.files"
        return Step(
            definitions=definitions,
            configuration={
                **configuration,
                **self.texts(step.get("configuration"), f"{at}.configuration"),
            },
            tables=tuple(
                self.given_table(name, each, f"{tables}.{name}")
                for name, each in self.mapping(given.get("tables"), tables).items()
            ),
            files=tuple(
                self.given_file(name, each, f"{files}.{name}")
                for name, each in self.mapping(given.get("files"), files).items()
            ),
            sql=tuple(str(each) for _, each in self.items(given.get("sql"), f"{at}.given.sql")),
            update=self.update(step.get("update", {}), f"{at}.update"),
            expected=self.expected(step.get("expect"), f"{at}.expect"),
        )

    def given_table(self, name: str, content: Any, at: str) -> GivenTable:
        table = self.mapping(content, at, ["schema", "rows", "properties", "replace"])
        return GivenTable(
            name=name,
            schema=table.get("schema"),
            rows=self.rows(table.get("rows"), f"{at}.rows").rows,
            properties=self.texts(table.get("properties"), f"{at}.properties"),
            replace=self.truth(table.get("replace"), f"{at}.replace", default=False),
        )

    def given_file(self, name: str, content: Any, at: str) -> GivenFile:
        if content is None:
            return GivenFile(name=name, content=None, modified_at=None)
        if isinstance(content, str):
            content = {"text": content}
        file = self.mapping(content, at, ["text", "copy", "modified_at"])
        if ("text" in file) == ("copy" in file):
            raise self.fault(at, "has one of text (what the file holds) and copy (a path)")
        text = file.get("text")
        modified = file.get("modified_at")
        try:
            when = datetime.fromisoformat(modified) if modified else None
        except ValueError as error:
            raise self.fault(f"{at}.modified_at", "is no ISO time") from error
        return GivenFile(
            name=name,
            content=text.encode() if text is not None else self.bytes_of(file["copy"], at),
            modified_at=when.replace(tzinfo=when.tzinfo or UTC) if when else None,
        )

    def update(self, content: Any, at: str) -> Mapping[str, Any] | None:
        if content == "none":
            return None
        arguments: dict[str, Any] = {}
        for key, value in self.mapping(content, at).items():
            is_flag = isinstance(value, str) and value.lower() in ("true", "false")
            arguments[key] = value.lower() == "true" if is_flag else value
        return arguments

    def expected(self, content: Any, at: str) -> Expected:
        keys = ["state", "error", "tables", "flows", "expectations", "events", "queries"]
        expect = self.mapping(content, at, [*keys, "files"])
        files = self.mapping(expect.get("files"), f"{at}.files")
        tables = self.mapping(expect.get("tables"), f"{at}.tables")
        flows = self.mapping(expect.get("flows"), f"{at}.flows")
        rules = self.mapping(expect.get("expectations"), f"{at}.expectations")
        return Expected(
            state=str(expect.get("state") or ("FAILED" if "error" in expect else "COMPLETED")),
            error=self.regex(expect.get("error"), f"{at}.error"),
            tables=tuple(
                self.table(name, each, f"{at}.tables.{name}") for name, each in tables.items()
            ),
            flows=tuple(
                self.flow(name, each, f"{at}.flows.{name}") for name, each in flows.items()
            ),
            expectations={
                dataset: self.counts(each, f"{at}.expectations.{dataset}")
                for dataset, each in rules.items()
            },
            events=tuple(
                self.events(each, where)
                for where, each in self.items(expect.get("events"), f"{at}.events")
            ),
            queries=tuple(
                self.query(each, where)
                for where, each in self.items(expect.get("queries"), f"{at}.queries")
            ),
            files=tuple(
                self.files(pattern, each, f"{at}.files.{pattern}")
                for pattern, each in files.items()
            ),
        )

    def table(self, name: str, content: Any, at: str) -> ExpectedTable:
        if content == "absent":
            return ExpectedTable(name=name, exists=False, rows=None, schema=None)
        if isinstance(content, list):
            content = {"rows": content}
        table = self.mapping(content, at, ["rows", "file", "columns", "key", "schema"])
        has_rows = "rows" in table or "file" in table
        if not has_rows and "schema" not in table:
            raise self.fault(at, "expects nothing: rows, file, schema, or the word absent")
        return ExpectedTable(
            name=name,
            exists=True,
            rows=self.expected_rows(table, at) if has_rows else None,
            schema=table.get("schema"),
        )

    def expected_rows(self, content: Mapping[str, Any], at: str) -> ExpectedRows:
        if "file" in content:
            rows = self.csv_rows(content["file"], f"{at}.file")
            columns = rows.columns
        else:
            rows = self.rows(content.get("rows"), f"{at}.rows")
            columns = self.names(content.get("columns"), f"{at}.columns")
        return ExpectedRows(
            rows=rows.rows, columns=columns, key=self.names(content.get("key"), f"{at}.key")
        )

    def flow(self, name: str, content: Any, at: str) -> ExpectedFlow:
        if isinstance(content, str):
            content = {"status": content}
        counts = ["num_output_rows", "num_upserted_rows", "num_deleted_rows"]
        keys = [*counts, *["status", "metrics", "dropped_records", "expectations", "error"]]
        flow = self.mapping(content, at, keys)
        if flow.get("metrics") == "none":
            metrics: dict[str, int] | None = {}
        else:
            metrics = {key: self.number(flow[key], f"{at}.{key}") for key in counts if key in flow}
            metrics = metrics or None
        dropped = flow.get("dropped_records")
        rules = flow.get("expectations")
        if rules == "none":
            rules = {}
        return ExpectedFlow(
            name=name,
            status=flow.get("status"),
            metrics=metrics,
            dropped_records=None if dropped is None else self.number(dropped, at),
            expectations=None if rules is None else self.counts(rules, f"{at}.expectations"),
            error=self.regex(flow.get("error"), f"{at}.error"),
        )

    def events(self, content: Any, at: str) -> ExpectedEvents:
        keys = [
            "event_type",
            "level",
            "message",
            "maturity_level",
            "origin",
            "details",
            "error",
            "count",
        ]
        event = self.mapping(content, at, keys)
        count = event.pop("count", None)
        message = event.pop("message", None)
        return ExpectedEvents(
            fields=event,
            message=self.regex(message, f"{at}.message"),
            count=None if count is None else self.number(count, f"{at}.count"),
        )

    def files(self, pattern: str, content: Any, at: str) -> ExpectedFiles:
        words: dict[Any, dict[str, Any]] = {"present": {}, "absent": {"count": 0}}
        file = words.get(content) if isinstance(content, str) else None
        if file is None:
            file = self.mapping(content, at, ["count", "text"])
        count = file.get("count")
        return ExpectedFiles(
            pattern=pattern,
            count=None if count is None else self.number(count, f"{at}.count"),
            text=file.get("text"),
        )

    def query(self, content: Any, at: str) -> ExpectedQuery:
        query = self.mapping(content, at, ["sql", "rows", "file", "columns", "key"])
        if not query.get("sql"):
            raise self.fault(f"{at}.sql", "is missing")
        return ExpectedQuery(text=query["sql"], rows=self.expected_rows(query, at))

    def counts(self, content: Any, at: str) -> dict[str, tuple[int, int]]:
        counts = {}
        for rule, each in self.mapping(content, at).items():
            pair = self.mapping(each, f"{at}.{rule}", ["passed", "failed"])
            counts[rule] = (
                self.number(pair.get("passed"), f"{at}.{rule}.passed"),
                self.number(pair.get("failed"), f"{at}.{rule}.failed"),
            )
        return counts

    def rows(self, content: Any, at: str) -> ExpectedRows:
        rows: list[RowSpelling] = []
        for where, each in self.items(content, at):
            if not isinstance(each, list | dict):
                raise self.fault(where, f"is no row: {each!r}; a row is a list or a mapping")
            rows.append(each)
        return ExpectedRows(rows=tuple(rows))

    def csv_rows(self, path: Any, at: str) -> ExpectedRows:
        text = self.bytes_of(path, at).decode().splitlines()
        header, *lines = csv.reader(text)
        rows = tuple([value or None for value in line] for line in lines)
        return ExpectedRows(rows=rows, columns=tuple(header))

    def bytes_of(self, path: Any, at: str) -> bytes:
        file = self.folder / str(path)
        if not file.is_file():
            raise self.fault(at, f"names no file: {path}")
        return file.read_bytes()

    def mapping(self, content: Any, at: str, allowed: list[str] | None = None) -> dict[str, Any]:
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise self.fault(at, f"is no mapping: {content!r}")
        for key in content:
            if allowed is not None and key not in allowed:
                near = nearest(str(key), allowed)
                hint = f"did you mean '{near}'?" if near else f"allowed: {', '.join(allowed)}"
                raise self.fault(f"{at}.{key}".strip("."), "is no key of a case", hint)
        return {str(key): value for key, value in content.items()}

    def items(self, content: Any, at: str) -> Iterator[tuple[str, Any]]:
        if content is not None and not isinstance(content, list):
            raise self.fault(at, f"is no list: {content!r}")
        for index, each in enumerate(content or []):
            yield f"{at}[{index}]", each

    def texts(self, content: Any, at: str) -> dict[str, str]:
        return {key: str(value) for key, value in self.mapping(content, at).items()}

    def names(self, content: Any, at: str) -> tuple[str, ...]:
        return tuple(str(each) for _, each in self.items(content, at))

    def truth(self, content: Any, at: str, *, default: bool) -> bool:
        if content is None:
            return default
        return self.parsed(content, at, {"true": True, "false": False}.__getitem__, "true or false")

    def number(self, content: Any, at: str) -> int:
        return self.parsed(content, at, int, "a whole number")

    def regex(self, content: Any, at: str) -> str | None:
        if content is None:
            return None
        return self.parsed(str(content), at, re.compile, "a regular expression").pattern

    def parsed(self, content: Any, at: str, parse: Callable[[str], T], what: str) -> T:
        try:
            return parse(str(content))
        except (ValueError, KeyError, re.error) as error:
            raise self.fault(at, f"is not {what}: {content!r}") from error

    def fault(self, at: str, what: str, hint: str | None = None) -> UsageError:
        return UsageError(f"{at} {what}", origin=Origin(path=str(self.file)), hint=hint)
