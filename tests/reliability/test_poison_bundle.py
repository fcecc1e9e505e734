"""An order is deleted from the bronze table: its readers say how to follow, and nothing else goes.

Source: docs "Prepare your data for GDPR compliance" (delete in bronze, then propagate) and "Full
refresh for streaming tables", 2026-11-24.
"""

import re
from pathlib import Path

from databricks.sdk.service.jobs import RunResultState
from pyspark.sql import SparkSession

from dlt_stub import StuckFlowError
from tests.pipelines.recomputation import ORDERS, as_arrow, latest_of, rows_of
from tests.pipelines.shop import Shop, differences

SEED = 7
READERS = {"orders_target", "orders_quarantine", "order_files"}


def test_deleted_order_is_followed_without_loss(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "storage", spark)
    shop.land_day(1, SEED)
    shop.run_green()
    rows = [row for file in shop.deliveries for row in rows_of(file.content, ORDERS)]
    order = min(latest_of(rows, ORDERS))
    held = shop.read("orders_quarantine").num_rows
    shop.workspace.sql(f"DELETE FROM orders_stage WHERE order_id = '{order}'").collect()
    shop.put("next.csv", f"order_id,updated_at,status\n{order}1,2026-02-01T00:00:00Z,PAID\n,,\n")

    said = []
    for _ in range(2):
        run = shop.run()
        assert run.state.result is RunResultState.FAILED
        assert run.task("archive").state.result is RunResultState.UPSTREAM_FAILED
        failed = {name: flow.error for name, flow in shop.updates[-1].flows.items() if flow.error}
        assert set(failed) == READERS
        assert all(isinstance(error, StuckFlowError) for error in failed.values())
        said.append({name: str(error) for name, error in failed.items()})
    assert said[0] == said[1]
    assert shop.source_listing() == ["next.csv"]
    named = {
        table
        for message in said[0].values()
        for tables in re.findall(r"dlt-stub run orders --full-refresh-selection ([\w,]+)", message)
        for table in tables.split(",")
    }
    assert named == READERS  # never bronze, whose files are in the archive

    orders = shop.workspace.pipeline("orders")
    orders.update(full_refresh_selection=sorted(named))
    shop.run_green()
    assert shop.source_listing() == []
    assert len(shop.archive_listing()) == len(shop.deliveries)
    rows = [row for file in shop.deliveries for row in rows_of(file.content, ORDERS)]
    kept = [row for row in rows if row.values["order_id"] != order]
    target = shop.read("orders_target")
    wanted = as_arrow(latest_of(kept, ORDERS).values(), target.column_names, ORDERS)
    assert differences(target, wanted, target.column_names) == []
    assert shop.rows("orders_stage", "count(*)") == [(len(kept),)]
    assert shop.rows("orders_quarantine", "count(*)") == [(held + 1,)]
    assert shop.rows("order_files", "sum(rows), sum(quarantined)") == [(len(kept), held + 1)]
