"""Kills the bundle's job at random moments, again and again, and counts what is lost or doubled.

    python -m benchmarks.chaos [--rounds 100] [--seed 7] [--storage DIR] [--keep]

Each round lands a few small files (new orders, updates, deletes, rows to be quarantined, files
without rows, now and then a new column, now and then a file under a name that was used before),
starts a process that runs the job, and kills it with its JVM by SIGKILL at a moment drawn from the
time a whole run takes, from the start of the JVM on. The next round's run has to make good what was
left. Every ten rounds a run is left alone, and everything is compared with a model in plain Python:

- every delivered content is once in the source or in the archive (unless the feed itself replaced
  it in the source);
- every delivered row is in ``orders_stage`` once for each time it was delivered; those that break a
  drop rule are in ``orders_quarantine`` as often;
- ``orders_target`` holds the latest accepted change of each order, and no deleted order;
- ``order_files`` adds up to the stage; the event log and ``order_quality`` count for every rule
  each row once.

Printed: rounds, kills and where they fell, losses, duplicates, wrong counts, and runs that failed
though they were left alone. Exit code 1 unless the last four are 0.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from dlt_stub.events import Event, read_events
from dlt_stub.jobs import RunEvent
from dlt_stub.testing import WorkspaceUnderTest
from dlt_stub.workspace import Workspace
from samples.orders_feed import COLUMNS

ROOT = Path(__file__).parents[1]
JOB, PIPELINE = "order_ingest", "orders"
READY, ENDED = "ready", "ended"
CHECK_EVERY = 10
QUICK_JAVA = "-XX:TieredStopAtLevel=1 -XX:-UseParallelGC -XX:+UseSerialGC"  # for one small run
ROW = "tracking_number"  # another one in each row: it tells rows apart
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
QUARANTINED = ("no key", "no sequence", "misfit")
# Which rule a kind of row does not meet; a rule that is NULL is not met.
BROKEN = {
    "key_present": ("no key",),
    "sequence_present": ("no sequence",),
    "row_fits_schema": ("misfit",),
    "amount_not_negative": ("misfit",),
    "updated_after_ordered": ("no sequence",),
    "currency_is_iso_4217": ("odd currency",),
    "customer_present": (),
    "status_known": (),
    "quantity_positive": (),
    "tracked_once_shipped": (),
    "operation_known": (),
}


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One content of one file."""

    name: str
    content: str
    rows: list[dict[str, str]]
    is_overwritten: bool = False  # by a later delivery, while it was still in the source
    is_read: bool = True  # its rows are in the stage, or will be


