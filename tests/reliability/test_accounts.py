"""The accounts of a shop balance after every kind of day, and every tampering is named."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner, Result

from dlt_stub.cli.main import app
from dlt_stub.cloud_files import CloudFilesState, FileEntry
from dlt_stub.locks import exclusive
from tests.pipelines.shop import ROOT, Shop

HEADER = "order_id,updated_at,status,operation\n"
NAMES = ("a.csv", "b.csv", "c.csv", "d.csv", "e.csv", "f.csv", "g.csv", "h.csv", "i.csv")


def rows(name: str, hour: int = 10) -> str:
    """Return two good rows and one without a key."""
    at = f"2026-02-01T{hour}:00:00Z"
    return HEADER + "".join(
        f"{key},{at},PAID,UPDATE\n" for key in (f"{name[0]}1", f"{name[0]}2", "")
    )


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two runs with every kind of file, a full refresh of the target, and what came after."""
    shop = Shop(tmp_path_factory.mktemp("accounts"), spark)
    for name in NAMES:
        shop.put(name, rows(name))
    shop.put("below/a.csv", rows("z"))
    shop.put("empty.csv", "")
    shop.put("header.csv", HEADER)
    shop.run_green()
    shop.put("a.csv", HEADER + "a1,2026-02-01T12:00:00Z,PAID,DELETE\n")
    shop.put("again.csv", rows("b"))  # rows that were there before
    shop.run_green()
    shop.workspace.pipeline("orders").update(full_refresh_selection=["orders_target"])
    shop.put("new.csv", rows("n"))
    return shop


def reconcile(shop: Shop, *words: str) -> Result:
    place = ("--bundle", str(ROOT), "--storage", str(shop.workspace.storage))
    return CliRunner().invoke(app, ["reconcile", *words, *place], catch_exceptions=False)


def lines(done: Result, kind: str) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [record[kind] for record in records if kind in record]


def test_every_kind_of_file_balances(shop: Shop) -> None:
    done = reconcile(shop, "orders")
    assert done.exit_code == 0, done.output
    (last,) = [line for line in done.stdout.splitlines() if line.startswith("15 deliveries")]
    assert last == (
        "15 deliveries: 37 rows in files, 34 read, 23 accepted, 11 quarantined, 0 rescued: "
        "all balances"
    )
    assert "new.csv" in done.stdout
    assert "still in the source, not read yet" in done.stdout
    today = f"{datetime.now(UTC):%Y/%m/%d}"
    place = f"/Volumes/incremental_load/dev_local_default/orders_data/archive/{today}/b.csv"
    assert place in done.stdout


def test_machines_get_one_file_without_opening_it(shop: Shop) -> None:
    done = reconcile(shop, "--json", "--file", "a.csv", "--since", "7d", "--no-recount")
    assert done.exit_code == 0, done.output
    found = [
        (each["file"], each["rows_in_file"], each["rows"], each["accepted"], each["quarantined"])
        for each in lines(done, "delivery")
    ]
    assert found == [("a.csv", 3, 3, 2, 1), ("below/a.csv", 3, 3, 2, 1), ("a.csv", 1, 1, 1, 0)]
    (totals,) = lines(done, "totals")
    assert totals["balances"] is True
    assert totals["deliveries"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ordres",), "did you mean 'orders'?"),
        (("orders", "--since", "soon"), "'soon' is no time"),
        (("orders", "--file", "heder.csv"), "did you mean 'header.csv'?"),
    ],
)
def test_wrong_words_are_usage(shop: Shop, words: tuple[str, ...], said: str) -> None:
    done = reconcile(shop, *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_running_update_is_waited_for(shop: Shop) -> None:
    lock = shop.workspace.workspace.pipeline("orders").place.lock
    with exclusive(lock, what="update of pipeline orders"):
        done = reconcile(shop, "orders")
    assert done.exit_code == 1
    assert "update of pipeline orders runs in process" in done.stderr


def archived(shop: Shop, name: str) -> Path:
    return next(file for file in shop.archive_listing() if file.name == name)


def change(shop: Shop, table: str, statement: str) -> None:
    shop.workspace.workspace.spark.sql(statement.format(f"delta.`{shop.folder(table)}`"))


def test_every_tampering_is_named(shop: Shop) -> None:
    """Each file is spoilt in its own way; one look names them all."""
    change(shop, "orders_stage", "DELETE FROM {} WHERE order_id = 'b1' AND source_file LIKE '%/b%'")
    held = "SELECT * FROM {0} WHERE source_file LIKE '%/c.csv'"
    change(shop, "orders_quarantine", "INSERT INTO {0} " + held)
    change(shop, "orders_quarantine", "DELETE FROM {} WHERE source_file LIKE '%/d.csv'")
    archived(shop, "e.csv").unlink()
    spoilt = archived(shop, "f.csv")
    was = spoilt.stat()
    spoilt.write_text(rows("f").replace("PAID", "PIAD"), encoding="utf-8")
    os.utime(spoilt, ns=(was.st_atime_ns, was.st_mtime_ns))
    copied = archived(shop, "g.csv")
    copied.with_name("copy.csv").write_bytes(copied.read_bytes())
    change(shop, "orders_target", "DELETE FROM {} WHERE order_id = 'h2'")
    stage = "SELECT * FROM {0} WHERE source_file LIKE '%/i.csv'"
    change(shop, "orders_stage", "INSERT INTO {0} " + stage)
    place = shop.workspace.workspace.pipeline("orders").place
    state = CloudFilesState(place.flow("orders_stage", "orders_stage") / "source")
    ghost = FileEntry(path=str(shop.source / "ghost.csv"), size=5, modified_ms=1_770_000_000_000)
    state.assign([(("order_id",), [ghost])])
    state.commit(state.pending[0], {})
    done = reconcile(shop, "orders", "--json")
    assert done.exit_code == 1
    assert sorted((each["kind"], each["file"]) for each in lines(done, "imbalance")) == [
        ("archived_twice", "g.csv"),
        ("changed_in_archive", "f.csv"),
        ("gone", "e.csv"),
        ("gone", "ghost.csv"),
        ("in_both", "b.csv"),
        ("in_both", "c.csv"),
        ("in_neither", "d.csv"),
        ("in_neither", "i.csv"),
        ("keys_missing", "d.csv"),
        ("keys_missing", "h.csv"),
        ("keys_missing", "i.csv"),
        ("rows_missing", "b.csv"),
        ("rows_twice", "i.csv"),
    ]
    told = reconcile(shop, "orders", "--file", "[be].csv")
    assert told.exit_code == 1
    assert "rows_missing b.csv: 1 of its 3 rows missing in orders_stage" in told.stdout
    assert "gone e.csv: the ledger has it, but its file is nowhere" in told.stdout
    assert "3 things do not balance" in told.stdout
