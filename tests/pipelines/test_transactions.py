"""Flows that run side by side keep to their own transactions and tables."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.pipelines.conftest import FedShop
from tests.pipelines.shop import transactions

OWNER = {"__dlt_cdc_orders_target": "orders_target"}
SIDE_BY_SIDE = {"orders_quarantine", "orders_target", "order_files"}
OF_THE_TASK = "order_reconciliation"  # no flow writes it


def tables_of_flows(fed_shop: FedShop) -> list[Path]:
    return [folder for folder in fed_shop.shop.tables() if folder.name != OF_THE_TASK]


def test_each_log_has_its_own_ids(fed_shop: FedShop) -> None:
    pipeline_id = fed_shop.shop.workspace.pipeline("orders").pipeline.pipeline_id
    applications = {}
    for folder in tables_of_flows(fed_shop):
        flow = OWNER.get(folder.name, folder.name)
        found = {application for application, _ in transactions(folder)}
        assert len(found) == 1, folder.name
        (applications[folder.name],) = found
        assert applications[folder.name].startswith(f"{pipeline_id}/{flow}/")
    assert {*SIDE_BY_SIDE, *OWNER, "orders_stage", "order_quality"} == applications.keys()
    assert len(set(applications.values())) == len(applications) - len(OWNER)


def test_no_batch_is_committed_twice(fed_shop: FedShop) -> None:
    for folder in tables_of_flows(fed_shop):
        batches = [version for _, version in transactions(folder)]
        assert len(batches) > 1, folder.name
        assert all(one < next_one for one, next_one in pairwise(batches)), folder.name


def test_flows_did_run_side_by_side(fed_shop: FedShop) -> None:
    overlaps = 0
    for update in fed_shop.shop.updates:
        spans: dict[str, list[datetime]] = {}
        for event in update.events:
            flow = event.origin.get("flow_name")
            if event.event_type == "flow_progress" and flow in SIDE_BY_SIDE:
                spans.setdefault(str(flow), []).append(event.timestamp)
        started = sorted((min(times[1:]), max(times)) for times in spans.values())  # [0]: QUEUED
        overlaps += sum(one[1] > other[0] for one, other in pairwise(started))
    assert overlaps > 0
