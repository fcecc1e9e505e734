"""SCD type 2 as documented and as measured on real workspaces."""

from itertools import permutations
from typing import Any

import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import functions as F

from dlt_stub.cdc import CdcMetrics
from dlt_stub.errors import FlowError
from tests.cdc.conftest import MakeOrders, Orders
from tests.cdc.model import SCHEMA
from tests.cdc.test_scd1 import GOLDEN, USERS

HISTORY: dict[str, Any] = {
    "scd_type": 2,
    "apply_as_deletes": "op = 'DELETE'",
    "except_column_list": ("op", "seq"),
}
GOLDEN_FLOW: dict[str, Any] = {
    "scd_type": 2,
    "keys": ("userId",),
    "sequence_by": "sequenceNum",
    "apply_as_deletes": "operation = 'DELETE'",
    "except_column_list": ("operation", "sequenceNum"),
}
ALL_TRACKED = {
    (123, "Isabel", "Monterrey", 1, 5),
    (123, "Isabel", "Chihuahua", 5, 6),
    (124, "Raul", "Oaxaca", 1, None),
    (125, "Mercedes", "Tijuana", 2, 5),
    (125, "Mercedes", "Mexicali", 5, 6),
    (125, "Mercedes", "Guadalajara", 6, None),
    (126, "Lily", "Cancun", 2, None),
}
ALL_BUT_CITY_TRACKED = {
    (123, "Isabel", "Chihuahua", 1, 6),
    (124, "Raul", "Oaxaca", 1, None),
    (125, "Mercedes", "Guadalajara", 2, None),
    (126, "Lily", "Cancun", 2, None),
}


@pytest.mark.parametrize(
    ("tracking", "rows"),
    [
        ({}, ALL_TRACKED),
        ({"track_history_except_column_list": ("city",)}, ALL_BUT_CITY_TRACKED),
        ({"track_history_column_list": ("NAME",)}, ALL_BUT_CITY_TRACKED),
    ],
    ids=["all", "all but city", "name"],
)
def test_docs_example_gives_documented_versions(
    orders: MakeOrders, tracking: dict[str, Any], rows: set[tuple[Any, ...]]
) -> None:
    users = orders(USERS, **GOLDEN_FLOW, **tracking)
    for start in range(0, len(GOLDEN), 3):  # in one batch: tests/conformance/cdc/golden_scd_table
        users.apply(*GOLDEN[start : start + 3])
    assert users.rows() == rows
    assert users.table().dtypes == [
        ("userId", "int"),
        ("name", "string"),
        ("city", "string"),
        ("__START_AT", "int"),
        ("__END_AT", "int"),
    ]


