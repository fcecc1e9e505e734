"""What the displays print: tables of flows, rules, tasks and rows, and events as lines or JSON."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from dlt_stub.cli.board import FlowLine, RuleLine
from dlt_stub.events import Event
from dlt_stub.jobs import JobRun, State
from dlt_stub.redaction import redact

STYLES = {
    "COMPLETED": "green",
    "SUCCESS": "green",
    "RUNNING": "cyan",
    "STARTING": "cyan",
    "FAILED": "bold red",
    "INTERNAL_ERROR": "bold red",
    "UPSTREAM_FAILED": "red",
    "ERROR": "bold red",
    "WARN": "yellow",
    "SKIPPED": "yellow",
    "STOPPED": "yellow",
    "CANCELED": "yellow",
    "QUEUED": "dim",
    "EXCLUDED": "dim",
}


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, style=STYLES.get(status, ""))


def flow_table(title: str, flows: Iterable[FlowLine], now: datetime) -> Table:
    """Return the table of flows: status, rows, seconds."""
    numbers = ("rows", "dropped", "upserted", "deleted", "seconds")
    table = _table("flow", "status", *numbers, numbers=numbers, title=title)
    for line in flows:
        seconds = line.seconds(now)
        table.add_row(
            Text(line.name),
            status_text(line.status),
            *(_number(n) for n in (line.rows, line.dropped, line.upserted, line.deleted)),
            "" if seconds is None else f"{seconds:.1f}",
        )
    return table


def rule_table(rules: Iterable[RuleLine]) -> Table:
    """Return the table of expectations: how many rows passed and failed each."""
    numbers = ("passed", "failed")
    table = _table(
        "dataset", "expectation", "action", *numbers, numbers=numbers, title="Expectations"
    )
    for line in rules:
        failed = Text(_number(line.failed), style="yellow" if line.failed else "dim")
        table.add_row(
            Text(line.dataset), Text(line.rule), line.action, _number(line.passed), failed
        )
    return table


def task_table(run: JobRun) -> Table:
    """Return the table of a run's tasks and how each ended."""
    title = f"Job {run.run_name}"
    table = _table("task", "kind", "state", "seconds", numbers=("seconds",), title=title)
    for task in run.tasks:
        seconds = ""
        if task.start_time_ms is not None and task.end_time_ms is not None:
            seconds = f"{(task.end_time_ms - task.start_time_ms) / 1000:.1f}"
        state = status_text(state_word(task.state))
        table.add_row(Text(task.task_key), task.kind.removesuffix("_task"), state, seconds)
    return table


def row_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> Table:
    """Return rows of a query as a table."""
    table = _table(*columns, title=title)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def state_word(state: State) -> str:
    """Return the one word that says most about a run or task: its result, else where it stands."""
    return str((state.result or state.life_cycle).value)


def event_line(event: Event) -> Text:
    """Return an event as a line: instant, level, type and message, errors below it."""
    line = Text(f"{event.timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S} ", style="dim")
    line.append(f"{event.level.value:<5} ", style=STYLES.get(event.level.value, ""))
    line.append(f"{event.event_type:<18} ", style="dim")
    line.append(event.message, style="")
    if said := counts(event):
        line.append(f" {said}", style="dim")
    for exception in (event.error or {}).get("exceptions") or ():
        text = str(exception.get("message", "")).replace("\n", "\n    ")
        line.append(f"\n    {exception.get('class_name')}: {text}", style="red")
    return line


def counts(event: Event) -> str:
    """Return the rows an event speaks of: ``319 rows, 4 dropped``."""
    metrics = event.body.get("metrics") or {}
    quality = event.body.get("data_quality") or {}
    numbers = (
        ("rows", metrics.get("num_output_rows")),
        ("upserted", metrics.get("num_upserted_rows")),
        ("deleted", metrics.get("num_deleted_rows")),
        ("dropped", quality.get("dropped_records") or None),
    )
    return ", ".join(f"{number} {word}" for word, number in numbers if number is not None)


def event_record(event: Event) -> dict[str, Any]:
    """Return an event as the event log holds it, but with ``details`` as an object."""
    return {
        "id": event.id,
        "sequence": {"data_plane_id": {"seq_no": event.sequence_number}},
        "origin": dict(event.origin),
        "timestamp": event.timestamp,
        "message": event.message,
        "level": event.level.value,
        "maturity_level": event.maturity_level,
        "error": event.error,
        "details": dict(event.details),
        "event_type": event.event_type,
    }


def plain(value: object) -> str:
    """Return what JSON holds for an instant, as the event log writes it; text for what is left."""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
    return str(value)


def _table(*columns: str, numbers: Collection[str] = (), title: str) -> Table:
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in columns:
        justify: JustifyMethod = "right" if column in numbers else "left"
        table.add_column(Text(column), justify=justify, overflow="fold")
    return table


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _cell(value: object) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    return Text(redact(str(value)))  # a long text is folded into lines, where nobody finds it
