"""The tables hold what the archived files say, read and worked out without Spark."""

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.pipelines.conftest import DAYS, Evening, FedShop
from tests.pipelines.recomputation import (
    ORDERS,
    Delivered,
    as_arrow,
    latest_of,
    rows_of,
    rule_counts,
)
from tests.pipelines.shop import differences, query

STAMP = re.compile(r"\.\d{8}T\d{9}Z(\.\d+)?(?=\.csv$)")
TECHNICAL = ["_rescued_data", "source_file", "source_file_size", "source_file_modified_at"]
EVENINGS = range(DAYS + 1)  # the last run finds nothing new


def rows_by_file(evening: Evening) -> dict[Path, list[Delivered]]:
    return {file: rows_of(content, ORDERS) for file, content in evening.archive.items()}


def all_rows(evening: Evening) -> list[Delivered]:
    return [row for rows in rows_by_file(evening).values() for row in rows]


@pytest.fixture(params=EVENINGS, ids=lambda number: f"run {number + 1}")
def evening(request: pytest.FixtureRequest, fed_shop: FedShop) -> Evening:
    print(f"seed {fed_shop.seed}")  # noqa: T201 - pytest shows it when the test fails
    number: int = request.param
    return fed_shop.evenings[number]


def test_target_holds_the_latest_orders(evening: Evening) -> None:
    target = evening.tables["orders_target"]
    expected = latest_of(all_rows(evening), ORDERS)
    names = [name for name in ORDERS.columns if name != ORDERS.operation]
    has_new_column = any(b"gift_note" in content for content in evening.archive.values())
    assert target.column_names == names + ["gift_note"] * has_new_column
    assert len(expected) > 150
    assert target.num_rows == len(expected)
    wanted = as_arrow(expected.values(), target.column_names, ORDERS)
    assert differences(target, wanted, target.column_names) == []


def test_stage_holds_every_delivered_row(evening: Evening) -> None:
    stage = evening.tables["orders_stage"]
    columns = [name for name in stage.column_names if name not in TECHNICAL]
    rows = all_rows(evening)
    wanted = as_arrow([row.values for row in rows], columns, ORDERS)
    assert differences(stage, wanted, columns) == []
    rescued = query("SELECT count(_rescued_data) FROM t", t=stage)
    assert rescued == [(sum(not row.fits for row in rows),)]


def test_quarantine_holds_the_other_rows(evening: Evening) -> None:
    quarantine = evening.tables["orders_quarantine"]
    held = [(row, row.broken_rules(ORDERS)) for row in all_rows(evening)]
    columns = [n for n in quarantine.column_names if n not in (*TECHNICAL, "broken_rules")]
    wanted = as_arrow([row.values for row, broken in held if broken], columns, ORDERS)
    assert differences(quarantine, wanted, columns) == []
    reasons = Counter(tuple(names) for names in quarantine["broken_rules"].to_pylist())
    assert reasons == Counter(tuple(broken) for _, broken in held if broken)
    assert sum(reasons.values()) > 0


def test_files_are_counted_delivery_by_delivery(evening: Evening) -> None:
    modified_ms = {(d.name, d.content): d.modified_ms for d in evening.delivered}
    expected = set()
    for file, rows in rows_by_file(evening).items():
        name = STAMP.sub("", file.name)
        instants = [row.values["updated_at"] for row in rows if row.values["updated_at"]]
        held = sum(bool(row.broken_rules(ORDERS)) for row in rows)
        if rows:
            at = modified_ms[name, evening.archive[file]]
            newest = int(max(instants).timestamp()) if instants else None
            expected.add((name, name, at, len(rows), held, newest))
    found = query(
        "SELECT source_file, file, epoch_ms(modified_at), rows, quarantined,"
        " epoch(newest_change_at)::BIGINT FROM t",
        t=evening.tables["order_files"],
    )
    assert len(found) == len(set(found))
    assert {(unquote(uri).rpartition("/")[2], *more) for uri, *more in found} == expected


def test_rule_counts_add_up(evening: Evening) -> None:
    if "order_quality" not in evening.tables:
        pytest.skip("its table begins with the second update")
    found = query(
        "SELECT rule, sum(passed)::BIGINT, sum(failed)::BIGINT FROM t GROUP BY rule",
        t=evening.tables["order_quality"],
    )
    expected = rule_counts(all_rows(evening))
    assert {rule: counts for rule, *counts in found} == {
        rule: list(counts) for rule, counts in expected.items()
    }


def test_archive_holds_what_was_landed(evening: Evening) -> None:
    archived = Counter((STAMP.sub("", f.name), text) for f, text in evening.archive.items())
    assert archived == Counter((d.name, d.content) for d in evening.delivered)
    assert evening.left_in_source == []


def test_feed_brought_every_trouble(fed_shop: FedShop) -> None:
    last = fed_shop.evenings[-1]
    names = Counter(STAMP.sub("", file.name) for file in last.archive)
    assert sorted(names.values())[-2:] == [1, 2]  # one name came twice
    rows = rows_by_file(last).values()
    assert [] in rows
    seen = Counter(
        tuple(row.values.values()) for rows_of_file in rows for row in rows_of_file if row.fits
    )
    assert max(seen.values()) > 1
    assert all(failed > 0 for _, failed in rule_counts(all_rows(last)).values())
    deleted = {row.values["order_id"] for row in all_rows(last) if _is_delete(row)}
    kept = {key for (key,) in fed_shop.shop.rows("orders_target", "order_id")}
    assert len(deleted) == 6 * DAYS + 1
    assert deleted.isdisjoint(kept)


def test_run_with_nothing_new_commits_nothing(fed_shop: FedShop) -> None:
    before, after = fed_shop.evenings[-2:]
    assert before.archive == after.archive
    for name in ("orders_stage", "orders_quarantine", "orders_target", "order_files"):
        assert before.versions[name] == after.versions[name], name


def _is_delete(row: Delivered) -> bool:
    return str(row.values["operation"]).upper() == "DELETE"
