"""The same changes give the same table, however they are ordered, doubled and cut."""

from typing import Any

import pytest

from tests.cdc.conftest import MakeOrders
from tests.cdc.model import SCHEMA, cut_into_batches, final_rows, random_changes, versions

COUNT = 40
SHAPES: dict[str, dict[str, Any]] = {
    "sequence stored": {"except_column_list": ("op",)},
    "sequence hidden": {"column_list": ("key", "status", "amount")},
    "sequence computed": {"except_column_list": ("op",), "sequence_by": "struct(seq, 1)"},
}


@pytest.mark.parametrize(("seed", "shape"), list(enumerate(SHAPES, start=1)))
def test_any_batching_gives_the_same_table(orders: MakeOrders, seed: int, shape: str) -> None:
    changes = random_changes(seed, COUNT)
    feed = orders(SCHEMA, apply_as_deletes="op = 'DELETE'", **SHAPES[shape])
    upserted = deleted = 0
    for batch in cut_into_batches(changes, seed):
        done = feed.apply(*batch)
        assert done is not None
        upserted += done.num_upserted_rows
        deleted += done.num_deleted_rows
    found = {(r["key"], r["status"], r["amount"]) for r in feed.table().collect()}
    assert found == final_rows(changes), f"seed {seed}"
    assert upserted - deleted >= len(found)


@pytest.mark.parametrize(
    ("seed", "tracked"), [(11, ("status", "amount")), (12, ("status",)), (13, ())]
)
def test_any_batching_gives_the_same_history(
    orders: MakeOrders, seed: int, tracked: tuple[str, ...]
) -> None:
    changes = random_changes(seed, COUNT)
    feed = orders(
        SCHEMA,
        scd_type=2,
        apply_as_deletes="op = 'DELETE'",
        column_list=("key", "status", "amount"),
        track_history_column_list=None if len(tracked) == 2 else tracked,
    )
    for batch in cut_into_batches(changes, seed):
        feed.apply(*batch)
    assert feed.rows() == versions(changes, tracked), f"seed {seed}"


@pytest.mark.parametrize(
    ("seed", "filled", "arguments"),
    [
        (21, ("status", "amount"), {"ignore_null_updates": True}),
        (22, ("amount",), {"ignore_null_updates_column_list": ("amount",)}),
        (23, (), {"apply_as_truncates": "op = 'TRUNCATE'"}),
        (
            24,
            ("status",),
            {
                "apply_as_truncates": "op = 'TRUNCATE'",
                "ignore_null_updates_except_column_list": ("amount", "key"),
            },
        ),
    ],
)
def test_any_batching_gives_the_same_replay(
    orders: MakeOrders, seed: int, filled: tuple[str, ...], arguments: dict[str, Any]
) -> None:
    ops = ("UPSERT",) * 8 + ("DELETE",) + ("TRUNCATE",) * ("apply_as_truncates" in arguments)
    changes = random_changes(seed, COUNT, ops)
    feed = orders(
        SCHEMA,
        apply_as_deletes="op = 'DELETE'",
        column_list=("key", "status", "amount"),
        **arguments,
    )
    for batch in cut_into_batches(changes, seed):
        feed.apply(*batch)
    last = {row[:3] for row in versions(changes, (), filled) if row[4] is None}
    assert feed.rows() == last, f"seed {seed}"


def test_any_batching_gives_the_same_sparse_history(orders: MakeOrders) -> None:
    changes = random_changes(31, COUNT)
    feed = orders(
        SCHEMA,
        scd_type=2,
        apply_as_deletes="op = 'DELETE'",
        column_list=("key", "status", "amount"),
        ignore_null_updates=True,
    )
    for batch in cut_into_batches(changes, 31):
        feed.apply(*batch)
    assert feed.rows() == versions(changes, filled=("status", "amount"))
