"""A file replaced under its own name while a run goes on is neither lost nor archived unread."""

import re
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO

import pytest
from pyspark.sql import SparkSession

from dlt_stub.testing import Event, RunEvent
from tests.pipelines.shop import JOB, Shop

HEADER = "order_id,updated_at,status\n"
FIRST = HEADER + "A1,2026-02-01T10:00:00Z,CREATED\n"
SECOND = HEADER + "A1,2026-02-01T11:00:00Z,PAID\nA2,2026-02-01T11:00:00Z,CREATED\n"
FIRST_B = HEADER + "B1,2026-02-01T10:00:00Z,CREATED\n"
QUIET = HEADER + "Q1,2026-02-01T10:00:00Z,CREATED\n"
AGAIN = HEADER + "Q1,2026-02-01T12:00:00Z,PAID\n"
WHY = "it came or was replaced while the run went on; the next run takes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the archive task printed in two runs, and what was left between them."""

    shop: Shop
    first: list[str]
    between: list[str]
    target_between: list[tuple[str, str]]
    second: list[str]


@pytest.fixture(scope="module")
def told(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Run twice; in the first run one file is replaced after bronze, one after the refresh."""
    shop = Shop(tmp_path_factory.mktemp("replaced"), spark)
    shop.put("a.csv", FIRST)
    shop.put("b.csv", FIRST_B)
    shop.put("quiet.csv", QUIET)

    def once_in_bronze(event: Event) -> None:
        is_done = "'orders_stage' has COMPLETED" in event.message
        if is_done and event.event_type == "flow_progress":
            shop.put("a.csv", SECOND)

    def once_refreshed(event: RunEvent) -> None:
        if event.task_key == "refresh" and event.state.has_succeeded:
            shop.put("b.csv", HEADER)

    with redirect_stdout(StringIO()) as first:
        shop.workspace.run_job(JOB, on_event=once_refreshed, listener=once_in_bronze)
    between = shop.source_listing()
    target = shop.rows("orders_target", "order_id, status")
    with redirect_stdout(StringIO()) as second:
        shop.run_green()
    return Told(
        shop=shop,
        first=first.getvalue().splitlines(),
        between=between,
        target_between=target,
        second=second.getvalue().splitlines(),
    )


def test_replaced_files_stay_with_a_reason(told: Told) -> None:
    assert told.between == ["a.csv", "b.csv"]
    assert f"left   a.csv: {WHY}" in told.first
    assert f"left   b.csv: {WHY}" in told.first
    assert "archive: 1 moved, 2 left, 0 failed" in told.first
    assert told.target_between == [("A1", "CREATED"), ("B1", "CREATED"), ("Q1", "CREATED")]


def test_next_run_takes_the_replaced_files(told: Told) -> None:
    assert told.shop.source_listing() == []
    assert "archive: 2 moved, 0 left, 0 failed" in told.second
    expected = [("A1", "PAID"), ("A2", "CREATED"), ("B1", "CREATED"), ("Q1", "CREATED")]
    assert told.shop.rows("orders_target", "order_id, status") == expected


def test_version_that_was_read_is_counted(told: Told) -> None:
    # The first contents of a.csv and b.csv were replaced where they lay: only their rows are left.
    archived = Counter(told.shop.archive_listing().values())
    assert archived == Counter(text.encode() for text in (SECOND, HEADER, QUIET))
    rows = told.shop.rows("order_files", "file, rows")
    assert rows == [("a.csv", 1), ("a.csv", 2), ("b.csv", 1), ("quiet.csv", 1)]


def test_one_name_twice_is_two_files(told: Told) -> None:
    told.shop.put("quiet.csv", AGAIN)
    told.shop.run_green()
    archived = {
        f.name: text for f, text in told.shop.archive_listing().items() if "quiet" in f.name
    }
    assert len(archived) == 2
    assert archived["quiet.csv"] == QUIET.encode()
    (other,) = archived.keys() - {"quiet.csv"}
    assert re.fullmatch(r"quiet\.\d{8}T\d{9}Z\.csv", other)
    assert archived[other] == AGAIN.encode()
    assert ("Q1", "PAID") in told.shop.rows("orders_target", "order_id, status")
