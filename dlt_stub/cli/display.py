"""How a verb shows what goes on: a live table, plain lines, or JSON lines for machines.

All three are told the same things, from any thread. ``open_display`` chooses.
"""

import json
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from dlt_stub.cli.board import Board
from dlt_stub.cli.steering import visible
from dlt_stub.cli.tables import (
    counts,
    event_record,
    flow_table,
    plain,
    rule_table,
    state_word,
    status_text,
    task_table,
)
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.errors import DltStubError
from dlt_stub.events import Event, Level
from dlt_stub.jobs import JobRun, RunEvent, WatchEvent
from dlt_stub.redaction import redact_values
from dlt_stub.update import UpdateResult

PIPE_WIDTH = 500  # columns: what is read by another program is not wrapped to a screen
_QUIET_STATES = ("QUEUED", "PENDING", "BLOCKED", "TERMINATING")
_QUIET_STATUSES = ("QUEUED", "STARTING")


def console_on(stream: TextIO) -> Console:
    """Return a console that writes to ``stream`` and wraps for terminals only."""
    width = None if stream.isatty() else PIPE_WIDTH
    return PlainConsole(
        file=stream, width=width, highlight=False, soft_wrap=False, markup=False, emoji=False
    )


class PlainConsole(Console):
    """A console that no name, message or value steers: only rich itself writes control codes."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is printed, steering characters written out."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


class Display:
    """Plain lines, one for each thing that happens; the other displays differ from it."""

    def __init__(self, out: Console, err: Console, *, clock: Clock) -> None:
        self.out = out
        self.err = err
        self.board = Board()
        self._clock = clock
        self._lock = threading.RLock()
        self._said: tuple[object, ...] = ()

    def event(self, event: Event) -> None:
        """Show an event of an update."""
        with self._lock:
            self.board.take(event)
            if event.event_type == "update_progress":
                name, state = event.origin.get("pipeline_name"), event.body.get("state")
                self._line(f"update of {name}", str(state))
            elif event.event_type == "flow_progress":
                name, status = event.origin.get("flow_name"), str(event.body.get("status"))
                if status not in _QUIET_STATUSES:
                    why = event.message if event.level is Level.WARN else counts(event)
                    self._line(f"flow {name}", status, why)
            elif event.level is Level.WARN:
                self.say(event.message, style="yellow")

    def updated(self, name: str, result: UpdateResult) -> None:
        """Show what an update that has ended did."""
        with self._lock:
            if self.board.flows:
                title = f"Update {result.update_id[:6]} of {name}: {result.state.value}"
                self._print(flow_table(title, self.board.flows, self._clock.now()))
            self.rules()

    def rules(self) -> None:
        """Show how many rows passed and failed each expectation, if any were checked."""
        if rules := self.board.rules:
            self._print(rule_table(rules))

    def run_event(self, event: RunEvent) -> None:
        """Show a change of a job's run."""
        with self._lock:
            if event.state.life_cycle.value in _QUIET_STATES and not event.state.message:
                return
            what = f"task {event.task_key}" if event.task_key else f"job {event.run.run_name}"
            message = "" if event.state.is_over else event.state.message
            self._line(what, state_word(event.state), message)

    def ran(self, run: JobRun) -> None:
        """Show how a job's run ended, with what its failed tasks said."""
        with self._lock:
            self._print(task_table(run))
            for task in run.tasks:
                if task.state.message and not task.state.has_succeeded:
                    self.failure(f"task {task.task_key}: {task.state.message}", task.error_trace)
            if run.state.message and not run.state.has_succeeded:
                self.failure(run.state.message)

    def failure(self, message: str, trace: str = "") -> None:
        """Say on standard error what went wrong."""
        if trace:
            self.err.print(Text(trace.rstrip(), style="dim"), soft_wrap=True)
        self.err.print(Text(message, style="red"), soft_wrap=True)

    def watch_event(self, event: WatchEvent) -> None:
        """Show what a look at the trigger's location found, once until it changes."""
        with self._lock:
            if event.lost is not None:
                self.failure(str(event.lost))
                self.say("starting Spark anew; the run is repeated")
                return
            if event.run is not None:
                self.ran(event.run)
                self._said = ()
                return
            said = (event.check.reason, *event.check.notices)
            if said == self._said:
                return
            for notice in event.check.notices:
                self.say(f"note: {notice}", style="yellow")
            self._line("trigger", "FIRED" if event.check.fired else "WAITING", event.check.reason)
            self._said = said

    def say(self, text: str, *, style: str = "") -> None:
        """Print a sentence of ours."""
        self._print(Text(text, style=style), soft_wrap=True)

    def show(self, table: RenderableType) -> None:
        """Print a table."""
        self._print(table)

    def result(self, record: Mapping[str, Any]) -> None:
        """Hand a machine the outcome; people have seen it by now."""

    @contextmanager
    def starting_spark(self) -> Iterator[None]:
        """Tell people why nothing happens while the block runs."""
        self._line("spark", "STARTING")
        yield

    @contextmanager
    def opened(self) -> Iterator["Display"]:
        """Show things while the block runs."""
        yield self

    def _line(self, what: str, status: str, more: str = "") -> None:
        line = Text(f"{self._clock.now().astimezone():%H:%M:%S} ", style="dim")
        line.append(f"{what} ", style="")
        line.append_text(status_text(status))
        if more:
            line.append(f" {more}", style="")
        self._print(line, soft_wrap=True)

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        self.out.print(what, soft_wrap=soft_wrap)