def test_late_change_splits_the_interval(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    assert feed.apply((1, "ACTIVE", 1.0, 12, "UPSERT")) == _did(1, 0)
    assert feed.apply((1, "PENDING", 1.0, 10, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "PENDING", 1.0, 10, 12), (1, "ACTIVE", 1.0, 12, None)}
    assert feed.apply((1, "PAID", 1.0, 11, "UPSERT")) == _did(2, 0)
    assert feed.rows() == {
        (1, "PENDING", 1.0, 10, 11),
        (1, "PAID", 1.0, 11, 12),
        (1, "ACTIVE", 1.0, 12, None),
    }


def test_late_change_before_a_delete_stays_closed(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    assert feed.apply((1, "ACTIVE", 1.0, 17, "UPSERT")) == _did(1, 0)
    assert feed.apply((1, None, None, 20, "DELETE")) == _did(0, 1)
    assert feed.rows() == {(1, "ACTIVE", 1.0, 17, 20)}
    assert feed.apply((1, "SUSPENDED", 1.0, 18, "UPSERT")) == _did(2, 0)
    assert feed.rows() == {(1, "ACTIVE", 1.0, 17, 18), (1, "SUSPENDED", 1.0, 18, 20)}
    assert feed.apply((1, "BACK", 1.0, 30, "UPSERT")) == _did(1, 0)
    assert feed.apply((1, None, None, 25, "DELETE")) == _did(0, 0)  # nothing was open then
    assert (1, "BACK", 1.0, 30, None) in feed.rows()


def test_late_delete_opens_a_gap(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (1, "b", 1.0, 5, "UPSERT"))
    assert feed.apply((1, None, None, 3, "DELETE")) == _did(1, 0)  # key 1 is still there
    assert feed.rows() == {(1, "a", 1.0, 1, 3), (1, "b", 1.0, 5, None)}


def test_delete_of_unknown_key_closes_late_rows(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    assert feed.apply((1, None, None, 6, "DELETE")) == _did(0, 0)
    assert feed.commits() == (1, 1)
    assert feed.apply((1, "late", 1.0, 4, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "late", 1.0, 4, 6)}


def test_replayed_lifecycle_commits_nothing(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    names = ["NEW", "PAID", "SHIPPED", "DONE"]
    life: list[tuple[Any, ...]] = [
        *((1, name, 1.0, 10 * (i + 1), "UPSERT") for i, name in enumerate(names)),
        (1, None, None, 50, "DELETE"),
    ]
    assert feed.apply(*life) == _did(4, 0)
    rows = {(1, name, 1.0, 10 * (i + 1), 10 * (i + 2)) for i, name in enumerate(names)}
    assert feed.rows() == rows
    before = feed.commits()
    assert feed.apply(*life) == _did(0, 0)
    assert feed.apply(*life[1:3], *life[1:3]) == _did(0, 0)
    assert feed.commits() == before
    assert feed.rows() == rows


def test_untracked_change_makes_no_version(orders: MakeOrders) -> None:
    for tracking, count in ((None, 51), (("synced", "seq"), 1)):
        feed = orders(
            "key int, status string, synced int, seq int",
            target=f"orders_{count}",
            scd_type=2,
            track_history_except_column_list=tracking,
        )
        feed.apply(*((1, "ACTIVE", i, i) for i in range(51)))
        assert feed.table().count() == count
        last = feed.table().where("__END_AT IS NULL").collect()
        assert [tuple(row)[:4] for row in last] == [(1, "ACTIVE", 50, 50)]


def test_untracked_change_is_applied_in_place(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY, track_history_column_list=("status",))
    feed.apply((1, "a", 1.0, 1, "UPSERT"))
    assert feed.apply((1, "a", 3.0, 3, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "a", 3.0, 1, None)}
    before = feed.commits()
    assert feed.apply((1, "a", 2.0, 2, "UPSERT")) == _did(0, 0)  # late: 3.0 stands
    assert feed.commits() == (before[0], before[1] + 1)
    assert feed.apply((1, "b", 9.0, 2, "UPSERT")) == _did(3, 0)
    assert feed.rows() == {(1, "a", 1.0, 1, 2), (1, "b", 9.0, 2, 3), (1, "a", 3.0, 3, None)}


def test_version_goes_when_neighbours_join(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (1, "b", 1.0, 5, "UPSERT"))
    assert feed.apply((1, "b", 1.0, 3, "UPSERT")) == _did(2, 0)
    assert feed.rows() == {(1, "a", 1.0, 1, 3), (1, "b", 1.0, 3, None)}


def test_ties_end_alike_in_any_order(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    tied = [("ACTIVE", 2.0), ("SUSPENDED", 1.0), ("SUSPENDED", None)]
    orders_of_arrival = list(permutations(tied))
    for turn in range(3):
        arriving = enumerate(order[turn] for order in orders_of_arrival)
        feed.apply(*((key, status, amount, 10, "UPSERT") for key, (status, amount) in arriving))
    assert feed.rows() == {(key, "SUSPENDED", 1.0, 10, None) for key in range(6)}
    assert feed.apply((0, None, None, 10, "DELETE")) == _did(0, 1)
    assert {row[0] for row in feed.rows()} == {1, 2, 3, 4, 5}
    assert feed.apply((0, "SUSPENDED", 1.0, 10, "UPSERT")) == _did(0, 0)


def test_null_keys_and_null_sequences(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((None, "a", 1.0, 1, "UPSERT"), (7, "no sequence", 1.0, None, "UPSERT"))
    feed.apply((None, "b", 1.0, 2, "UPSERT"), (7, "real", 1.0, 1, "UPSERT"))
    rows = {
        (None, "a", 1.0, 1, 2),
        (None, "b", 1.0, 2, None),
        (7, "no sequence", 1.0, None, 1),
        (7, "real", 1.0, 1, None),
    }
    assert feed.rows() == rows
    assert feed.apply((7, "less", 1.0, None, "UPSERT")) == _did(0, 0)
    assert feed.rows() == rows


def test_struct_sequence_resolves_equal_times(orders: MakeOrders) -> None:
    feed = orders(
        SCHEMA,
        scd_type=2,
        sequence_by="struct(amount, seq)",
        column_list=("key", "status"),
    )
    feed.apply((1, "second", 1.0, 2, "UPSERT"))
    feed.apply((1, "first", 1.0, 1, "UPSERT"))
    assert feed.rows() == {(1, "first", (1.0, 1), (1.0, 2)), (1, "second", (1.0, 2), None)}
    assert feed.apply((1, "second", 1.0, 2, "UPSERT")) == _did(0, 0)


def test_rows_put_in_by_hand_are_earliest(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "one", 1.0, 5, "UPSERT"))
    _put_in(feed, "(2, 'hand', 9D, NULL, NULL)", "(3, 'hand', 9D, NULL, NULL)")
    assert feed.apply((2, "event", 1.0, 5, "UPSERT")) == _did(2, 0)
    assert feed.apply((2, "late", 1.0, 4, "UPSERT")) == _did(2, 0)
    assert feed.rows() == {
        (1, "one", 1.0, 5, None),
        (2, "hand", 9.0, None, 4),
        (2, "late", 1.0, 4, 5),
        (2, "event", 1.0, 5, None),
        (3, "hand", 9.0, None, None),
    }


def test_rows_deleted_by_hand_stay_deleted(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (1, "b", 1.0, 2, "UPSERT"), (2, "x", 1.0, 1, "UPSERT"))
    feed.spark.sql(f"DELETE FROM delta.`{feed.target}` WHERE key = 1")
    feed.apply((1, "c", 1.0, 3, "UPSERT"), (2, "y", 1.0, 3, "UPSERT"))
    assert feed.rows() == {(1, "c", 1.0, 3, None), (2, "x", 1.0, 1, 3), (2, "y", 1.0, 3, None)}


def test_row_outside_where_is_refused(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, where="amount > 0", **HISTORY)
    with pytest.raises(FlowError, match=r"orders\.py:7: .*amount > 0.*\{\"key\":8\}"):
        feed.apply((2, "in", 1.0, 1, "UPSERT"), (8, "x", -1.0, 1, "UPSERT"))
    assert feed.commits() == (1, 0)


def test_column_the_target_gained_is_null(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "a", 1.0, 1, "UPSERT"))
    gained = feed.table().withColumn("carrier", F.lit("x")).limit(0)
    gained.write.format("delta").mode("append").option("mergeSchema", "true").save(feed.target)
    feed.apply((1, "a", 1.0, 2, "UPSERT"))
    wide = feed.frame([(1, "a", 1.0, 4, "UPSERT")]).withColumn("carrier", F.lit("DHL"))
    assert feed.apply_frame(wide) == _did(2, 0)
    assert feed.apply((1, "b", 1.0, 3, "UPSERT")) == _did(2, 0)
    assert feed.rows() == {
        (1, "a", 1.0, 1, 3, None),
        (1, "b", 1.0, 3, 4, None),
        (1, "a", 1.0, 4, None, "DHL"),
    }


def test_maps_and_nests_are_tracked(orders: MakeOrders) -> None:
    schema = "key double, seq int, tags map<string,int>, nest struct<a:double>, `odd``.name` string"
    feed = orders(schema, scd_type=2, except_column_list=("seq",))
    nan = float("nan")
    feed.apply((nan, 1, {"x": 1}, (0.5,), "o"), (nan, 2, {"x": 1}, (0.5,), "o"))
    assert feed.table().count() == 1
    assert feed.apply((nan, 3, {"x": 2}, (0.5,), "o")) == _did(2, 0)
    assert feed.apply((nan, 4, {"x": 2}, (0.6,), "o")) == _did(2, 0)
    found = sorted((r["tags"]["x"], r["nest"]["a"], r["__END_AT"]) for r in feed.table().collect())
    assert found == [(1, 0.5, 3), (2, 0.5, 4), (2, 0.6, None)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ("key", "status")}, r"has other keys than before: now \['key', 'status'\]"),
        ({"track_history_column_list": ("status",)}, r"tracks the history of \['amount'\]"),
        ({"scd_type": 1}, "was not made for flow 'orders', which is stored as SCD type 1"),
    ],
)
def test_changed_meaning_needs_full_refresh(
    orders: MakeOrders, change: dict[str, Any], message: str
) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply((1, "a", 1.0, 1, "UPSERT"))
    changed = orders(SCHEMA, **{**HISTORY, **change, "target": "elsewhere"})
    changed.target, changed.auxiliary, changed.next_version = feed.target, feed.auxiliary, 1
    before = feed.commits()
    with pytest.raises(FlowError, match=rf"(?s){message}.*full refresh"):
        changed.apply((1, "b", 1.0, 2, "UPSERT"))
    assert feed.commits() == before


def test_table_of_type_one_is_refused(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, except_column_list=("op", "seq"))
    feed.apply((1, "a", 1.0, 1, "UPSERT"))
    history = orders(SCHEMA, target="history", **HISTORY)
    history.target, history.next_version = feed.target, 1
    with pytest.raises(FlowError, match="stored as SCD type 2"):
        history.apply((1, "b", 1.0, 2, "UPSERT"))
    widened = history.frame([]).select("key", "status", "amount", F.col("seq").alias("__START_AT"))
    widened = widened.withColumn("__END_AT", F.col("__START_AT"))
    widened.write.format("delta").mode("append").option("mergeSchema", "true").save(feed.target)
    with pytest.raises(FlowError, match="was stored as SCD type 1 before"):
        history.apply((1, "b", 1.0, 2, "UPSERT"))


def test_another_engine_reads_the_same_versions(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **HISTORY)
    feed.apply(*((k, "a", 1.0, 1, "UPSERT") for k in range(20)))
    feed.apply(*((k, "b", 2.0, 2, "UPSERT") for k in range(5, 8)), (9, None, None, 2, "DELETE"))
    query = QueryBuilder().register("orders", DeltaTable(feed.target))
    other = query.execute("SELECT * FROM orders").read_all()
    columns = [other.column(name).to_pylist() for name in feed.table().columns]
    assert set(zip(*columns, strict=True)) == feed.rows()
    assert len(feed.rows()) == 23


def _put_in(feed: Orders, *rows: str) -> None:
    feed.spark.sql(f"INSERT INTO delta.`{feed.target}` VALUES {', '.join(rows)}")


def _did(upserted: int, deleted: int) -> CdcMetrics:
    return CdcMetrics(num_upserted_rows=upserted, num_deleted_rows=deleted)