@dataclass(slots=True, kw_only=True)
class Feed:
    """What is delivered, and what must come of it."""

    chance: random.Random
    source: Path
    deliveries: list[Delivery] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)  # by row
    rows: int = 0
    orders: int = 0

    def land(self, round_number: int, staged: Counter[str]) -> None:
        """Deliver one to three files; ``staged`` are the rows the stage has now."""
        for _ in range(self.chance.randint(1, 3)):
            self._put(self._name(round_number), self._some_rows(), round_number, staged)

    def _name(self, round_number: int) -> str:
        if self.deliveries and self.chance.random() < 0.25:
            return self.chance.choice(self.deliveries[-8:]).name
        return f"orders {round_number:04d} {len(self.deliveries):05d}+.csv"

    def _put(
        self, name: str, rows: list[dict[str, str]], round_number: int, staged: Counter[str]
    ) -> None:
        columns = (*COLUMNS, *(f"note_{n}" for n in range(25, round_number + 20, 25)))
        lines = [",".join(columns)]
        lines += [",".join(row.get(column, "") for column in columns) for row in rows]
        file = self.source / name
        if file.exists():
            before = next(d for d in reversed(self.deliveries) if d.name == name)
            before.is_overwritten = True
            before.is_read = bool(before.rows) and before.rows[0][ROW] in staged
        delivery = Delivery(name=name, content="\n".join(lines) + "\n", rows=rows)
        growing = file.with_name(f".{name}.part")
        growing.write_text(delivery.content, encoding="utf-8")
        growing.replace(file)
        self.deliveries.append(delivery)

    def _some_rows(self) -> list[dict[str, str]]:
        rows = [self._row() for _ in range(self.chance.choice((0, 1, 4, 8, 12)))]
        if rows and self.chance.random() < 0.3:
            rows.append(dict(self.chance.choice(rows)))  # an exact duplicate
        return rows

    def _row(self) -> dict[str, str]:
        is_new = self.orders == 0 or self.chance.random() < 0.5
        self.orders += is_new
        order = self.orders if is_new else self.chance.randint(1, self.orders)
        self.rows += 1
        # No two rows have one sequence, and some come late.
        at = BEGAN + timedelta(seconds=self.rows)
        if self.chance.random() < 0.2:
            at -= timedelta(seconds=self.chance.randint(1, self.rows), microseconds=self.rows)
        kind = self.chance.choices(
            ("good", "odd currency", *QUARANTINED), weights=(80, 5, 5, 5, 5)
        )[0]
        operation = "DELETE" if not is_new and self.chance.random() < 0.15 else "UPDATE"
        row = {
            "order_id": "" if kind == "no key" else f"O{order:06d}",
            "customer_id": "C1",
            "order_timestamp": "2025-01-01T00:00:00Z",
            "status": self.chance.choice(("CREATED", "PAID", "SHIPPED")),
            "carrier": "DHL",
            ROW: f"T{self.rows:08d}",
            "quantity": "1",
            "amount": "n/a" if kind == "misfit" else "9.90",
            "currency": "EURO" if kind == "odd currency" else "EUR",
            "ship_country": "DE",
            "updated_at": "" if kind == "no sequence" else at.isoformat(),
            "operation": operation,
        }
        self.kinds[row[ROW]] = kind
        return row

    @property
    def read_rows(self) -> list[dict[str, str]]:
        """Every row that has to be in the stage, once for each time it was delivered."""
        return [row for each in self.deliveries if each.is_read for row in each.rows]

    @property
    def latest(self) -> Counter[str]:
        """The rows that have to be in the target."""
        orders: dict[str, dict[str, str]] = {}
        for row in self.read_rows:
            if self.kinds[row[ROW]] in QUARANTINED:
                continue
            known = orders.get(row["order_id"])
            if known is None or row["updated_at"] > known["updated_at"]:
                orders[row["order_id"]] = row
        return Counter(row[ROW] for row in orders.values() if row["operation"] != "DELETE")


