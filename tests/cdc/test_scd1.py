"""SCD type 1 as documented and as measured on real workspaces."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import Observation
from pyspark.sql import functions as F

from dlt_stub.cdc import CdcMetrics
from dlt_stub.errors import FlowError
from tests.cdc.conftest import MakeOrders
from tests.cdc.model import SCHEMA

USERS = "userId int, name string, city string, operation string, sequenceNum int"
GOLDEN = [
    (124, "Raul", "Oaxaca", "INSERT", 1),
    (123, "Isabel", "Monterrey", "INSERT", 1),
    (125, "Mercedes", "Tijuana", "INSERT", 2),
    (126, "Lily", "Cancun", "INSERT", 2),
    (123, None, None, "DELETE", 6),
    (125, "Mercedes", "Guadalajara", "UPDATE", 6),
    (125, "Mercedes", "Mexicali", "UPDATE", 5),
    (123, "Isabel", "Chihuahua", "UPDATE", 5),
]
GOLDEN_RESULT = {
    (124, "Raul", "Oaxaca"),
    (125, "Mercedes", "Guadalajara"),
    (126, "Lily", "Cancun"),
}
DELETES: dict[str, Any] = {
    "apply_as_deletes": "op = 'DELETE'",
    "except_column_list": ("op",),
}


def test_docs_example_gives_documented_rows(orders: MakeOrders) -> None:
    users = orders(
        USERS,
        keys=("userId",),
        sequence_by="sequenceNum",
        apply_as_deletes="operation = 'DELETE'",
        except_column_list=("operation", "sequenceNum"),
    )
    for start in range(0, len(GOLDEN), 3):  # in one: tests/conformance/cdc/golden_scd_table
        users.apply(*GOLDEN[start : start + 3])
    assert users.rows() == GOLDEN_RESULT
    assert users.table().columns == ["userId", "name", "city"]


def test_late_row_never_resurrects_deleted(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    assert feed.apply((1, "ACTIVE", 1.0, 17, "UPSERT")) == _did(1, 0)
    assert feed.apply((1, None, None, 20, "DELETE")) == _did(0, 1)
    before = feed.commits()
    assert feed.apply((1, "SUSPENDED", 1.0, 18, "UPSERT")) == _did(0, 0)
    assert feed.rows() == set()
    assert feed.commits() == before
    assert feed.apply((1, "BACK", 1.0, 21, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "BACK", 1.0, 21)}


def test_delete_of_unknown_key_counts_nothing(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    assert feed.apply((1, None, None, 5, "DELETE")) == _did(0, 0)
    assert feed.apply((1, "late", 1.0, 4, "UPSERT"), (2, "new", 1.0, 4, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(2, "new", 1.0, 4)}


def test_ties_end_alike_in_any_order(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    tied = [("ACTIVE", 2.0), ("SUSPENDED", 1.0), ("SUSPENDED", None)]
    orders_of_arrival = list(permutations(tied))
    for turn in range(3):
        arriving = enumerate(order[turn] for order in orders_of_arrival)
        feed.apply(*((key, status, amount, 10, "UPSERT") for key, (status, amount) in arriving))
    assert feed.rows() == {(key, "SUSPENDED", 1.0, 10) for key in range(6)}
    feed.apply((0, None, None, 10, "DELETE"))
    assert (0, "SUSPENDED", 1.0, 10) not in feed.rows()
    assert feed.apply((0, "SUSPENDED", 1.0, 10, "UPSERT")) == _did(0, 0)


def test_replayed_changes_commit_nothing(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    rows = [(k, f"s{k}", 1.0, 3, "DELETE" if k == 2 else "UPSERT") for k in range(4)]
    feed.apply(*rows)
    before = feed.commits()
    assert feed.apply(*rows) == _did(0, 0)
    assert feed.commits() == before


def test_batch_without_rows_commits_nothing(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    assert feed.apply_frame(feed.frame([(1, "s", 1.0, 1, "UPSERT")]).where("false")) == _did(0, 0)
    assert feed.commits() == (1, 0)


def test_null_keys_and_null_sequences(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    feed.apply((None, "a", 1.0, 1, "UPSERT"), (7, "no sequence", 1.0, None, "UPSERT"))
    assert feed.rows() == {(None, "a", 1.0, 1), (7, "no sequence", 1.0, None)}
    feed.apply((None, "b", 1.0, 2, "UPSERT"), (7, "real", 1.0, 1, "UPSERT"))
    assert feed.apply((7, "zzz", 1.0, None, "UPSERT")) == _did(0, 0)
    assert feed.rows() == {(None, "b", 1.0, 2), (7, "real", 1.0, 1)}


def test_struct_sequence_resolves_equal_times(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **{**DELETES, "sequence_by": "struct(amount, seq)"})
    feed.apply((1, "second", 1.0, 2, "UPSERT"))
    feed.apply((1, "first", 1.0, 1, "UPSERT"))
    feed.apply((1, "third", 2.0, None, "UPSERT"), (2, None, 9.0, 1, "DELETE"))
    feed.apply((2, "late", 8.0, 5, "UPSERT"))
    assert feed.rows() == {(1, "third", 2.0, None)}


def test_sequence_left_out_is_remembered(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **{**DELETES, "except_column_list": ("op", "seq")})
    feed.apply((1, "new", 1.0, 12, "UPSERT"))
    before = feed.commits()
    assert feed.apply((1, "zzz late", 1.0, 10, "UPSERT")) == _did(0, 0)
    assert feed.commits() == before
    assert feed.apply((1, "newer", 1.0, 12, "UPSERT")) == _did(1, 0)  # a tie, and greater
    assert feed.rows() == {(1, "newer", 1.0)}


def test_rows_put_in_by_hand_are_earliest(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **{**DELETES, "except_column_list": ("op", "seq")})
    feed.apply((1, "one", 1.0, 5, "UPSERT"))
    hand = feed.spark.createDataFrame([(2, "zzz", 9.0)], "key int, status string, amount double")
    hand.write.format("delta").mode("append").save(feed.target)
    assert feed.apply((2, "event", 1.0, None, "UPSERT")) == _did(1, 0)
    assert feed.rows() == {(1, "one", 1.0), (2, "event", 1.0)}


def test_row_outside_where_is_refused(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, where="amount > 0", **DELETES)
    feed.apply((1, "in", 1.0, 1, "UPSERT"))
    before = feed.commits()
    match = r"orders\.py:7: .*amount > 0.*2 keys.*\{\"key\":8\}"
    with pytest.raises(FlowError, match=match):
        feed.apply((2, "in", 1.0, 1, "UPSERT"), (8, "x", -1.0, 1, "UPSERT"), (9, "x", None, 1, "U"))
    assert feed.commits() == before


def test_batch_is_evaluated_exactly_once(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (2, "b", 1.0, 1, "UPSERT"))
    rows = [(1, "b", 1.0, 2, "UPSERT"), (2, None, None, 2, "DELETE"), (3, "c", 1.0, 1, "UPSERT")]
    counted = feed.spark.sparkContext.accumulator(0)
    seen = Observation("rows")

    def count(key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Spark reads hints
        counted.add(1)
        return key

    batch = feed.frame(rows).withColumn("key", F.udf(count, "int")("key"))
    assert feed.apply_frame(batch.observe(seen, F.count(F.lit(1)).alias("n"))) == _did(2, 1)
    assert seen.get == {"n": 3}
    assert counted.value == 3
    assert feed.rows() == {(1, "b", 1.0, 2), (3, "c", 1.0, 1)}


def test_column_the_target_gained_is_null(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    feed.apply((1, "b", 1.0, 1, "UPSERT"))
    gained = feed.table().withColumn("carrier", F.lit("x")).limit(0)
    gained.write.format("delta").mode("append").option("mergeSchema", "true").save(feed.target)
    feed.apply((1, "a", 1.0, 1, "UPSERT"), (2, "c", 1.0, 1, "UPSERT"))
    wide = feed.frame([(1, "b", 1.0, 1, "UPSERT")]).withColumn("carrier", F.lit("DHL"))
    assert feed.apply_frame(wide) == _did(1, 0)
    assert feed.rows() == {(1, "b", 1.0, 1, "DHL"), (2, "c", 1.0, 1, None)}
    assert feed.apply((2, "c", 1.0, 1, "UPSERT")) == _did(0, 0)


def test_column_the_target_lacks_is_refused(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    wide = feed.frame([(1, "b", 1.0, 1, "UPSERT")]).withColumn("carrier", F.lit("DHL"))
    with pytest.raises(FlowError, match=r"lacks columns \['carrier'\]"):
        feed.apply_frame(wide)


def test_maps_nests_and_nan_have_an_order(orders: MakeOrders) -> None:
    schema = "key double, seq timestamp, tags map<string,int>, nest struct<a:double,b:timestamp>"
    feed = orders(schema)
    at = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    later = datetime(2026, 1, 1, 0, 0, 0, 2, tzinfo=UTC)
    nan = float("nan")
    one, two = (nan, at, {"x": 1}, (0.5, at)), (nan, at, {"x": 1}, (0.5, later))
    feed.apply(two)
    assert feed.apply(one) == _did(0, 0)
    assert feed.apply((nan, at, {"x": 2}, None)) == _did(1, 0)
    assert feed.apply(two) == _did(0, 0)
    (row,) = feed.table().collect()
    assert (row["tags"], row["nest"]) == ({"x": 2}, None)


def test_nested_rows_are_fitted_by_name(orders: MakeOrders) -> None:
    feed = orders(
        "key int, seq int, lines array<struct<sku:string,qty:int>>, at struct<a:int,b:int>"
    )
    old = feed.spark.sql(
        "select 1 key, 1 seq, array(named_struct('qty', 2)) lines, struct(5 as b) at"
    )
    feed.apply_frame(old)
    (row,) = feed.table().collect()
    assert row["lines"] == [(None, 2)]
    assert row["at"] == (None, 5)


def test_names_with_odd_characters_work(orders: MakeOrders) -> None:
    feed = orders("`Order.Id` int, `a``b` string, Seq int", keys=("order.id",), sequence_by="`SEQ`")
    feed.apply((1, "x", 1))
    feed.apply((1, "y", 2), (1, "z", 1))
    assert feed.rows() == {(1, "y", 2)}
    assert feed.commits()[1] == 0


def test_another_engine_reads_the_same_rows(orders: MakeOrders) -> None:
    feed = orders(SCHEMA, **DELETES)
    feed.apply(*((k, "a", 1.0, 1, "UPSERT") for k in range(20)))
    feed.apply(*((k, "b", 2.0, 2, "UPSERT") for k in range(5, 8)), (9, None, None, 2, "DELETE"))
    feed.apply((30, "c", 1.0, 1, "UPSERT"), (6, "c", 1.0, 3, "UPSERT"), (7, "late", 1.0, 1, "U"))
    query = QueryBuilder().register("orders", DeltaTable(feed.target))
    other = query.execute("SELECT * FROM orders").read_all()
    columns = [other.column(name).to_pylist() for name in feed.table().columns]
    assert set(zip(*columns, strict=True)) == feed.rows()
    assert len(feed.rows()) == 20


def _did(upserted: int, deleted: int) -> CdcMetrics:
    return CdcMetrics(num_upserted_rows=upserted, num_deleted_rows=deleted)
