"""Each move leaves one row that says what the file held, what was read, and where it went."""

import gzip
import hashlib
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.tasks import archive_files as task
from pipelines.tasks.archive_files import Books, Outcome
from tests.pipelines.test_archive_files import AT, DAY, HEADER, STAMP, Landing

MESSY = "\ufeffid,name\r\n\r\n1,a\r2,b\n   \n3,c"
LATER = AT + timedelta(hours=1)
COLUMNS = ("file", "rows_in_file", "rows_read", "accepted", "quarantined", "balances")


class KeptLanding(Landing):
    """A landing whose task keeps books; every row is accepted but for those named ``bad``."""

    def __init__(self, spark: SparkSession, root: Path, stage: str) -> None:
        super().__init__(spark, root, stage)
        self.books = Books(
            record=f"{stage}_record", quarantine=f"{stage}_held", files=f"{stage}_files"
        )

    def ingest(self) -> None:
        super().ingest()
        rows = self.spark.read.table(self.stage)
        held = rows.where("name = 'bad'")
        assert self.books.quarantine is not None
        assert self.books.files is not None
        held.write.format("delta").mode("overwrite").saveAsTable(self.books.quarantine)
        rows.groupBy(
            "source_file", "source_file_size", F.col("source_file_modified_at").alias("modified_at")
        ).agg(F.count_if(F.col("name") != "bad").alias("accepted")).write.format("delta").mode(
            "overwrite"
        ).saveAsTable(self.books.files)

    def run_with_books(self) -> dict[str, Outcome]:
        outcomes = task.archive(
            self.spark,
            source=self.source,
            archive=self.archived,
            stage=self.stage,
            run_started=LATER,
            books=self.books,
        )
        return {outcome.path: outcome for outcome in outcomes}

    def record(self, *columns: str) -> list[tuple[Any, ...]]:
        rows = self.spark.read.table(self.books.record).select(*columns or COLUMNS).collect()
        return sorted((tuple(row) for row in rows), key=str)

    def notes(self) -> list[Path]:
        return list((self.archived / task.NOTES).iterdir())


@pytest.fixture
def landing(spark: SparkSession, tmp_path: Path) -> KeptLanding:
    return KeptLanding(spark, tmp_path, "default.kept_" + re.sub(r"\W", "_", tmp_path.name))


def test_every_move_leaves_its_account(landing: KeptLanding) -> None:
    landing.put("a.csv", HEADER + "1,a\n2,bad\n")
    landing.put("header.csv", HEADER)
    (landing.source / "nothing.csv").touch()
    os.utime(landing.source / "nothing.csv", (0, AT.timestamp()))
    landing.ingest()
    landing.run_with_books()
    landing.put("later.csv", at=AT + timedelta(minutes=1))
    landing.ingest()
    landing.run_with_books()
    assert landing.record() == [
        ("a.csv", 2, 2, 1, 1, True),
        ("header.csv", 0, 0, 0, 0, True),
        ("later.csv", 1, 1, 1, 0, True),
        ("nothing.csv", 0, 0, 0, 0, True),
    ]
    contents = landing.archive_listing()
    digests = {hashlib.sha256(text.encode()).hexdigest() for text in contents.values()}
    assert {sha256 for (sha256,) in landing.record("sha256")} == digests
    archived = {path for (path,) in landing.record("archived_to")}
    assert archived == contents.keys()
    assert landing.notes() == []


def test_missing_rows_are_told_at_once(landing: KeptLanding) -> None:
    landing.put("a.csv", HEADER + "1,a\n2,bad\n3,c\n")
    landing.ingest()
    landing.spark.sql(f"DELETE FROM {landing.stage} WHERE id = 3")
    outcomes = landing.run_with_books()
    assert outcomes["a.csv"].reason == (
        "committed, and DOES NOT BALANCE: 3 rows in the file, 2 read, 2 accepted, 1 quarantined"
    )
    assert landing.record() == [("a.csv", 3, 2, 2, 1, False)]


def test_interrupted_runs_are_recorded_later(landing: KeptLanding) -> None:
    """Both orders: stopped between the moves and the commit, and between it and the note's end."""
    landing.put("a.csv")
    landing.put("b.csv", HEADER + "1,a\n2,b\n")
    landing.ingest()
    versions = [landing.version(name) for name in ("a.csv", "b.csv")]
    sign = task.AtWork.of_this_run(landing.archived)
    sign.put_up()
    accounts, unread = task.accounts_of(
        landing.spark, landing.books, landing.stage, landing.source, versions, sign
    )
    sign.file.unlink()
    assert unread == {}
    task.write_note(landing.archived, accounts.values())
    file = landing.source / "a.csv"
    assert task.move(file, landing.archived, versions[0], file.lstat())
    (note,) = landing.notes()
    content = note.read_bytes()  # a.csv has moved, b.csv has not: stopped here
    landing.run_with_books()
    assert [row[:3] for row in landing.record()] == [("a.csv", 1, 1), ("b.csv", 2, 2)]
    note.write_bytes(content)
    version = landing.spark.sql(f"DESCRIBE HISTORY {landing.books.record}").count()
    landing.run_with_books()
    assert landing.spark.sql(f"DESCRIBE HISTORY {landing.books.record}").count() == version
    assert len(landing.record()) == 2
    assert landing.notes() == []


def test_same_content_twice_is_two_accounts(landing: KeptLanding) -> None:
    landing.put("a.csv")
    landing.ingest()
    landing.run_with_books()
    landing.put("a.csv", at=AT + timedelta(seconds=1))
    landing.ingest()
    landing.run_with_books()
    assert landing.record("archived_to", "rows_read") == [
        (f"{DAY}/a.{STAMP.replace('15250', '16250')}.csv", 1),
        (f"{DAY}/a.csv", 1),
    ]


def test_rows_are_the_lines_spark_reads(landing: KeptLanding) -> None:
    plain = landing.put("messy.csv", MESSY)
    packed = landing.source / "packed.csv.gz"
    packed.write_bytes(gzip.compress(MESSY.encode()))
    for file in (plain, packed):
        read = landing.spark.read.option("header", "true").csv(str(file)).count()
        assert task.rows_in(file) == read == 3
        assert not task.has_no_rows(file)
    packed.write_bytes(packed.read_bytes()[:-9])
    assert task.rows_in(packed) is None
    assert task.rows_in(landing.put("a.csv.zst", "")) is None


def test_unreadable_file_stays_and_fails(landing: KeptLanding, tmp_path: Path) -> None:
    landing.put("a.csv")
    landing.ingest()
    version = landing.version("a.csv")
    (tmp_path / "folder").mkdir()
    wrong = replace(version, path="../folder")
    sign = task.AtWork.of_this_run(landing.archived)
    sign.put_up()
    timeless = replace(version, modified_ms=10**15)
    accounts, unread = task.accounts_of(
        landing.spark, landing.books, landing.stage, landing.source, [wrong, timeless], sign
    )
    assert accounts == {}
    assert "it cannot be read" in unread["../folder"]
    assert "out of range" in unread["a.csv"]
