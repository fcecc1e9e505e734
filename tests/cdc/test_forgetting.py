"""How long deletes are remembered, and NULL keys and sequences in strict mode."""

from typing import Any

import pytest

from dlt_stub.cdc import CdcMetrics, tombstone_seconds
from dlt_stub.declare.records import Dataset, DatasetKind
from dlt_stub.errors import DefinitionError, FlowError, Origin
from tests.cdc.conftest import MakeOrders
from tests.cdc.model import SCHEMA

DELETES: dict[str, Any] = {"apply_as_deletes": "op = 'DELETE'", "column_list": ("key", "status")}
LATE = [(key, "late", 1.0, 3, "UPSERT") for key in (1, 2)]


@pytest.mark.parametrize(
    "arguments", [{}, {"ignore_null_updates": True}, {"scd_type": 2}], ids=["1", "replayed", "2"]
)
def test_old_deletes_are_forgotten_in_time(orders: MakeOrders, arguments: dict[str, Any]) -> None:
    feed = orders(SCHEMA, **DELETES, **arguments)
    feed.forgets_after_seconds = 60
    feed.apply(
        (1, "a", 1.0, 1, "UPSERT"), (1, None, None, 5, "DELETE"), (2, None, None, 5, "DELETE")
    )
    feed.clock.wait(59)
    feed.apply(*LATE)  # the deletes are remembered
    shown = {(1, "a", 1, 3), (1, "late", 3, 5), (2, "late", 3, 5)}
    assert feed.rows() == (shown if arguments.get("scd_type") == 2 else set())
    feed.apply((3, None, None, 5, "DELETE"))
    feed.clock.wait(61)
    late = [(key, "later", 1.0, 4, "UPSERT") for key in (1, 2, 3)]
    feed.apply(*late)
    if arguments.get("scd_type") == 2:  # ends of versions stay: only key 3 had none
        assert feed.rows() == {
            *((1, "a", 1, 3), (1, "late", 3, 4), (1, "later", 4, 5)),
            *((2, "late", 3, 4), (2, "later", 4, 5), (3, "later", 4, None)),
        }
    else:
        assert feed.rows() == {(1, "later"), (2, "later"), (3, "later")}


def test_property_says_when_deletes_are_forgotten() -> None:
    def dataset(**properties: str) -> Dataset:
        return Dataset(
            name="orders",
            kind=DatasetKind.STREAMING_TABLE,
            origin=Origin(path="orders.py", line=7),
            table_properties=properties,
        )

    name = "pipelines.cdc.tombstoneGCThresholdInSeconds"
    assert tombstone_seconds(dataset()) is None
    assert tombstone_seconds(dataset(**{name: "172800"})) == 172_800
    with pytest.raises(DefinitionError, match=f"{name} of 'orders' is '2 days'; allowed: a number"):
        tombstone_seconds(dataset(**{name: "2 days"}))


@pytest.mark.parametrize("arguments", [{}, {"scd_type": 2}, {"apply_as_truncates": "op = 'T'"}])
def test_strict_mode_refuses_what_is_null(orders: MakeOrders, arguments: dict[str, Any]) -> None:
    feed = orders(SCHEMA, **DELETES, **arguments)
    feed.spark.conf.set("dlt_stub.cdc.strict", "true")
    try:
        for row, shown in (((None, "a", 1.0, 1, "U"), "null"), ((7, "a", 1.0, None, "U"), "7")):
            with pytest.raises(FlowError, match=r"without a key or a sequence: 1 keys, .*key") as e:
                feed.apply(row, (7, "a", 1.0, 2, "U"))
            assert f'{{"key":{shown}}} among them' in str(e.value)
        if "apply_as_truncates" in arguments:  # these have no key
            feed.apply((None, None, None, 1, "T"), (7, "a", 1.0, 2, "U"))
            assert feed.rows() == {(7, "a")}
            return
    finally:
        feed.spark.conf.unset("dlt_stub.cdc.strict")
    assert feed.apply((None, "a", 1.0, None, "U")) == CdcMetrics(
        num_upserted_rows=1, num_deleted_rows=0
    )
