"""Reads the deployed dashboard: its datasets' queries and the queries its widgets make of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[2] / "resources" / "order_quality.lvdash.json"

Json = dict[str, Any]  # the file format is Databricks', and open


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One widget and where it lies on its page."""

    page: Json
    widget: Json
    position: dict[str, int]

    @property
    def name(self) -> str:
        """The widget's id."""
        return str(self.widget["name"])


def load_dashboard(path: Path = DASHBOARD) -> Json:
    """Return the dashboard as the file has it."""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content


def dataset_queries(dashboard: Json) -> dict[str, str]:
    """Return dataset name -> SQL, lines joined the way Databricks joins them."""
    return {dataset["name"]: "".join(dataset["queryLines"]) for dataset in dashboard["datasets"]}


def placed_widgets(dashboard: Json) -> Iterator[Placed]:
    """Return every widget of every page."""
    for page in dashboard["pages"]:
        for item in page["layout"]:
            yield Placed(page=page, widget=item["widget"], position=item["position"])


def widget_queries(dashboard: Json) -> dict[str, str]:
    """Return widget name -> the SQL its data comes from, grouped as the widget groups it."""
    datasets = dataset_queries(dashboard)
    return {
        placed.name: _widget_sql(entry["query"], datasets)
        for placed in placed_widgets(dashboard)
        for entry in placed.widget.get("queries", [])
    }


def _widget_sql(query: Json, datasets: dict[str, str]) -> str:
    fields = [f"{field['expression']} AS `{field['name']}`" for field in query["fields"]]
    plain = [f["expression"] for f in query["fields"] if "(" not in f["expression"]]
    sql = f"SELECT {', '.join(fields)} FROM ({datasets[query['datasetName']]}) AS dataset"
    is_grouped = not query["disaggregated"] and plain
    return f"{sql} GROUP BY {', '.join(plain)}" if is_grouped else sql
