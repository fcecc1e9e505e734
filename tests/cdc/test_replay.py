"""SCD type 1 where the greatest change does not say all: ignored NULL updates, and truncates."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F

from dlt_stub.cdc import CdcMetrics
from dlt_stub.errors import FlowError
from tests.cdc.conftest import MakeOrders
from tests.cdc.model import SCHEMA
from tests.cdc.test_scd1 import GOLDEN, USERS

COLUMNS: dict[str, Any] = {
    "apply_as_deletes": "op = 'DELETE'",
    "except_column_list": ("op", "seq"),
}
TRUNCATES: dict[str, Any] = {**COLUMNS, "apply_as_truncates": "op = 'TRUNCATE'"}


def test_docs_example_with_truncate_keeps_one(orders: MakeOrders) -> None:
    users = orders(
        USERS,
        keys=("userId",),
        sequence_by="sequenceNum",
        apply_as_deletes="operation = 'DELETE'",
        apply_as_truncates="operation = 'TRUNCATE'",
        except_column_list=("operation", "sequenceNum"),
    )
    changes = [*GOLDEN[:4], (None, None, None, "TRUNCATE", 3), *GOLDEN[4:]]
    for start in range(0, len(changes), 4):
        users.apply(*changes[start : start + 4])
    assert users.rows() == {(125, "Mercedes", "Guadalajara")}
    assert users.table().columns == ["userId", "name", "city"]


def test_truncate_undoes_what_comes_late(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **TRUNCATES)
    rows = [(1, "a", 1.0, 1, "UPSERT"), (2, "b", 1.0, 5, "UPSERT"), (None, "c", 1.0, None, "U")]
    assert feed.apply(*rows) == _did(3, 0)
    assert feed.apply((None, None, None, 5, "TRUNCATE")) == _did(0, 2)
    assert feed.rows() == {(2, "b", 1.0)}
    before = feed.commits()
    assert feed.apply((1, "late", 1.0, 4, "UPSERT"), (3, "late", 1.0, 2, "UPSERT")) == _did(0, 0)
    assert feed.apply((None, None, None, 3, "TRUNCATE")) == _did(0, 0)
    assert feed.commits() == before
    assert feed.apply((1, "new", 1.0, 6, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "new", 1.0), (2, "b", 1.0)}


def test_null_update_keeps_the_value(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, ignore_null_updates=True, **COLUMNS)
    assert feed.apply((1, "ACTIVE", None, 1, "UPSERT")) == _did(1, 0)
    assert feed.apply((1, None, 2.0, 2, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "ACTIVE", 2.0)}
    assert feed.apply((1, None, None, 3, "UPSERT")) == _did(0, 0)
    assert feed.apply((1, "LATE", None, 1, "UPSERT")) == _did(1, 0)  # a tie, and greater
    assert feed.rows() == {(1, "LATE", 2.0)}
    assert feed.apply((1, None, None, 4, "DELETE")) == _did(0, 1)
    assert feed.apply((1, None, 5.0, 5, "UPSERT")) == _did(1, 0)  # what was deleted is gone
    assert feed.rows() == {(1, None, 5.0)}


def test_late_sparse_change_fills_the_gap(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, ignore_null_updates=True, **COLUMNS)
    feed.apply((1, None, 9.0, 9, "UPSERT"))
    assert feed.apply((1, "early", 1.0, 1, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "early", 9.0)}


@pytest.mark.parametrize(
    "lists",
    [
        {"ignore_null_updates_column_list": ("Status",)},
        {"ignore_null_updates_except_column_list": ("amount",)},
    ],
)
def test_lists_choose_whose_nulls_count(orders: MakeOrders, lists: dict[str, Any]) -> None:
    feed = orders(SCHEMA, **COLUMNS, **lists)
    feed.apply((1, "kept", 1.0, 1, "UPSERT"))
    feed.apply((1, None, None, 2, "UPSERT"))
    assert feed.rows() == {(1, "kept", None)}


def test_nested_nulls_keep_nested_values(orders: MakeOrders) -> None:
    schema = "key int, seq int, ship struct<city:string, at:struct<lat:double,lon:double>>"
    feed = orders(schema, ignore_null_updates=True, except_column_list=("seq",))
    feed.apply((1, 1, ("Oslo", (1.0, None))), (2, 1, None))
    feed.apply((1, 2, (None, (None, 2.0))), (2, 2, None))
    assert feed.rows() == {(1, ("Oslo", (1.0, 2.0))), (2, None)}
    feed.apply((1, 3, None), (2, 3, ("Rome", None)))
    assert feed.rows() == {(1, ("Oslo", (1.0, 2.0))), (2, ("Rome", None))}


def test_history_ignores_null_updates_too(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, scd_type=2, ignore_null_updates=True, **COLUMNS)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (1, None, None, 2, "UPSERT"), (1, None, 3.0, 3, "U"))
    assert feed.rows() == {(1, "a", 1.0, 1, 3), (1, "a", 3.0, 3, None)}


def test_values_put_in_by_hand_are_kept(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, ignore_null_updates=True, **COLUMNS)
    hand = feed.spark.createDataFrame([(2, "hand", 9.0)], "key int, status string, amount double")
    hand.write.format("delta").mode("append").save(feed.target)
    assert feed.apply((2, None, 1.0, 5, "UPSERT")) == _did(1, 0)
    assert feed.apply((2, None, 2.0, 6, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(2, "hand", 2.0)}


def test_key_deleted_by_hand_comes_back(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, ignore_null_updates=True, **COLUMNS)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (2, "b", 1.0, 1, "UPSERT"))
    feed.spark.sql(f"DELETE FROM delta.`{feed.target}`")
    feed.apply((1, "c", 2.0, 2, "UPSERT"))
    assert feed.rows() == {(1, "c", 2.0)}


@pytest.mark.parametrize(
    "arguments", [TRUNCATES, {**COLUMNS, "ignore_null_updates": True}], ids=["truncate", "nulls"]
)
def test_crash_between_tables_is_mended(
    orders: MakeOrders, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    feed = orders(SCHEMA, **arguments)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (2, "b", 1.0, 1, "UPSERT"))
    shutil.copytree(feed.target, tmp_path / "target_before")
    second: list[tuple[Any, ...]] = [(1, None, 2.0, 3, "UPSERT"), (2, None, None, 2, "DELETE")]
    if "apply_as_truncates" in arguments:
        second[1] = (None, None, None, 2, "TRUNCATE")
    feed.apply(*second)
    after = feed.rows()
    feed.target = str(tmp_path / "target_before")
    assert feed.apply(*second, version=1) == _did(1, 1)
    assert feed.rows() == after == {(1, None if "apply_as_truncates" in arguments else "a", 2.0)}
    assert feed.apply((2, "late", 1.0, 1, "UPSERT")) == _did(0, 0)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ({}, {"ignore_null_updates": True}, "was stored as the last change of each key before"),
        (
            {"ignore_null_updates": True},
            {"ignore_null_updates_column_list": ("status",)},
            r"ignores NULL updates of \['amount'\] otherwise",
        ),
        ({"ignore_null_updates": True}, {}, "has other keys than before"),
    ],
)
def test_changed_meaning_needs_full_refresh(
    orders: MakeOrders, before: dict[str, Any], after: dict[str, Any], message: str
) -> None:
    feed = orders(SCHEMA, **COLUMNS, **before)
    feed.apply((1, "a", 1.0, 1, "UPSERT"))
    changed = orders(SCHEMA, **COLUMNS, **after, target="elsewhere")
    changed.target, changed.auxiliary, changed.next_version = feed.target, feed.auxiliary, 1
    with pytest.raises(FlowError, match=rf"(?s){message}.*full refresh"):
        changed.apply((1, "b", 1.0, 2, "UPSERT"))


def test_batch_is_evaluated_exactly_once(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, ignore_null_updates=True, **TRUNCATES)
    counted = feed.spark.sparkContext.accumulator(0)

    def count(key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Spark reads hints
        counted.add(1)
        return key

    for at in range(2):
        rows = [
            (1, "a", 1.0, at, "UPSERT"),
            (2, "b", 1.0, at, "UPSERT"),
            (None, None, None, 0, "T"),
        ]
        feed.apply_frame(feed.frame(rows).withColumn("key", F.udf(count, "int")("key")))
    assert counted.value == 6


def _did(upserted: int, deleted: int) -> CdcMetrics:
    return CdcMetrics(num_upserted_rows=upserted, num_deleted_rows=deleted)
