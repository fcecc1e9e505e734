"""What a test asks of the tables and events an update leaves."""

from pathlib import Path
from typing import Any

from dlt_stub import Pipeline, UpdateResult
from dlt_stub.events import Event


def rows(pipeline: Pipeline, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table, sorted."""
    return sorted(tuple(row) for row in pipeline.table(table).collect())


def versions(pipeline: Pipeline) -> dict[str, int]:
    """Return how many commits each Delta table below the workspace has, hidden ones included."""
    logs = (pipeline.paths.root / "tables").glob("*/*/*/_delta_log")
    return {log.parent.name: len(list(log.glob("*.json"))) for log in sorted(logs)}


def land(folder: Path, name: str, *lines: str) -> Path:
    """Write a CSV file and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def bodies(result: UpdateResult, event_type: str) -> list[Any]:
    """Return what the events of one type say."""
    return [event.body for event in result.events if event.event_type == event_type]


def flow_statuses(result: UpdateResult, flow: str) -> list[str]:
    """Return the states a flow went through, each once."""
    found = [
        event.body["status"]
        for event in result.events
        if event.event_type == "flow_progress" and event.origin["flow_name"] == flow
    ]
    return [each for at, each in enumerate(found) if at == 0 or found[at - 1] != each]


def with_counts(result: UpdateResult, flow: str) -> list[Event]:
    """Return the flow's events that tell of rows."""
    return [
        event
        for event in result.events
        if event.event_type == "flow_progress"
        and event.origin["flow_name"] == flow
        and "metrics" in event.body
    ]


def counts(result: UpdateResult, flow: str) -> dict[str, tuple[int, int]]:
    """Return passed and failed rows of each expectation one flow counted."""
    expectations = result.flows[flow].expectations
    return {each.name: (each.passed_records, each.failed_records) for each in expectations}