class LiveDisplay(Display):
    """A table of flows that changes in place while an update runs, on a terminal."""

    def __init__(self, out: Console, err: Console, *, clock: Clock) -> None:
        super().__init__(out, err, clock=clock)
        self._live: Live | None = None
        self._title = ""

    def event(self, event: Event) -> None:
        """Let the table show ``event``."""
        with self._lock:
            self.board.take(event)
            if event.event_type == "create_update" and self._live is None:
                self._live = Live(
                    get_renderable=self._table, console=self.out, refresh_per_second=4
                )
                self._live.start()
            if event.event_type == "update_progress":
                update, state = str(event.origin.get("update_id"))[:6], event.body.get("state")
                self._title = f"Update {update} of {event.origin.get('pipeline_name')}: {state}"
            elif event.level is Level.WARN:
                self.say(event.message, style="yellow")

    def updated(self, name: str, result: UpdateResult) -> None:
        """Leave the table as it is and show the expectations below it."""
        self._stop()
        with self._lock:
            self.rules()

    @contextmanager
    def starting_spark(self) -> Iterator[None]:
        """Turn a wheel while the block runs."""
        with self.out.status("starting Spark"):
            yield

    @contextmanager
    def opened(self) -> Iterator["Display"]:
        """Show things while the block runs; the screen is as it was afterwards."""
        try:
            yield self
        finally:
            self._stop()

    def _stop(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _table(self) -> RenderableType:
        flows = self.board.flows
        if not flows:
            return Text(self._title, style="bold")
        return Group(flow_table(self._title, flows, self._clock.now()))


class JsonDisplay(Display):
    """One JSON value a line: events as they stand in the event log, the rest under one key."""

    def event(self, event: Event) -> None:
        """Write ``event``."""
        self.board.take(event)
        self._write(event_record(event))

    def updated(self, name: str, result: UpdateResult) -> None:
        """Write what an update that has ended did."""
        self._write({"update": update_record(name, result, self.board)})

    def run_event(self, event: RunEvent) -> None:
        """Write a change of a job's run."""
        self._write(
            {
                "run_event": {
                    "run_id": event.run.run_id,
                    "task_key": event.task_key,
                    "state": event.state.to_sdk().as_dict(),
                }
            }
        )

    def ran(self, run: JobRun) -> None:
        """Write nothing: the result is handed over by the verb."""

    def failure(self, message: str, trace: str = "") -> None:
        """Write nothing: the result says it."""

    def watch_event(self, event: WatchEvent) -> None:
        """Write what a look found, or the run it led to."""
        check = event.check
        record: dict[str, Any] = {
            "fired": check.fired,
            "reason": check.reason,
            "new_files": check.new_files,
            "next_possible_at": check.next_possible_at,
            "notices": list(check.notices),
        }
        if event.run is not None:
            record["run"] = event.run.to_sdk().as_dict()
        self._write({"watch_event": record})

    def result(self, record: Mapping[str, Any]) -> None:
        """Write the outcome."""
        self._write({"result": dict(record)})

    @contextmanager
    def opened(self) -> Iterator["Display"]:
        """Send whatever user code prints to standard error while the block runs."""
        with redirect_stdout(sys.stderr):
            yield self

    def _write(self, record: Mapping[str, Any]) -> None:
        with self._lock:
            write_json(self.out.file, record)

    def _print(self, what: RenderableType, *, soft_wrap: bool = False) -> None:
        self.err.print(what, soft_wrap=soft_wrap)


def open_display(*, as_json: bool, clock: Clock | None = None) -> Display:
    """Return the display that suits standard output, or the one for machines."""
    out, err = console_on(sys.stdout), console_on(sys.stderr)
    kind: type[Display] = Display
    if as_json:
        kind = JsonDisplay
    elif sys.stdout.isatty() and not out.is_dumb_terminal:
        kind = LiveDisplay
    return kind(out, err, clock=clock or SystemClock())


def write_json(stream: Any, record: object) -> None:  # Any: rich's IO[str] is no TextIO
    """Write ``record`` as one line, its secrets hidden."""
    text = json.dumps(redact_values(record), default=plain, ensure_ascii=False)
    stream.write(f"{text}\n")
    stream.flush()


def error_record(error: BaseException | None) -> dict[str, Any] | None:
    """Return an error as JSON: its condition, what it says, and the hint where there is one."""
    if error is None:
        return None
    if isinstance(error, DltStubError):
        return {
            "condition": error.condition,
            "message": error.message,
            "origin": str(error.origin) if error.origin else None,
            "hint": error.hint,
        }
    return {"condition": type(error).__name__, "message": str(error)}


def update_record(name: str, result: UpdateResult, board: Board) -> dict[str, Any]:
    """Return the outcome of an update as JSON."""
    return {
        "pipeline": name,
        "update_id": result.update_id,
        "state": result.state.value,
        "succeeded": result.succeeded,
        "flows": [
            {
                "name": line.name,
                "dataset": line.dataset,
                "status": line.status.value,
                "rows": line.rows,
                "dropped": line.dropped,
                "upserted": line.upserted,
                "deleted": line.deleted,
            }
            for line in board.flows
        ],
        "expectations": [
            {
                "dataset": line.dataset,
                "name": line.rule,
                "action": line.action,
                "passed": line.passed,
                "failed": line.failed,
            }
            for line in board.rules
        ],
        "error": error_record(result.error),
    }
