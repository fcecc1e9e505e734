"""A fail rule is tripped, the way out that is written down is taken, and nothing is lost."""

import json
import re
import shutil
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import RunResultState
from pyspark.sql import SparkSession

from dlt_stub.testing import JobRun
from tests.pipelines.recomputation import ORDERS, as_arrow, latest_of, rows_of
from tests.pipelines.shop import ROOT, Shop, differences

SEED = 5
RULE = "row_fits_schema"
CORRECTED = "order_id,updated_at,status\nX00010010,2026-01-05T23:00:00Z,PAID\n"


class Story:
    """A bundle whose rule fails, and its runs: tripped, still blocked, let drop, failing again."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        bundle = folder / "bundle"
        for part in ("pipelines", "expectations", "resources"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, bundle / part, ignore=ignored)
        shutil.copy(ROOT / "databricks.yml", bundle)
        self.rules = bundle / "expectations" / "orders.py"
        self.set_severity("FAIL")
        self.shop = Shop(folder / "storage", spark, root=bundle)
        self.shop.land_day(1, SEED)
        self.tripped = self.shop.run()
        self.after_tripped = self.look()
        self.shop.land_day(2, SEED)
        self.blocked = self.shop.run()
        self.set_severity("DROP")
        self.let_go = self.shop.run()
        self.after_let_go = self.look()
        self.set_severity("FAIL")
        self.shop.put("corrected.csv", CORRECTED)
        self.failing_again = self.shop.run()

    def set_severity(self, severity: str) -> None:
        """Change the rule as its owner would, in the file that says so."""
        text = self.rules.read_text(encoding="utf-8")
        changed, number = re.subn(
            rf'(name="{RULE}".*?Severity\.)\w+', rf"\g<1>{severity}", text, count=1, flags=re.S
        )
        assert number == 1
        self.rules.write_text(changed, encoding="utf-8")

    def look(self) -> dict[str, int]:
        """Return how many rows and files there are now."""
        tables = ("orders_stage", "orders_quarantine", "orders_target")
        return {
            **{name: self.shop.read(name).num_rows for name in tables},
            "source": len(self.shop.source_listing()),
            "archive": len(self.shop.archive_listing()),
        }


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(spark, tmp_path_factory.mktemp("fail_rule"))


def results(run: JobRun) -> dict[str, RunResultState | None]:
    return {task.task_key: task.state.result for task in run.tasks}


def test_tripped_rule_fails_the_run(story: Story) -> None:
    for run in (story.tripped, story.blocked):
        assert run.state.result is RunResultState.FAILED
        assert results(run) == {
            "refresh": RunResultState.FAILED,
            "archive": RunResultState.UPSTREAM_FAILED,
        }


def test_tripped_rule_gives_databricks_message(story: Story) -> None:
    message = story.tripped.task("refresh").state.message
    found = re.search(
        r"\[EXPECTATION_VIOLATION\.VERBOSITY_ALL\] Flow 'orders_target' failed to meet the "
        rf"expectation\. Violated expectations: '{RULE}'\. Input data: '(\{{.*\}})'",
        message,
    )
    assert found, message
    row = json.loads(found[1])
    assert row["order_id"].startswith("X0001")
    assert row["_rescued_data"]


def test_tripped_rule_loses_no_row(story: Story) -> None:
    first_day = [d for d in story.shop.deliveries if "20260105" in d.name]
    rows = [row for d in first_day for row in rows_of(d.content, ORDERS)]
    held = sum(bool(row.broken_rules(ORDERS)) for row in rows)
    assert story.after_tripped == {
        "orders_stage": len(rows),
        "orders_quarantine": held,
        "orders_target": 0,
        "source": len(first_day),
        "archive": 0,
    }


def test_dropping_instead_lets_everything_through(story: Story) -> None:
    assert story.let_go.state.result is RunResultState.SUCCESS
    deliveries = story.shop.deliveries[:-1]
    rows = [row for d in deliveries for row in rows_of(d.content, ORDERS)]
    held = sum(bool(row.broken_rules(ORDERS)) for row in rows)
    assert story.after_let_go == {
        "orders_stage": len(rows),
        "orders_quarantine": held,
        "orders_target": len(latest_of(rows, ORDERS)),
        "source": 0,
        "archive": len(deliveries),
    }


def test_corrected_row_ends_the_story(story: Story) -> None:
    assert story.failing_again.state.result is RunResultState.SUCCESS
    rows = [row for d in story.shop.deliveries for row in rows_of(d.content, ORDERS)]
    latest = latest_of(rows, ORDERS)
    assert "X00010010" in latest
    target = story.shop.read("orders_target")
    wanted = as_arrow(latest.values(), target.column_names, ORDERS)
    assert differences(target, wanted, target.column_names) == []
    assert story.shop.source_listing() == []
