"""A chain of kills in one workspace: each process makes good the last kill and dies at the next.

What is left in the end is compared with a workspace that got the same files and was left alone.
"""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from tests.pipelines.shop import JOB, ROOT, Shop, query, transactions

STAGE, HELD, TARGET = "orders_stage", "orders_quarantine", "orders_target"
RECORD = "order_reconciliation"
AUXILIARY = "__dlt_cdc_orders_target"
FILE_NAME = "split_part(source_file, '/', -1) AS file"
RESCUED = """regexp_replace(_rescued_data, '"_file_path":"[^"]*/', '"_file_path":"')"""
OF_STAGE = (
    "* EXCLUDE (source_file, source_file_modified_at)"
    f" REPLACE ({RESCUED} AS _rescued_data), {FILE_NAME}"
)
COMPARED = {
    STAGE: OF_STAGE,
    HELD: OF_STAGE,
    TARGET: "*",
    "order_files": "file, rows, quarantined, newest_change_at",
    RECORD: "file, source_file_size, rows_in_file, rows_read, accepted, quarantined, sha256",
}
NEW_COLUMN = "gift_note"
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:-UseParallelGC -XX:+UseSerialGC"  # for one small run
COLUMNS = (
    "order_id,customer_id,order_timestamp,status,carrier,tracking_number,quantity,amount,currency,"
    "ship_country,updated_at,operation"
)

HasCrashed = Callable[["Remains"], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A point to die at, and what shows that the process died there and nowhere else."""

    point: str
    has_crashed_there: HasCrashed
    files: int = 1
    has_new_column: bool = False


class Remains:
    """What a killed process left on disk, read without running anything of ours."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.storage = shop.workspace.storage

    def ledger(self) -> dict[str, set[int]]:
        """Return the batch numbers of each kind of entry; ``start`` has none."""
        found: dict[str, set[int]] = {"start": set(), "assign": set(), "commit": set()}
        for segment in self.storage.rglob("ledger/*.jsonl"):
            for line in segment.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                found[entry["kind"]].add(entry.get("batch", -1))
        return found

    def open_batches(self) -> set[int]:
        """Return the batches that have files and are not committed."""
        ledger = self.ledger()
        return ledger["assign"] - ledger["commit"]

    def last_batch(self, table: str) -> int:
        """Return the highest batch number that a table's own log has."""
        folder = self.shop.folder(table)
        return max((version for _, version in transactions(folder)), default=-1)

    def checkpointed(self, table: str) -> int:
        """Return the highest batch number that Spark's checkpoint of a flow has."""
        commits = self.storage.glob(f"**/flows/*{table}*/*/checkpoint*/commits/[0-9]*")
        return max((int(file.name) for file in commits), default=-1)

    def untold(self, table: str) -> dict[int, str]:
        """Return what is kept for telling, of flows into a table: batch number and event id."""
        files = self.storage.glob(f"**/flows/*{table}*/*/untold*/*.json")
        return {
            int(file.stem): json.loads(file.read_bytes())["event_id"]
            for file in files
            if file.stem.isdecimal()
        }

    def is_told(self, event_id: str) -> bool:
        """Return whether a readable segment of the event log has the event."""
        segments = self.storage.glob("**/event_log/*.json")
        return any(event_id in segment.read_text(encoding="utf-8") for segment in segments)

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table that is there."""
        return list(self.shop.read(table).column_names)

    def drafts_of_events(self) -> list[int]:
        """Return how many names each draft of event segments has."""
        return [f.stat().st_nlink for f in self.storage.glob("**/event_log/.*.partial")]

    def archived_links(self) -> list[int]:
        """Return how many names each archived file has, those on their way included."""
        return [file.stat().st_nlink for file in self.shop.archive_listing()]

    def notes(self) -> set[str]:
        """Return the files that notes of the archive task name."""
        notes = self.shop.archived.glob(".records/*.json")
        return {each["path"] for note in notes for each in json.loads(note.read_bytes())}

    def on_their_way(self) -> list[Path]:
        """Return the files in the archive task's own folder."""
        files = self.shop.archived.glob(".archiving/**/*")
        return [f for f in files if f.is_file() and not f.name.startswith(".at-work-")]


class Left:
    """What a shop has after its runs, without what differs from run to run."""

    def __init__(self, shop: Shop) -> None:
        self.tables = {name: shop.rows(name, columns) for name, columns in COMPARED.items()}
        self.remembered = query(
            # Which batch brought an entry differs, and so does what is left of a key that was
            # deleted and came back: what counts is the last entry of each key that is gone.
            'SELECT "__dlt_key_0", max("__dlt_sequence") FROM t'
            ' ANTI JOIN target ON "__dlt_key_0" = order_id GROUP BY ALL ORDER BY ALL',
            target=shop.read(TARGET),
            t=shop.read(AUXILIARY),
        )
        self.rule_counts = query(
            "SELECT rule, sum(passed), sum(failed) FROM t GROUP BY rule ORDER BY rule",
            t=shop.read("order_quality"),
        )
        self.events = rule_counts_in_events(shop)
        self.output_rows = output_rows_in_events(shop)
        self.ledger = ledger(shop)
        self.archive = Counter((f.name, text) for f, text in shop.archive_listing().items())
        self.source = shop.source_listing()


def progress_bodies(shop: Shop) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield flow and body of every event of a flow, as the pipeline's event log has them."""
    for event in shop.workspace.pipeline("orders").pipeline.event_records():
        if event.event_type == "flow_progress":
            yield event.origin["flow_name"], dict(event.body)


def rule_counts_in_events(shop: Shop) -> dict[str, tuple[int, int]]:
    """Return how often the event log says that each rule was met and not met."""
    found: Counter[tuple[str, str]] = Counter()
    rules = set()
    for _, body in progress_bodies(shop):
        for each in body.get("data_quality", {}).get("expectations", ()):
            rules.add(each["name"])
            found[each["name"], "passed"] += each["passed_records"]
            found[each["name"], "failed"] += each["failed_records"]
    return {rule: (found[rule, "passed"], found[rule, "failed"]) for rule in rules}


def output_rows_in_events(shop: Shop) -> dict[str, int]:
    """Return how many rows the event log says were written into the tables that only grow."""
    found: Counter[str] = Counter()
    for flow, body in progress_bodies(shop):
        found[flow] += body.get("metrics", {}).get("num_output_rows", 0)
    return {table: found[table] for table in (STAGE, HELD)}


def ledger(shop: Shop) -> list[tuple[Any, ...]]:
    """Return file, size and whether it is committed, as ``cloud_files_state`` says."""
    rows = shop.workspace.sql(
        "SELECT path, size, commit_time IS NOT NULL FROM cloud_files_state(TABLE(orders_stage))"
    ).collect()
    return sorted((Path(path).name, *more) for path, *more in rows)


def land(shop: Shop, number: int, *, has_new_column: bool = False) -> None:
    """Deliver a small file: a new order, changes of earlier ones, rows to be quarantined."""

    def row(order: str, second: int, amount: str = "9.90", operation: str = "UPDATE") -> str:
        at = f"2026-01-05T10:{number:02d}:{second:02d}Z"
        start = f"{order},C1,2026-01-01T00:00:00Z,PAID,DHL,T{number}.{second}"
        note = f",note {number}" if has_new_column else ""
        return f"{start},1,{amount},EUR,DE,{at},{operation}{note}"

    rows = [row(f"O{number}", 1), row(f"O{number // 2}", 2), row("", 3), row("X", 4, "n/a")]
    if number:  # a killed batch keeps the files it was planned with: each has to have a delete
        rows.append(row(f"O{number - 1}", 5, operation="DELETE"))
    header = f"{COLUMNS},{NEW_COLUMN}" if has_new_column else COLUMNS
    shop.put(f"orders {number:02d}.csv", "\n".join([header, *rows, ""]))
    if number % 4 == 0:
        shop.put(f"none {number:02d}.csv", f"{header}\n")


def kill_at(point: str, shop: Shop) -> None:
    """Run the job in a process of its own that is killed, with its JVM, at ``point``."""
    die("tests.reliability.crash_worker", str(shop.workspace.storage), point)


def die(module: str, *arguments: str) -> None:
    """Run a module in a process group of its own, which must be killed before it ends."""
    # Its standard output ends when everything that could write to it has ended.
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "DLT_STUB_JAVA_OPTIONS": QUICK_JAVA},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
        start_new_session=True,
    )
    said = ended.stdout.decode(errors="replace")
    assert ended.returncode == -signal.SIGKILL, f"{arguments} was not reached:\n{said[-3000:]}"


