"""Runs a case: lands what is given, updates, and compares what came out."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub.errors import DltStubError, UsageError
from dlt_stub.events import Event
from dlt_stub.testing.case import (
    Case,
    Expected,
    ExpectedEvents,
    ExpectedFiles,
    ExpectedFlow,
    ExpectedTable,
    GivenFile,
    Step,
)
from dlt_stub.testing.pipeline import LANDING, PipelineUnderTest, expectation_counts
from dlt_stub.testing.rows import compare
from dlt_stub.testing.workspace import WorkspaceUnderTest
from dlt_stub.update import FlowResult, Pipeline, UpdateResult

CATALOG, SCHEMA = "main", "default"
_VOLUME = re.compile(r"^\$\{resources\.volumes\.(\w+)\.volume_path\}")  # as bundles write it


class CaseFailure(AssertionError):
    """Raised when a case does not hold; the message says in which step and how."""


def run_case(case: Case, *, storage: Path, spark: SparkSession | None = None) -> None:
    """Return if every step of the case holds in a new workspace in folder ``storage``.

    Raises:
        CaseFailure: a step does not hold.
        UsageError: the case asks for what does not fit: a column, an argument of an update.
    """
    for _ in run_steps(case, storage=storage, spark=spark):
        pass


def run_steps(
    case: Case, *, storage: Path, spark: SparkSession | None = None
) -> Iterator[tuple[Step, PipelineUnderTest]]:
    """Yield each step that holds, with its pipeline as it is then.

    Raises:
        CaseFailure: the next step does not hold.
        UsageError: the case asks for what does not fit: a column, an argument of an update.
    """
    for number, step in enumerate(case.steps, start=1):
        if case.is_bundle:
            workspace = WorkspaceUnderTest(
                case.root, variables=case.variables, storage=storage, spark=spark
            )
            pipeline = _bundle_pipeline(case, step, workspace)
            step = replace(step, files=tuple(_placed(each, workspace) for each in step.files))
        else:
            pipeline = PipelineUnderTest(_pipeline(case, step, storage, spark))
        faults = list(_faults(step, pipeline))
        if faults:
            where = f"{case.name}, step {number} of {len(case.steps)}: {case.says}"
            raise CaseFailure("\n".join([where, *faults]))
        yield step, pipeline


def _faults(step: Step, pipeline: PipelineUnderTest) -> Iterator[str]:
    _land(step, pipeline)
    expected = step.expected
    if step.update is not None:
        result: UpdateResult | None = None
        error: BaseException | None = None
        try:
            result = pipeline.try_update(**step.update)
            error = result.error
        except DltStubError as refused:  # what is refused before an update begins
            error = refused
        yield from _update_faults(expected, result, error)
        if result is not None:
            yield from _result_faults(expected, result)
    for table in expected.tables:
        yield from _table_faults(table, pipeline)
    for files in expected.files:
        yield from _file_faults(files, pipeline.landing)
    for query in expected.queries:
        yield from compare(pipeline.sql(query.text), query.rows, name=f"query {query.text!r}")


def _pipeline(case: Case, step: Step, storage: Path, spark: SparkSession | None) -> Pipeline:
    places = [case.folder / place for place in step.definitions]
    return Pipeline(
        source=[f"{place}/**" if place.is_dir() else place for place in places],
        root=case.root,
        storage=storage,
        catalog=CATALOG,
        schema=SCHEMA,
        configuration={
            "catalog": CATALOG,
            "schema": SCHEMA,
            LANDING: f"/Volumes/{CATALOG}/{SCHEMA}/{LANDING}",
            **step.configuration,
        },
        name=case.name,
        spark=spark,
    )


def _bundle_pipeline(case: Case, step: Step, workspace: WorkspaceUnderTest) -> PipelineUnderTest:
    if len(step.definitions) != 1:
        raise UsageError(f"case {case.name} names several pipelines: {step.definitions}")
    made = workspace.pipeline(step.definitions[0])
    made.pipeline.configuration.update(step.configuration)
    return made


def _placed(file: GivenFile, workspace: WorkspaceUnderTest) -> GivenFile:
    """Return ``file`` with the path of the bundle's volume its name begins with, if it does."""
    name = _VOLUME.sub(lambda match: workspace.volume(match[1]), file.name, count=1)
    return replace(file, name=name)


def _land(step: Step, pipeline: PipelineUnderTest) -> None:
    pipeline.landing.mkdir(parents=True, exist_ok=True)
    for table in step.tables:
        pipeline.feed(
            table.name,
            table.rows,
            table.schema,
            properties=table.properties,
            replace=table.replace,
        )
    for file in step.files:
        if file.content is None:
            pipeline.remove(file.name)
        else:
            pipeline.put(file.name, file.content, modified_at=file.modified_at)
    for statement in step.sql:
        pipeline.sql(statement)


def _update_faults(
    expected: Expected, result: UpdateResult | None, error: BaseException | None
) -> Iterator[str]:
    state = result.state.value if result is not None else "FAILED"
    if state != expected.state:
        why = f", because of {_told(error)}" if error is not None else ""
        yield f"the update is {state}, expected {expected.state}{why}"
    if expected.error is not None and not re.search(expected.error, _told(error)):
        yield f"the update's error is {_told(error)}, expected a match of {expected.error!r}"


