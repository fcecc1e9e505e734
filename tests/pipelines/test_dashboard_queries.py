"""The dashboard's queries run on the tables of a fed shop and give its numbers."""

from collections import Counter
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.pipelines.conftest import FedShop
from tests.pipelines.dashboard import (
    dataset_queries,
    load_dashboard,
    placed_widgets,
    widget_queries,
)
from tests.pipelines.recomputation import DROP_RULES, ORDERS, WARN_RULES, rows_of, rule_counts
from tests.pipelines.shop import query

DASHBOARD = load_dashboard()
FIELDS = {
    placed.name: [field["name"] for field in entry["query"]["fields"]]
    for placed in placed_widgets(DASHBOARD)
    for entry in placed.widget.get("queries", [])
}


@pytest.fixture(scope="module")
def warehouse(fed_shop: FedShop) -> SparkSession:
    """A session whose default names are those the dashboard's resource sets."""
    workspace = fed_shop.shop.workspace
    dashboard = workspace.bundle.dashboards["order_quality"]
    session = workspace.session()
    session.sql(f"USE `{dashboard.dataset_catalog}`.`{dashboard.dataset_schema}`")
    return session


def rows_of_frame(frame: DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.collect()]


@pytest.mark.parametrize("name", dataset_queries(DASHBOARD))
def test_dataset_query_runs_on_local_tables(name: str, warehouse: SparkSession) -> None:
    assert rows_of_frame(warehouse.sql(dataset_queries(DASHBOARD)[name]))


@pytest.mark.parametrize("name", widget_queries(DASHBOARD))
def test_widget_gets_the_fields_it_shows(name: str, warehouse: SparkSession) -> None:
    frame = warehouse.sql(widget_queries(DASHBOARD)[name])
    assert frame.columns == FIELDS[name]
    assert rows_of_frame(frame)


def counter(name: str, warehouse: SparkSession) -> Any:
    ((value,),) = rows_of_frame(warehouse.sql(widget_queries(DASHBOARD)[name]))
    return value


def test_counters_show_what_was_delivered(warehouse: SparkSession, fed_shop: FedShop) -> None:
    # All was landed within a minute: before and after midnight at worst.
    today = query(
        "SELECT count(*), sum(rows)::BIGINT, sum(quarantined)::BIGINT FROM t"
        " WHERE day = (SELECT max(day) FROM t)",
        t=fed_shop.shop.read("order_files"),
    )
    names = ("files_today", "rows_today", "quarantined_today")
    assert [tuple(counter(name, warehouse) for name in names)] == today
    files = [rows_of(d.content, ORDERS) for d in fed_shop.shop.deliveries]
    held = [row for rows in files for row in rows if row.broken_rules(ORDERS)]
    assert today == [(len([f for f in files if f]), sum(map(len, files)), len(held))]


def test_last_update_is_the_last(warehouse: SparkSession, fed_shop: FedShop) -> None:
    last = fed_shop.shop.updates[-1].events[-1]
    assert counter("last_update_state", warehouse) == "COMPLETED"
    shown = counter("last_update_at", warehouse)
    assert abs(shown.timestamp() - last.timestamp.timestamp()) < 1


def test_rule_outcomes_equal_the_recomputed(warehouse: SparkSession, fed_shop: FedShop) -> None:
    rows = [row for d in fed_shop.shop.deliveries for row in rows_of(d.content, ORDERS)]
    expected: Counter[tuple[str, str]] = Counter()
    for rule, (passed, failed) in rule_counts(rows).items():
        expected[rule, "passed"] = passed
        expected[rule, "dropped" if rule in DROP_RULES else "warned"] = failed
        if rule in DROP_RULES:
            expected[rule, "quarantined"] = failed
    found: Counter[tuple[str, str]] = Counter()
    for _, rule, outcome, number in rows_of_frame(
        warehouse.sql(widget_queries(DASHBOARD)["rules_by_day"])
    ):
        found[rule, outcome] += number
    assert found == expected
    assert len(found) == 3 * len(DROP_RULES) + 2 * len(WARN_RULES)


def test_worst_files_are_the_worst(warehouse: SparkSession, fed_shop: FedShop) -> None:
    worst = query(
        "SELECT file, rows, quarantined FROM t WHERE quarantined > 0"
        " ORDER BY quarantined / rows DESC, quarantined DESC, file LIMIT 10",
        t=fed_shop.shop.read("order_files"),
    )
    shown = rows_of_frame(warehouse.sql(widget_queries(DASHBOARD)["worst_files"]))
    assert [(file, rows, held) for file, _, rows, held, *_ in shown] == worst


def test_orders_by_status_count_the_target(warehouse: SparkSession, fed_shop: FedShop) -> None:
    shown = rows_of_frame(warehouse.sql(widget_queries(DASHBOARD)["orders_by_status"]))
    counted = fed_shop.shop.rows("orders_target", "coalesce(status, 'unknown'), order_id")
    assert dict(shown) == Counter(status for status, _ in counted)


def test_lateness_is_hours_since_the_change(warehouse: SparkSession, fed_shop: FedShop) -> None:
    (hours,) = query(
        "SELECT max((epoch(modified_at) - epoch(newest_change_at)) / 3600) FROM t",
        t=fed_shop.shop.read("order_files"),
    )[0]
    shown = rows_of_frame(warehouse.sql(widget_queries(DASHBOARD)["lateness_by_day"]))
    assert max(longest for _, longest, _ in shown) == pytest.approx(hours, abs=0.01)