def check_chain(steps: Sequence[Step], spark: SparkSession, folder: Path) -> None:
    """Return if a workspace that was killed at every step ends as one that was left alone."""
    killed = Shop(folder / "killed", spark)
    has_new_column, elsewhere = False, []
    for number, step in enumerate(steps):
        has_new_column = has_new_column or step.has_new_column
        land(killed, number, has_new_column=has_new_column)
        kill_at(step.point, killed)
        if not step.has_crashed_there(Remains(killed)):
            elsewhere.append(step.point)
    assert elsewhere == [], elsewhere
    killed.run_green()
    assert_same(killed, undisturbed(steps, spark, folder / "undisturbed"))


def undisturbed(steps: Sequence[Step], spark: SparkSession, folder: Path) -> Shop:
    """Return a shop that got the same files in three runs, of which none was disturbed."""
    shop = Shop(folder, spark)
    first_new = next((n for n, step in enumerate(steps) if step.has_new_column), len(steps))
    for numbers in (range(1), range(1, first_new), range(first_new, len(steps))):
        for number in numbers:
            land(shop, number, has_new_column=number >= first_new)
        if numbers:
            shop.run_green()
    return shop


def assert_same(killed: Shop, other: Shop) -> None:
    """Return if both shops have the same tables, ledgers, archives and counts, and no litter."""
    left, expected = Left(killed), Left(other)
    for name, rows in expected.tables.items():
        assert left.tables[name] == rows, name
    assert left.remembered == expected.remembered
    assert left.ledger == expected.ledger
    assert left.archive == expected.archive
    assert left.archive == Counter((d.name, d.content) for d in killed.deliveries)
    assert left.source == expected.source == []
    assert left.rule_counts == expected.rule_counts
    assert left.events == expected.events
    assert {rule: (p, f) for rule, p, f in left.rule_counts} == left.events
    assert left.output_rows == expected.output_rows
    assert left.output_rows == {t: len(left.tables[t]) for t in (STAGE, HELD)}
    remains = Remains(killed)
    assert not remains.open_batches()
    assert not list(killed.workspace.storage.glob("**/untold*/*.json"))
    assert not remains.on_their_way()
    assert not remains.notes()
    runs = killed.workspace.workspace.runs(JOB)
    assert all(run.state.is_over for run in runs)
    # The last run, and those that were killed once the job's tasks were over, did not fail.
    assert str(runs[0].state.result).endswith("SUCCESS")
