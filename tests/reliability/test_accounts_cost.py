"""What a day's accounts cost does not grow with the days before it."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub.testing import MakePipeline
from pipelines.tasks import archive_files as task
from pipelines.tasks.archive_files import Account, Books
from tests.pipelines.shop import ROOT

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONTENT = b"id\n1\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Days:
    """An archive and its record; each day is one run of the archive task's last step."""

    def __init__(self, spark: SparkSession, archive: Path, record: str) -> None:
        self.spark, self.archive, self.books = spark, archive, Books(record=record)
        self.day = FIRST

    def pass_one(self, deliveries: int) -> None:
        accounts = []
        for number in range(deliveries):
            modified_ms = int(self.day.timestamp() * 1000) + number
            file = self.archive / f"{self.day:%Y/%m/%d}" / f"{number}.csv"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(CONTENT)
            accounts.append(
                Account(
                    path=file.name,
                    size_bytes=len(CONTENT),
                    modified_ms=modified_ms,
                    sha256=SHA256,
                    rows_in_file=1,
                    rows_read=1,
                )
            )
        task.write_note(self.archive, accounts)
        task.record_moves(self.spark, self.books, self.archive)
        self.day += timedelta(days=1)

    def cost_of_last_day(self) -> tuple[int, int, int]:
        """Return the deliveries of the last day, the files read for them, and the Spark jobs."""
        last = f"{self.day - timedelta(days=1):%F}"
        found = self.spark.sql(f"SELECT * FROM {self.books.record} WHERE day = '{last}'")
        group = f"accounts of {last}"
        self.spark.sparkContext.setJobGroup(group, group)
        try:
            number = len(found.collect())
        finally:
            self.spark.sparkContext.setLocalProperty("spark.jobGroup.id", "")
        jobs = self.spark.sparkContext.statusTracker().getJobIdsForGroup(group)
        return number, len(found.inputFiles()), len(jobs)


def test_a_day_costs_the_same_after_ten_times_as_many(spark: SparkSession, tmp_path: Path) -> None:
    days = Days(spark, tmp_path, "default.accounts_cost")
    for _ in range(5):
        days.pass_one(deliveries=10)
    after_50 = days.cost_of_last_day()
    for _ in range(4):
        days.pass_one(deliveries=110)
    days.pass_one(deliveries=10)
    assert spark.read.table(days.books.record).count() == 500
    number, files, jobs = days.cost_of_last_day()
    assert (number, files) == after_50[:2] == (10, 1)
    assert 0 < jobs <= after_50[2]  # the first look at a table may cost one more


def test_sums_keep_no_state_and_lose_no_row(dlt_pipeline: MakePipeline) -> None:
    """Of more rows than one batch of a Python worker takes, in two commits, one of them late."""
    pipeline = dlt_pipeline(
        "pipelines/orders/orders_monitoring.py",
        root=ROOT,
        configuration={
            "orders.source_path": "/nowhere",
            "orders.order_key": "id",
            "orders.sequence_column": "at",
            "orders.schema_hints": "id STRING, at TIMESTAMP",
            "orders.event_log": "main.default.no_log",
        },
    )
    schema = (
        "id STRING, at TIMESTAMP, _rescued_data STRING, source_file STRING,"
        " source_file_size BIGINT, source_file_modified_at TIMESTAMP"
    )

    def row(number: int, day: int) -> tuple[object, ...]:
        held, at = number % 10 == 0, FIRST + timedelta(days=day, seconds=number)
        file = f"file:/x/{number % 3}.csv"
        return (str(number), at, "{}" if held else None, file, 7, FIRST + timedelta(days=day + 1))

    pipeline.feed("orders_stage", [row(number, 1) for number in range(12_000)], schema)
    pipeline.update()
    pipeline.feed("orders_stage", [row(number, 0) for number in range(30)])
    pipeline.update()
    sums = pipeline.sql(
        "SELECT file, day, sum(rows), sum(accepted), sum(quarantined), sum(rescued),"
        " min(lateness_hours) FROM order_files GROUP BY ALL ORDER BY ALL"
    )
    early, late = (f"{FIRST + timedelta(days=day):%F}" for day in (1, 2))
    hours = [round(24 - last / 3600, 2) for last in (11_997, 11_998, 11_999, 27, 28, 29)]
    assert [(f, str(d), *more) for f, d, *more in sums.collect()] == [
        ("0.csv", early, 10, 9, 1, 1, hours[3]),
        ("0.csv", late, 4000, 3600, 400, 400, hours[0]),
        ("1.csv", early, 10, 9, 1, 1, hours[4]),
        ("1.csv", late, 4000, 3600, 400, 400, hours[1]),
        ("2.csv", early, 10, 9, 1, 1, hours[5]),
        ("2.csv", late, 4000, 3600, 400, 400, hours[2]),
    ]
    flow = pipeline.pipeline.place.flow("order_files", "order_files")
    assert not list(flow.rglob("state/*/*"))
