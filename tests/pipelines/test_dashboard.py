"""What makes a Databricks dashboard blank or invalid, checked before it is deployed."""

import re
from itertools import combinations
from typing import Any

import pytest

from tests.pipelines.dashboard import (
    Placed,
    dataset_queries,
    load_dashboard,
    placed_widgets,
    widget_queries,
)

VERSIONS = {"counter": 2, "bar": 3, "line": 3, "area": 3, "pie": 3, "table": 2}
TABLES = {"order_files", "order_quality", "order_reconciliation"}
TABLES |= {"orders_event_log", "orders_quarantine", "orders_target"}

DASHBOARD = load_dashboard()
WIDGETS = list(placed_widgets(DASHBOARD))
CHARTS = [placed for placed in WIDGETS if "spec" in placed.widget]


def named(placed: list[Placed]) -> list[Any]:
    return [pytest.param(one, id=one.name) for one in placed]


def names_in_encodings(encodings: object) -> set[str]:
    if isinstance(encodings, dict):
        own = {encodings["fieldName"]} if "fieldName" in encodings else set()
        return own.union(*(names_in_encodings(value) for value in encodings.values()))
    if isinstance(encodings, list):
        return set().union(*(names_in_encodings(value) for value in encodings))
    return set()


@pytest.mark.parametrize("placed", named(CHARTS))
def test_widget_shows_the_fields_it_queries(placed: Placed) -> None:
    (entry,) = placed.widget["queries"]
    fields = {field["name"] for field in entry["query"]["fields"]}
    assert entry["name"] == "main_query"
    assert names_in_encodings(placed.widget["spec"]["encodings"]) == fields


@pytest.mark.parametrize("placed", named(CHARTS))
def test_widget_has_its_types_version(placed: Placed) -> None:
    spec = placed.widget["spec"]
    assert spec["version"] == VERSIONS[spec["widgetType"]]
    assert spec["frame"]["title"]


@pytest.mark.parametrize("placed", named(CHARTS))
def test_only_counters_and_tables_show_raw_rows(placed: Placed) -> None:
    spec, (entry,) = placed.widget["spec"], placed.widget["queries"]
    assert entry["query"]["disaggregated"] == (spec["widgetType"] in ("counter", "table"))
    if spec["widgetType"] == "counter":
        assert "color" not in spec["encodings"]["value"]


def test_text_widget_has_no_spec() -> None:
    texts = [one.widget for one in WIDGETS if "multilineTextboxSpec" in one.widget]
    assert texts
    assert all("spec" not in widget and "queries" not in widget for widget in texts)


def test_widgets_and_datasets_use_each_other() -> None:
    used = {entry["query"]["datasetName"] for one in CHARTS for entry in one.widget["queries"]}
    assert used == dataset_queries(DASHBOARD).keys()


def test_widget_names_are_unique_and_short() -> None:
    names = [one.name for one in WIDGETS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name) for name in names)


def test_widgets_fit_the_grid_without_overlap() -> None:
    assert all(page["pageType"] == "PAGE_TYPE_CANVAS" for page in DASHBOARD["pages"])
    assert all(page["layoutVersion"] == "GRID_V1" for page in DASHBOARD["pages"])
    cells = [
        {
            (one.page["name"], x, y)
            for x in range(one.position["x"], one.position["x"] + one.position["width"])
            for y in range(one.position["y"], one.position["y"] + one.position["height"])
        }
        for one in WIDGETS
    ]
    assert all(x < 12 for taken in cells for _, x, _ in taken)
    assert not [pair for pair in combinations(cells, 2) if pair[0] & pair[1]]


@pytest.mark.parametrize("name", dataset_queries(DASHBOARD))
def test_query_is_one_statement_on_bare_names(name: str) -> None:
    sql = dataset_queries(DASHBOARD)[name]
    (lines,) = [d["queryLines"] for d in DASHBOARD["datasets"] if d["name"] == name]
    assert all(line.endswith("\n") for line in lines)
    assert ";" not in sql
    assert "${" not in sql  # bundle variables are not substituted inside the file
    tables = re.findall(r"FROM\s+([\w.`]+)", sql)
    assert tables
    assert set(tables) <= TABLES


@pytest.mark.parametrize("name", dataset_queries(DASHBOARD))
def test_query_avoids_what_one_engine_lacks(name: str) -> None:
    sql = dataset_queries(DASHBOARD)[name]
    assert "::" not in sql
    assert "event_log(" not in sql
    assert not re.search(r"\w:\w", sql)  # details:a.b is Databricks syntax


def test_every_chart_has_a_query_to_run() -> None:
    queries = widget_queries(DASHBOARD)
    assert queries.keys() == {one.name for one in CHARTS}
    assert queries["orders_by_status"].endswith("GROUP BY `status`")
