"""Many updates of one pipeline in one workspace and one process: does anything grow?

    python -m benchmarks.long_life [--updates 500] [--warm-up 50] [--bundle] [--report FILE]

Each round lands one file and updates the pipeline once: ``cloudFiles`` into a table with
expectations, a quarantine, an ``apply_changes`` target, and a stream of the pipeline's own event
log, as in our bundle. Every fourth file replaces and deletes orders, the others bring new ones.
``--bundle`` updates the bundle's own pipeline, which takes twice as long. Files are moved away as
the archive task does. Rounds in a workspace that is thrown away come first, so that the warm-up of
the compiler and of Spark's thread pools, which hold the threads of the last minute, neither
flatters nor spoils the comparison.

Printed: medians of the first and the last 50 rounds (for files the most there were, as their number
falls and rises; for live files the most of each table, added up: the tables' turns do not come
together), and their ratio. CPU seconds are those of this process and its JVM: on a machine
that is shared they are what an update costs, whatever its clock says. Exits with 1 if the time,
live files or memory of the last rounds are more than a fifth above those of the first.
"""

import argparse
import atexit
import csv
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from pyspark.sql import SparkSession

from dlt_stub import Pipeline, Workspace
from dlt_stub.engine.session import start_session

ROOT = Path(__file__).parents[1]
COLUMNS = ("order_id", "customer_id", "status", "quantity", "amount", "updated_at", "operation")
AT_MOST = 1.2
WINDOW = 50
_TICKS = os.sysconf("SC_CLK_TCK")
_JUDGED = ("cpu_seconds", "live_files", "heap_mb", "rss_mb", "open_files", "threads")
_PEAKS = ("event_files", "ledger_files")
PIPELINE = """
import dlt
from pyspark.sql import functions as F

GOOD = "order_id IS NOT NULL"

@dlt.table
@dlt.expect("has_customer", "customer_id IS NOT NULL")
def orders_stage():
    files = spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
    files = files.option("cloudFiles.schemaHints", "quantity INT, updated_at TIMESTAMP")
    return files.load(spark.conf.get("landing"))

@dlt.view
@dlt.expect_or_drop("has_key", GOOD)
def accepted():
    return spark.readStream.table("orders_stage")

@dlt.table
def quarantine():
    return spark.readStream.table("orders_stage").where(f"NOT ({GOOD})")

dlt.create_streaming_table("orders")
dlt.apply_changes(
    target="orders", source="accepted", keys=["order_id"], sequence_by="updated_at",
    apply_as_deletes=F.expr("operation = 'DELETE'"), except_column_list=["operation"],
)

@dlt.table
def quality():
    return (
        spark.readStream.option("skipChangeCommits", "true").table("long_life_log")
        .where("event_type = 'flow_progress'").select("id", "timestamp", "message")
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What stood after one update, and what the update took."""

    wall_seconds: float
    cpu_seconds: float
    live_files: dict[str, int]  # data files that the newest version of each Delta table names
    data_files: int  # data files on disk, older versions' included
    log_files: int  # files below the tables' _delta_log
    event_files: int
    ledger_files: int
    state_files: int  # all below the pipeline's own folder
    state_kb: float
    heap_mb: float  # of the JVM after a collection, every fifth round
    rss_mb: float  # of this process
    jvm_rss_mb: float
    open_files: int  # of this process and the JVM, sockets included
    jvm_threads: int
    threads: int


def write_file(path: Path, *, number: int, rows: int = 12) -> None:
    """Write one file of changes; the same number gives the same content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    moment = f"2026-01-01 {number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in range(rows):
            is_change = number % 4 == 3 and row % 2 == 1
            # As many orders are deleted as come: a table that grows takes longer to merge into.
            order = rows * (number - (number % 3) - 1) + row if is_change else rows * number + row
            key = "" if row == 4 else f"O{max(0, order)}"  # no key: held in quarantine
            operation = "DELETE" if is_change and row % 4 == 1 else "UPDATE"
            writer.writerow((key, f"C{row}", "PAID", 1, "9.90", moment, operation))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One workspace with a pipeline in it, and where its files land."""

    root: Path
    pipeline: Pipeline
    landing: Path

    @classmethod
    def make(cls, root: Path, spark: SparkSession, *, is_bundle: bool) -> "Place":
        """Return a new one below ``root``."""
        if is_bundle:
            workspace = Workspace.open(ROOT, storage=root, spark=spark)
            landing = workspace.trigger("order_ingest").location
            return cls(root=root, pipeline=workspace.pipeline("orders"), landing=landing)
        landing = root / "landing"
        landing.mkdir(parents=True)
        source = root / "long_life.py"
        source.write_text(PIPELINE, encoding="utf-8")
        pipeline = Pipeline(
            source=[source],
            storage=root / "workspace",
            catalog="main",
            schema="default",
            configuration={"landing": str(landing)},
            name="long_life",
            event_log=("main", "default", "long_life_log"),
            spark=spark,
        )
        return cls(root=root, pipeline=pipeline, landing=landing)


