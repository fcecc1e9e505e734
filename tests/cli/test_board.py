import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dlt_stub.cli.board import Board
from dlt_stub.cli.display import LiveDisplay
from dlt_stub.clock import ManualClock
from dlt_stub.events import EventLog, FlowStatus, Listener, UpdateState
from dlt_stub.update import UpdateCause, UpdateResult

START = datetime(2026, 1, 5, 10, tzinfo=UTC)


class Update:
    """Emits the events of an update on a clock of its own."""

    def __init__(self, folder: Path, listener: Listener) -> None:
        self.clock = ManualClock(START)
        self.log = EventLog(
            folder,
            clock=self.clock,
            origin={"pipeline_name": "shop", "update_id": "abcdef01"},
            listener=listener,
        )

    def create(self, cause: str = "API_CALL") -> None:
        self.log.emit("create_update", "An update began", body={"cause": cause})

    def define(self, dataset: str, **rules: str) -> None:
        expectations = [{"name": name, "action": action} for name, action in rules.items()]
        body = {"expectations": expectations}
        self.log.emit("dataset_definition", "", body=body, origin={"dataset_name": dataset})

    def flow(self, name: str, status: str, *, failed: int | None = None, **rows: int) -> None:
        body: dict[str, Any] = {"status": status}
        if rows:
            body["metrics"] = rows
        if failed is not None:
            rule = {"name": "r", "dataset": name, "passed_records": 10, "failed_records": failed}
            body["data_quality"] = {"dropped_records": failed, "expectations": [rule]}
        origin = {"flow_name": name, "dataset_name": name}
        self.log.emit("flow_progress", "", body=body, origin=origin)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def update(board: Board, tmp_path: Path) -> Update:
    return Update(tmp_path, board.take)


def test_micro_batches_are_added_up(update: Update, board: Board) -> None:
    update.create()
    update.define("stage", r="DROP")
    update.flow("stage", "QUEUED")
    update.flow("stage", "RUNNING")
    update.flow("stage", "RUNNING", num_output_rows=300, failed=2)
    update.clock.wait(4)
    update.flow("stage", "RUNNING", num_output_rows=19, failed=1)
    update.flow("stage", "COMPLETED")
    update.clock.wait(60)

    (line,) = board.flows
    assert (line.status, line.rows, line.dropped) == (FlowStatus.COMPLETED, 319, 3)
    assert (line.upserted, line.deleted) == (None, None)
    seconds = line.seconds(update.clock.now())
    assert seconds is not None
    assert round(seconds) == 4
    (rule,) = board.rules
    assert (rule.action, rule.passed, rule.failed) == ("DROP", 20, 3)


def test_schema_change_goes_on_counting(update: Update, board: Board) -> None:
    update.create()
    update.flow("stage", "RUNNING", num_output_rows=5)
    update.flow("stage", "STOPPED")
    update.create(cause="SCHEMA_CHANGE")
    update.flow("stage", "RUNNING", num_output_rows=7)
    assert [(line.status, line.rows) for line in board.flows] == [(FlowStatus.RUNNING, 12)]


def test_new_update_begins_from_nothing(update: Update, board: Board) -> None:
    update.create()
    update.flow("stage", "RUNNING", num_output_rows=5, failed=1)
    update.create()
    assert (board.flows, board.rules) == ((), ())


def test_unstarted_flow_has_no_seconds(update: Update, board: Board) -> None:
    update.create()
    update.flow("stage", "EXCLUDED")
    (line,) = board.flows
    assert line.seconds(update.clock.now()) is None


def test_threads_lose_no_rows(update: Update, board: Board) -> None:
    update.create()
    with ThreadPoolExecutor(8) as pool:
        for number in range(400):
            pool.submit(update.flow, f"f{number % 4}", "RUNNING", num_output_rows=1)
    assert [line.rows for line in board.flows] == [100, 100, 100, 100]


def test_live_table_stays_on_the_screen(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    clock = ManualClock(START)
    shown = LiveDisplay(console, console, clock=clock)
    with shown.opened():
        update = Update(tmp_path, shown.event)
        update.create()
        state = {"state": "COMPLETED"}
        update.flow("stage", "RUNNING", num_output_rows=1234)
        update.flow("stage", "COMPLETED")
        update.log.emit("update_progress", "", body=state)
        shown.updated(
            "shop",
            UpdateResult(
                update_id="abcdef01",
                state=UpdateState.COMPLETED,
                cause=UpdateCause.API_CALL,
                flows={},
                events=(),
            ),
        )
    last = screen.getvalue().rpartition("Update abcdef of shop: COMPLETED")[2]
    assert "1,234" in last
    assert "stage" in last