@dataclass(slots=True, kw_only=True)
class Found:
    """What the checks found wrong."""

    losses: int = 0
    duplicates: int = 0
    wrong_counts: int = 0
    failed_runs: int = 0  # that were left alone

    @property
    def is_anything(self) -> bool:
        """Whether anything was wrong."""
        return bool(self.losses or self.duplicates or self.wrong_counts or self.failed_runs)

    def compare(self, what: str, found: Counter[str], expected: Counter[str]) -> None:
        """Count what is missing and what is too many, and print some of it."""
        missing, more = expected - found, found - expected
        self.losses += missing.total()
        self.duplicates += more.total()
        if missing or more:
            say(f"  {what}: missing {some(missing)}, too many {some(more)}")

    def count(self, what: str, found: object, expected: object) -> None:
        """Count a number that is not what it should be."""
        if found != expected:
            self.wrong_counts += 1
            say(f"  {what} is {found}, should be {expected}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one worker ended."""

    is_killed: bool
    where: str
    seconds: float
    ready_seconds: float | None


class Chaos:
    """The workspace, the feed and what became of both."""

    def __init__(self, storage: Path, seed: int) -> None:
        self.storage = storage
        self.workspace = Workspace.open(ROOT, storage=storage)  # without Spark
        trigger = self.workspace.trigger(JOB)
        self.source, self.archive = trigger.location, trigger.location.parent / "archive"
        self.chance = random.Random(seed)
        self.feed = Feed(chance=random.Random(seed + 1), source=self.source)
        self.found = Found()
        self.kills: Counter[str] = Counter()
        self.starts = [20.0]  # seconds, guesses first
        self.runs = [20.0]

    def round(self, number: int) -> Ended:
        """Land files, start the job and kill it at some moment, unless it ends before."""
        self.feed.land(number, self.rows_of("orders_stage"))
        if self.chance.random() < 0.1:
            ended = run_worker(
                self.storage, kill_after_start=self.chance.random() * self.starts[-1]
            )
        else:
            left = self.chance.random() * statistics.median(self.runs[-9:])
            ended = run_worker(self.storage, kill_after_ready=left)
        if ended.is_killed:
            self.kills[ended.where] += 1
        else:
            self.learn(ended)
        return ended

    def learn(self, ended: Ended) -> None:
        """Remember how long a whole run takes."""
        if ended.ready_seconds is not None:
            self.starts.append(ended.ready_seconds)
            self.runs.append(ended.seconds - ended.ready_seconds)

    def check(self) -> None:
        """Let the job run to its end until the source is empty, and compare everything."""
        for _ in range(3):
            ended = run_worker(self.storage)
            self.learn(ended)
            if ended.where != f"{ENDED} SUCCESS":
                self.found.failed_runs += 1
                say(f"  a run that was left alone ended with: {ended.where}")
            if not any(self.source.iterdir()):
                break
        self._check_files()
        rows = self.feed.read_rows
        staged = Counter(row[ROW] for row in rows)
        held = Counter(r[ROW] for r in rows if self.feed.kinds[r[ROW]] in QUARANTINED)
        self.found.compare("orders_stage", self.rows_of("orders_stage"), staged)
        self.found.compare("orders_quarantine", self.rows_of("orders_quarantine"), held)
        self.found.compare("orders_target", self.rows_of("orders_target"), self.feed.latest)
        self._check_counts(rows)

    def _check_files(self) -> None:
        folders = (self.source, self.archive)
        files = [f for folder in folders for f in folder.rglob("*") if f.is_file()]
        there = Counter(file.read_text(encoding="utf-8") for file in files)
        delivered = Counter(d.content for d in self.feed.deliveries if not d.is_overwritten)
        self.found.compare("files", there, delivered)

    def _check_counts(self, rows: Sequence[Mapping[str, str]]) -> None:
        kinds = Counter(self.feed.kinds[row[ROW]] for row in rows)
        total = sum(self.sql("SELECT rows FROM t", "order_files"), start=0)
        self.found.count("the sum of order_files.rows", total, len(rows))
        log = self.workspace.pipeline(PIPELINE).place.event_log
        told: Counter[tuple[str, str]] = Counter()
        for event in read_events(log):
            for rule in event.body.get("data_quality", {}).get("expectations", ()):
                told[rule["name"], "passed"] += rule["passed_records"]
                told[rule["name"], "failed"] += rule["failed_records"]
        flat: Counter[tuple[str, str]] = Counter()
        table = self.table("SELECT rule, passed, failed FROM t", "order_quality")
        for each in table:
            flat[each["rule"], "passed"] += each["passed"]
            flat[each["rule"], "failed"] += each["failed"]
        for rule, broken_by in BROKEN.items():
            failed = sum(kinds[kind] for kind in broken_by)
            for counts, where in ((told, "the event log"), (flat, "order_quality")):
                pair = (counts[rule, "passed"], counts[rule, "failed"])
                self.found.count(
                    f"{rule} (passed, failed) in {where}", pair, (len(rows) - failed, failed)
                )

    def rows_of(self, table: str) -> Counter[str]:
        """Return the rows of a table by what tells them apart."""
        return Counter(self.sql("SELECT tracking_number FROM t", table))

    def sql(self, text: str, table: str) -> list[Any]:  # whatever the column holds
        """Return one column of a table that need not exist yet."""
        return [next(iter(row.values())) for row in self.table(text, table)]

    def table(self, text: str, table: str) -> list[dict[str, Any]]:
        """Return rows of a table that need not exist yet, as delta-rs reads them."""
        folder = self.workspace.pipeline(PIPELINE).place.table(table)
        if not any((folder / "_delta_log").glob("*.json")):
            return []
        found = QueryBuilder().register("t", DeltaTable(folder)).execute(text)
        rows: list[dict[str, Any]] = pa.table(found.read_all()).to_pylist()
        return rows


def run_worker(
    storage: Path, *, kill_after_start: float | None = None, kill_after_ready: float | None = None
) -> Ended:
    """Run the job once in a process group of its own, killed at a moment if one is given."""
    began = time.monotonic()
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.chaos", "--worker", str(storage)],
        cwd=ROOT,
        env={"DLT_STUB_JAVA_OPTIONS": QUICK_JAVA, **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, with its JVM in it
    )
    killed = threading.Event()

    def kill() -> None:
        if worker.poll() is None:
            killed.set()
            os.killpg(worker.pid, signal.SIGKILL)

    timers = [] if kill_after_start is None else [threading.Timer(kill_after_start, kill)]
    for timer in timers:
        timer.start()
    last, ready, said = "the JVM starts", None, []
    assert worker.stdout is not None
    for line in worker.stdout:  # ends when everything that could still write has ended
        said.append(line)
        if not line.startswith("| "):
            continue
        last = line[2:].strip()
        if last == READY:
            ready = time.monotonic() - began
            if kill_after_ready is not None:
                timers.append(threading.Timer(kill_after_ready, kill))
                timers[-1].start()
    worker.wait()
    for timer in timers:
        timer.cancel()
    if not killed.is_set() and not last.startswith(ENDED):
        say("".join(said[-30:]))
    return Ended(
        is_killed=killed.is_set() and worker.returncode == -signal.SIGKILL,
        where=last,
        seconds=time.monotonic() - began,
        ready_seconds=ready,
    )


def work(storage: Path) -> None:
    """Run the job once and say where it is, line by line."""
    workspace = WorkspaceUnderTest(ROOT, storage=storage)
    _ = workspace.workspace.spark
    say(f"| {READY}")

    def tell_event(event: Event) -> None:
        flow = event.origin.get("flow_name", "")
        if event.event_type in ("update_progress", "flow_progress"):
            say(f"| {flow or 'update'} {event.body.get('status', event.body.get('state'))}")

    def tell_run(event: RunEvent) -> None:
        state = event.state.result or event.state.life_cycle
        say(f"| task {event.task_key or 'of the job'} {state.value if state else ''}")

    run = workspace.try_run_job(JOB, listener=tell_event, on_event=tell_run)
    failed = [f"{t.task_key}: {t.state.message}" for t in run.tasks if t.state.message]
    say("\n".join(failed))
    say(f"| {ENDED} {run.state.result.value if run.state.result else ''}")


def say(text: str) -> None:
    """Print at once: a killed process loses what it has not flushed."""
    print(text, flush=True)


def some(counted: Counter[str]) -> str:
    """Return a few of what was counted."""
    return json.dumps([text[-80:] for text in list(counted)[:3]]) if counted else "nothing"


def main() -> None:
    """Run the rounds and print what came out."""
    parser = argparse.ArgumentParser(description="Kills the job at random moments.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--storage", type=Path)
    parser.add_argument("--keep", action="store_true", help="leave the workspace folder")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        work(given.worker)
        return
    storage = given.storage or Path(tempfile.mkdtemp(prefix="dlt_stub-chaos-"))
    chaos = Chaos(storage, given.seed)
    began = time.monotonic()
    for number in range(1, given.rounds + 1):
        ended = chaos.round(number)
        how = "killed at" if ended.is_killed else "not killed:"
        say(f"round {number}: {ended.seconds:.1f} s, {how} {ended.where}")
        if number % CHECK_EVERY == 0 or number == given.rounds:
            chaos.check()
            found = chaos.found
            say(
                f"checked after {number} rounds, {time.monotonic() - began:.0f} s: "
                f"{found.losses} lost, {found.duplicates} doubled, "
                f"{found.wrong_counts} wrong counts, {found.failed_runs} failed runs"
            )
    found = chaos.found
    say(f"seed {given.seed}: {len(chaos.feed.deliveries)} files, {len(chaos.feed.read_rows)} rows")
    say(f"rounds {given.rounds}\nkills {chaos.kills.total()}")
    for where, kills in chaos.kills.most_common():
        say(f"  {kills:3d} at {where}")
    say(f"losses {found.losses}\nduplicates {found.duplicates}")
    say(f"wrong counts {found.wrong_counts}\nfailed runs {found.failed_runs}")
    if not (given.keep or given.storage):
        shutil.rmtree(storage)
    sys.exit(1 if found.is_anything else 0)


if __name__ == "__main__":
    main()