def run(place: Place, spark: SparkSession, updates: int) -> Iterator[Round]:
    """Yield what each of ``updates`` rounds left behind."""
    archive = place.root / "moved"
    archive.mkdir(exist_ok=True)
    jvm_pid = int(_jvm(spark).java.lang.ProcessHandle.current().pid())
    heap = 0.0
    for number in range(updates):
        file = place.landing / f"{number:06d}.csv"
        write_file(file, number=number)
        wall, cpu = time.perf_counter(), _cpu_seconds(jvm_pid)
        place.pipeline.update().raise_for_failure()
        wall, cpu = time.perf_counter() - wall, _cpu_seconds(jvm_pid) - cpu
        file.rename(archive / file.name)
        if number % 5 == 0:
            heap = _heap_mb(spark)
        yield _round(place, spark, jvm_pid, wall, cpu, heap)


def _heap_mb(spark: SparkSession) -> float:
    gc.collect()  # before Java's: what Python no longer points at is let go there
    java = _jvm(spark).java.lang
    java.System.gc()
    return float(
        java.management.ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed() / 2**20
    )


def _round(
    place: Place, spark: SparkSession, jvm_pid: int, wall: float, cpu: float, heap: float
) -> Round:
    root = place.pipeline.paths.root
    tables = [log.parent for log in root.glob("tables/*/*/*/_delta_log")]
    owned = _files(root / "pipelines")
    java = _jvm(spark).java.lang
    return Round(
        wall_seconds=wall,
        cpu_seconds=cpu,
        live_files={table.name: _live_files(spark, table) for table in tables},
        data_files=sum(1 for table in tables for _ in table.glob("*.parquet")),
        log_files=sum(len(_files(table / "_delta_log")) for table in tables),
        event_files=sum(1 for file in owned if file.parent.name == "event_log"),
        ledger_files=sum(1 for file in owned if file.parent.name == "ledger"),
        state_files=len(owned),
        state_kb=sum(file.stat().st_size for file in owned) / 1024,
        heap_mb=heap,
        rss_mb=_rss_mb("self"),
        jvm_rss_mb=_rss_mb(jvm_pid),
        open_files=sum(1 for pid in ("self", jvm_pid) for _ in Path(f"/proc/{pid}/fd").iterdir()),
        jvm_threads=java.management.ManagementFactory.getThreadMXBean().getThreadCount(),
        threads=threading.active_count(),
    )


def _live_files(spark: SparkSession, table: Path) -> int:
    log = _jvm(spark).org.apache.spark.sql.delta.DeltaLog.forTable(
        cast(Any, spark)._jsparkSession, str(table)
    )
    snapshot = log.unsafeVolatileSnapshot()
    checksum = snapshot.checksumOpt()
    return int((checksum.get() if checksum.isDefined() else snapshot.computeChecksum()).numFiles())


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _jvm(spark: SparkSession) -> Any:  # Any: whatever Java has
    return cast(Any, spark)._jvm


def _rss_mb(pid: int | str) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu_seconds(jvm_pid: int) -> float:
    """Return the CPU seconds of this process and the JVM so far."""
    text = Path(f"/proc/{jvm_pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return time.process_time() + (int(text[11]) + int(text[12])) / _TICKS


def _typical(name: str, values: list[Any]) -> float:
    if name == "live_files":
        peaks: Counter[str] = Counter()
        for of_tables in values:
            peaks |= Counter(of_tables)
        return peaks.total()
    return float(max(values) if name in _PEAKS else statistics.median(values))


def report(rounds: list[Round]) -> tuple[str, bool]:
    """Return the table of medians, and whether nothing that is judged grew beyond ``AT_MOST``."""
    window = min(WINDOW, len(rounds) // 2)
    lines = [f"{'':14}{f'first {window}':>12}{f'last {window}':>12}{'ratio':>8}{'last':>10}"]
    is_flat = True
    for field in fields(Round):
        values = [getattr(each, field.name) for each in rounds]
        before = _typical(field.name, values[:window])
        after = _typical(field.name, values[-window:])
        ratio = after / before if before else 0.0
        is_judged = field.name in _JUDGED
        is_flat = is_flat and not (is_judged and ratio > AT_MOST)
        mark = "" if not is_judged else " grew" if ratio > AT_MOST else " flat"
        lines.append(
            f"{field.name:14}{before:12.2f}{after:12.2f}{ratio:8.2f}"
            f"{_typical(field.name, values[-1:]):10.1f}{mark}"
        )
    return "\n".join(lines), is_flat


def main() -> None:
    """Print the medians; exit with 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--bundle", action="store_true")
    parser.add_argument("--report", type=Path, help="a CSV file of every round")
    parser.add_argument("--minutes", type=float, default=1e9, help="end early after so many")
    arguments = parser.parse_args()
    spark = start_session()
    atexit.register(spark.stop)
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as scratch:
        before = Place.make(Path(scratch) / "before", spark, is_bundle=arguments.bundle)
        for _ in run(before, spark, arguments.warm_up):
            pass
        rounds: list[Round] = []
        place = Place.make(Path(scratch) / "long", spark, is_bundle=arguments.bundle)
        for each in run(place, spark, arguments.updates):
            rounds.append(each)
            if arguments.report:
                _save(arguments.report, rounds)
            if len(rounds) % WINDOW == 0:
                print(f"after {len(rounds)} updates\n{report(rounds)[0]}\n", flush=True)
            if time.monotonic() > end:
                break
    text, is_flat = report(rounds)
    print(f"{len(rounds)} updates in one workspace\n{text}")
    sys.exit(0 if is_flat else 1)


def _save(path: Path, rounds: list[Round]) -> None:
    names = [field.name for field in fields(Round)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([getattr(each, name) for name in names] for each in rounds)


if __name__ == "__main__":
    main()