def _result_faults(expected: Expected, result: UpdateResult) -> Iterator[str]:
    for flow in expected.flows:
        if flow.name not in result.flows:
            yield f"no flow '{flow.name}' ran; there were: {', '.join(result.flows)}"
        else:
            yield from _flow_faults(flow, result.flows[flow.name])
    for dataset, rules in expected.expectations.items():
        counted = expectation_counts(result, dataset)
        found = {rule: (each.passed_records, each.failed_records) for rule, each in counted.items()}
        yield from _count_faults(f"dataset '{dataset}'", found, rules)
    for events in expected.events:
        yield from _event_faults(events, result.events)


def _flow_faults(expected: ExpectedFlow, flow: FlowResult) -> Iterator[str]:
    where = f"flow '{flow.name}'"
    if expected.status is not None and flow.status.value != expected.status:
        why = f", because of {_told(flow.error)}" if flow.error is not None else ""
        yield f"{where} is {flow.status.value}, expected {expected.status}{why}"
    if expected.metrics is not None and dict(flow.metrics) != dict(expected.metrics):
        yield f"{where} has metrics {dict(flow.metrics)}, expected {dict(expected.metrics)}"
    dropped = expected.dropped_records
    if dropped is not None and flow.dropped_records != dropped:
        yield f"{where} dropped {flow.dropped_records} records, expected {dropped}"
    if expected.expectations is not None:
        found = {
            each.name: (each.passed_records, each.failed_records) for each in flow.expectations
        }
        yield from _count_faults(where, found, expected.expectations)
    if expected.error is not None and not re.search(expected.error, _told(flow.error)):
        yield f"{where} has error {_told(flow.error)}, expected a match of {expected.error!r}"


def _count_faults(
    where: str,
    found: Mapping[str, tuple[int, int]],
    expected: Mapping[str, tuple[int, int]],
) -> Iterator[str]:
    for rule in sorted(found.keys() | expected.keys()):
        if found.get(rule) != expected.get(rule):
            left, right = (_pair(each.get(rule)) for each in (found, expected))
            yield f"{where}: expectation '{rule}' counted {left}, expected {right}"


def _pair(counts: tuple[int, int] | None) -> str:
    return "nothing" if counts is None else f"{counts[0]} passed and {counts[1]} failed"


def _event_faults(expected: ExpectedEvents, events: Sequence[Event]) -> Iterator[str]:
    matching = [event for event in events if _matches(expected, event)]
    is_met = bool(matching) if expected.count is None else len(matching) == expected.count
    if is_met:
        return
    wanted = "at least one" if expected.count is None else str(expected.count)
    asked = {**expected.fields, **({"message": expected.message} if expected.message else {})}
    kind = expected.fields.get("event_type")
    like = [event for event in events if kind is None or event.event_type == kind]
    yield f"{len(matching)} events match {json.dumps(asked)}, expected {wanted}; there were:"
    for event in like[:20]:
        yield f"  {event.event_type} {event.level.value}: {event.message} {json.dumps(event.body)}"


def _matches(expected: ExpectedEvents, event: Event) -> bool:
    if expected.message is not None and not re.search(expected.message, event.message):
        return False
    found = {
        "event_type": event.event_type,
        "level": event.level.value,
        "maturity_level": event.maturity_level,
        "origin": event.origin,
        "details": event.details,
        "error": event.error,
    }
    return all(_holds(found[name], value) for name, value in expected.fields.items())


def _holds(found: Any, expected: Any) -> bool:  # JSON against what a case writes for it
    """Return whether what is expected is in ``found``: keys that are not named may be there."""
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and all(
            _holds(found.get(key), value) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(_holds(one, other) for one, other in zip(found, expected, strict=True))
        )
    if expected is None or found is None:
        return found is expected
    text = json.dumps(found) if isinstance(found, bool | int | float) else str(found)
    return text == str(expected)


def _table_faults(expected: ExpectedTable, pipeline: PipelineUnderTest) -> Iterator[str]:
    place = pipeline.pipeline.place
    entry = pipeline.pipeline.registry.find(
        expected.name, catalog=place.catalog, schema=place.schema
    )
    if entry is None or not expected.exists:
        if (entry is not None) is not expected.exists:
            there = "is there" if entry is not None else "is not there"
            yield f"table '{expected.name}' {there}"
        return
    frame = pipeline.table(expected.name)
    if expected.schema is not None:
        wanted = StructType.fromDDL(expected.schema)
        if frame.schema.simpleString() != wanted.simpleString():
            yield (
                f"table '{expected.name}' has columns {frame.schema.simpleString()}, expected "
                f"{wanted.simpleString()}"
            )
            return
    if expected.rows is not None:
        yield from compare(frame, expected.rows, name=f"table '{expected.name}'")


def _file_faults(expected: ExpectedFiles, landing: Path) -> Iterator[str]:
    found = sorted(file for file in landing.glob(expected.pattern) if file.is_file())
    is_met = bool(found) if expected.count is None else len(found) == expected.count
    if not is_met:
        names = [file.relative_to(landing).as_posix() for file in found]
        wanted = "at least one" if expected.count is None else str(expected.count)
        yield f"files {expected.pattern!r}: found {names or 'none'}, expected {wanted}"
    for file in found if expected.text is not None else ():
        text = file.read_text(encoding="utf-8")
        if text != expected.text:
            yield f"file {file.relative_to(landing)} holds {text!r}, expected {expected.text!r}"


def _told(error: BaseException | None) -> str:
    if error is None:
        return "none"
    return str(error) if isinstance(error, DltStubError) else f"{type(error).__name__}: {error}"
