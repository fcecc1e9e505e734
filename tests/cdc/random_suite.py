"""One stream of changes per seed, dealt in several ways: the tables must be the model's.

``python -m tests.cdc.random_suite 200`` runs that many seeds. Every way of dealing has keys of its
own within one target, so a batch holds all seeds at once; NULL keys and truncates are shared.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.engine.session import start_session
from dlt_stub.errors import Origin
from tests.cdc.conftest import Orders
from tests.cdc.model import SCHEMA, Change, random_changes, versions

COUNT = 40
BATCHES = 4
LAST_TRUNCATE = 4  # of sequences up to 8: some rows must stay
DEALINGS = 3
SEEDS_AT_ONCE = 100
HIDDEN: dict[str, Any] = {"column_list": ("key", "status", "amount")}
TRUNCATES: dict[str, Any] = {"apply_as_truncates": "op = 'TRUNCATE'"}
SHAPES: dict[str, dict[str, Any]] = {
    "type 1, sequence in the target": {"except_column_list": ("op",)},
    "type 1, sequence computed": {"sequence_by": "struct(seq, 1)", **HIDDEN},
    "type 1, truncates and ignored NULLs": {
        "ignore_null_updates_column_list": ("status",),
        **TRUNCATES,
        **HIDDEN,
    },
    "type 2": {"scd_type": 2, **HIDDEN},
    "type 2, one column tracked, ignored NULLs": {
        "scd_type": 2,
        "track_history_column_list": ("status",),
        "ignore_null_updates_except_column_list": ("key", "status"),
        **HIDDEN,
    },
}


def check_seeds(spark: SparkSession, folder: Path, seeds: list[int], shape: str) -> None:
    """Return if a target of ``shape`` is the model's once the changes of all seeds are applied.

    Raises:
        AssertionError: it is not; the difference names the keys, which say the seed.
    """
    arguments = SHAPES[shape]
    flow = AutoCdcFlow(
        name="orders",
        target="orders",
        source="changes",
        keys=("key",),
        **{"sequence_by": "seq", "apply_as_deletes": "op = 'DELETE'", **arguments},
        origin=Origin(path="orders.py", line=7),
    )
    batches = deal(seeds, has_truncates="apply_as_truncates" in arguments)
    feed = Orders(spark, folder, SCHEMA, flow)
    for batch in batches:
        assert feed.apply(*batch) is not None
    found = feed.table().drop("seq")
    rows = {tuple(row) for row in found.collect()}
    expected = expected_rows([change for batch in batches for change in batch], arguments)
    assert sorted(rows - expected, key=repr) == [], f"{shape}: rows the model lacks"
    assert sorted(expected - rows, key=repr) == [], f"{shape}: rows the target lacks"
    assert found.count() == len(rows)


def expected_rows(changes: list[Change], arguments: dict[str, Any]) -> set[tuple[object, ...]]:
    """Return what the model makes of ``changes``."""
    ignored = arguments.get("ignore_null_updates_column_list")
    if "ignore_null_updates_except_column_list" in arguments:
        ignored = ("amount",)
    tracked = arguments.get("track_history_column_list", ("status", "amount"))
    if arguments.get("scd_type") == 2:
        return versions(changes, tracked, ignored or ())
    return {row[:3] for row in versions(changes, (), ignored or ()) if row[4] is None}


def deal(seeds: list[int], *, has_truncates: bool) -> list[list[Change]]:
    """Return batches that hold every seed's changes in order, shuffled and doubled, and late."""
    ops = ("UPSERT",) * 6 + ("DELETE",) * 2 + ("TRUNCATE",) * has_truncates
    batches: list[list[Change]] = [[] for _ in range(BATCHES)]
    for place, seed in enumerate(seeds):
        changes = [c for c in random_changes(seed, COUNT, ops) if not _is_too_late(c)]
        for dealing in range(DEALINGS):
            own = [_with_key(change, place * DEALINGS + dealing) for change in changes]
            for batch, part in zip(batches, _dealt(own, dealing, seed), strict=True):
                batch.extend(part)
    return batches


def _dealt(changes: list[Change], dealing: int, seed: int) -> list[list[Change]]:
    dice = random.Random(seed)
    if dealing == 0:  # in order of sequence, in even parts
        changes = sorted(changes, key=lambda c: (c.seq is not None, c.seq or 0))
        cuts = [len(changes) * n // BATCHES for n in range(1, BATCHES)]
    else:  # shuffled; the second time some come twice
        if dealing > 1:
            changes = [*changes, *dice.sample(changes, len(changes) // 4)]
        dice.shuffle(changes)
        cuts = sorted(dice.randint(0, len(changes)) for _ in range(BATCHES - 1))
    ends = [*cuts, len(changes)]
    return [changes[start:end] for start, end in zip([0, *cuts], ends, strict=True)]


def _with_key(change: Change, place: int) -> Change:
    return change if change.key is None else change._replace(key=place * 10 + change.key)


def _is_too_late(change: Change) -> bool:
    return change.op == "TRUNCATE" and (change.seq or 0) > LAST_TRUNCATE


def main() -> int:
    """Run the seeds asked for and say how many there were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=200)
    count = parser.parse_args().seeds
    spark = start_session()
    try:
        for first in range(0, count, SEEDS_AT_ONCE):
            seeds = list(range(first, min(first + SEEDS_AT_ONCE, count)))
            for shape in SHAPES:
                with tempfile.TemporaryDirectory() as folder:
                    check_seeds(spark, Path(folder), seeds, shape)
                sys.stdout.write(f"seeds {seeds[0]} to {seeds[-1]}: {shape}: equal\n")
                sys.stdout.flush()
    finally:
        spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
