"""The archive task: what is committed moves once, everything else stays, nothing is overwritten."""

import bz2
import gzip
import os
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.tasks import archive_files as task
from pipelines.tasks.archive_files import Outcome, Version

HEADER = "id,name\n"
AT = datetime(2026, 3, 4, 23, 30, 15, 250_000, UTC)
STAMP = "20260304T233015250Z"
DAY = "2026/03/04"


class Landing:
    """A source folder, its archive, and a stage table that has taken in what it was told to."""

    def __init__(self, spark: SparkSession, root: Path, stage: str) -> None:
        self.spark, self.stage = spark, stage
        self.source, self.archived = root / "source", root / "archive"
        self.source.mkdir()

    def put(self, path: str, content: str = HEADER + "1,a\n", *, at: datetime = AT) -> Path:
        """Deliver a file that was last modified at ``at``."""
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        modified_ns = int(at.timestamp() * 1000) * 1_000_000
        os.utime(file, ns=(modified_ns, modified_ns))
        return file

    def ingest(self) -> None:
        """Append what is in the source folder to the stage table, as the pipeline does."""
        reader = self.spark.read.option("header", "true").option("recursiveFileLookup", "true")
        files = reader.schema("id INT, name STRING").csv(str(self.source))
        files.selectExpr(
            "*",
            "_metadata.file_path AS source_file",
            "_metadata.file_size AS source_file_size",
            "_metadata.file_modification_time AS source_file_modified_at",
        ).write.format("delta").mode("append").saveAsTable(self.stage)

    def run(self, *, started: datetime = AT + timedelta(hours=1)) -> dict[str, Outcome]:
        """Run the task; return its outcomes by path."""
        outcomes = task.archive(
            self.spark,
            source=self.source,
            archive=self.archived,
            stage=self.stage,
            run_started=started,
        )
        return {outcome.path: outcome for outcome in outcomes}

    def version(self, path: str) -> Version:
        """Return the version Spark sees."""
        return task.versions_in_folder(self.spark, self.source)[path]

    def archive_listing(self) -> dict[str, str]:
        """Return path -> content below the archive, the staging folder included."""
        files = (file for file in sorted(self.archived.rglob("*")) if file.is_file())
        return {f.relative_to(self.archived).as_posix(): f.read_text("utf-8") for f in files}

    def source_listing(self) -> list[str]:
        """Return the paths below the source folder."""
        return sorted(task.snapshot_files(self.source))


@pytest.fixture
def landing(spark: SparkSession, tmp_path: Path) -> Landing:
    return Landing(spark, tmp_path, "default.stage_" + re.sub(r"\W", "_", tmp_path.name))


def test_committed_files_move_to_their_day(landing: Landing) -> None:
    landing.put("a.csv")
    landing.put("shop 1/ü+%20.csv", at=AT + timedelta(hours=1))
    landing.ingest()
    outcomes = landing.run()
    assert str(outcomes["a.csv"]) == f"moved  a.csv -> {DAY}/a.csv: committed"
    assert list(landing.archive_listing()) == [f"{DAY}/a.csv", "2026/03/05/shop 1/ü+%20.csv"]
    assert landing.source_listing() == []
    assert landing.run() == {}


def test_file_that_was_not_read_stays(landing: Landing) -> None:
    landing.put("a.csv")
    landing.ingest()
    landing.put("late.csv")
    outcomes = landing.run()
    assert "its rows are not in the stage table" in outcomes["late.csv"].reason
    assert landing.source_listing() == ["late.csv"]


def test_file_replaced_after_it_was_read_stays(landing: Landing) -> None:
    landing.put("size.csv")
    landing.put("time.csv")
    landing.ingest()
    landing.put("size.csv", HEADER + "2,bb\n")
    landing.put("time.csv", HEADER + "2,b\n", at=AT + timedelta(milliseconds=1))
    assert [outcome.moved_to for outcome in landing.run().values()] == [None, None]
    landing.ingest()
    assert all(outcome.moved_to for outcome in landing.run().values())


def test_file_replaced_after_the_look_stays(landing: Landing) -> None:
    file = landing.put("a.csv")
    landing.ingest()
    seen = file.lstat()
    landing.put("new.csv", at=AT).rename(file)
    assert task.move(file, landing.archived, landing.version("a.csv"), seen) is None
    assert landing.source_listing() == ["a.csv"]
    assert landing.archive_listing() == {}


@pytest.mark.parametrize("content", ["", HEADER, "\n" + HEADER + "\n  \n"])
def test_file_without_rows_goes_unless_it_is_new(landing: Landing, content: str) -> None:
    landing.put("rows.csv")
    landing.ingest()
    landing.put("old.csv", content)
    landing.put("new.csv", content, at=AT + timedelta(hours=2))
    outcomes = landing.run()
    assert outcomes["old.csv"].reason == "it has no rows"
    assert outcomes["old.csv"].moved_to == f"{DAY}/old.csv"
    assert "while the run went on" in outcomes["new.csv"].reason
    assert landing.source_listing() == ["new.csv"]


def test_longest_names_move_twice(landing: Landing) -> None:
    name = "ü" * 125 + ".csv"  # 254 bytes
    moved = []
    for second in range(3):
        landing.put(name, at=AT + timedelta(seconds=second))
        landing.ingest()
        moved += [outcome.moved_to or outcome.reason for outcome in landing.run().values()]
    assert moved[0] == f"{DAY}/{name}"
    assert moved[1].endswith("üü.20260304T233016250Z.csv")
    assert sorted(landing.archive_listing()) == sorted(moved)
    file = landing.put(name)  # as if a run had died in the middle of the move
    file.rename(task.staging_name(landing.archived, landing.version(name), task.TAKEN))
    task.finish_interrupted(landing.source, landing.archived)
    assert landing.source_listing() == [name]


@pytest.mark.parametrize(
    ("name", "content", "is_empty"),
    [
        ("h.csv.gz", gzip.compress(HEADER.encode()), True),
        ("h.csv.bz2", bz2.compress(HEADER.encode()), True),
        ("r.csv.gz", gzip.compress(f"{HEADER}1,a".encode()), False),
        ("cut.csv.gz", gzip.compress(HEADER.encode())[:-9], False),
        ("cr.csv", b"id,name\r1,a\r", False),
        ("utf16.csv", HEADER.encode("utf-16"), False),
        ("latin1.csv", "größe".encode("latin-1"), False),
        ("zip.csv", b"PK\x03\x04\x00\x00", False),
    ],
)
def test_only_readable_headers_are_without_rows(
    tmp_path: Path, name: str, content: bytes, is_empty: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert task.has_no_rows(tmp_path / name) is is_empty


def test_names_are_printed_on_one_line() -> None:
    outcome = Outcome(path="a\nb caf\udce9 ü.csv", reason="why")
    assert str(outcome) == "left   a\\nb caf\\udce9 ü.csv: why"
    str(outcome).encode("utf-8")


def test_links_and_hidden_files_stay(landing: Landing, tmp_path: Path) -> None:
    landing.put("a.csv")
    landing.put(".b.csv.part")
    landing.put("_c.csv")
    (tmp_path / "outside.csv").write_text(HEADER + "9,z\n")
    (landing.source / "link.csv").symlink_to(tmp_path / "outside.csv")
    landing.ingest()
    outcomes = landing.run()
    assert outcomes["link.csv"].reason == "it is not a regular file"
    assert outcomes["_c.csv"].reason == "hidden names are not ingested"
    assert landing.source_listing() == [".b.csv.part", "_c.csv", "link.csv"]
    assert (tmp_path / "outside.csv").exists()


def test_taken_names_are_never_overwritten(landing: Landing) -> None:
    for day, content in enumerate(("1,a\n", "2,b\n", "3,c\n")):
        at = AT if day < 2 else AT + timedelta(seconds=1)
        landing.put("a.csv", HEADER + content, at=at)
        landing.ingest()
        landing.run()
    assert landing.archive_listing() == {
        f"{DAY}/a.20260304T233016250Z.csv": HEADER + "3,c\n",
        f"{DAY}/a.{STAMP}.csv": HEADER + "2,b\n",
        f"{DAY}/a.csv": HEADER + "1,a\n",
    }


def stop_after_link(landing: Landing, file: Path) -> None:
    target = landing.archived / DAY / "a.csv"
    target.parent.mkdir(parents=True)
    task.link(file, target)


def stop_after_taking(landing: Landing, file: Path) -> None:
    version = landing.version("a.csv")
    stop_after_link(landing, file)
    file.rename(task.staging_name(landing.archived, version, task.TAKEN))


def stop_while_copying(landing: Landing, file: Path) -> None:
    staged = task.staging_name(landing.archived, landing.version("a.csv"))
    staged.write_bytes(file.read_bytes()[:4])


def stop_before_unlink(landing: Landing, file: Path) -> None:
    whole = task.staging_name(landing.archived, landing.version("a.csv"), task.WHOLE)
    task.copy_whole(file, whole)


def stop_before_publishing(landing: Landing, file: Path) -> None:
    stop_before_unlink(landing, file)
    file.unlink()


@pytest.mark.parametrize(
    "stop",
    [
        stop_after_link,
        stop_after_taking,
        stop_while_copying,
        stop_before_unlink,
        stop_before_publishing,
    ],
)
def test_interrupted_move_ends_the_same(
    landing: Landing, stop: Callable[[Landing, Path], None]
) -> None:
    file = landing.put("a.csv")
    landing.ingest()
    stop(landing, file)
    landing.run()
    assert landing.archive_listing() == {f"{DAY}/a.csv": HEADER + "1,a\n"}
    assert landing.source_listing() == []


def test_file_taken_by_mistake_is_put_back(landing: Landing) -> None:
    file = landing.put("a.csv", HEADER + "7,not committed\n")
    file.rename(task.staging_name(landing.archived, Version("a.csv", 12, 1), task.TAKEN))
    landing.ingest()
    landing.run(started=AT)
    assert landing.source_listing() == ["a.csv"]
    assert landing.archive_listing() == {}


def test_copy_moves_where_there_are_no_links(landing: Landing) -> None:
    file = landing.put("a.csv")
    version = landing.version("a.csv")
    target = task.move_by_copy(file, landing.archived, version, file.lstat())
    assert target == landing.archived / DAY / "a.csv"
    assert landing.archive_listing() == {f"{DAY}/a.csv": HEADER + "1,a\n"}
    again = landing.put("a.csv", HEADER + "2,b\n")
    task.move_by_copy(again, landing.archived, version, again.lstat())
    assert landing.archive_listing()[f"{DAY}/a.{STAMP}.csv"] == HEADER + "2,b\n"


@pytest.mark.parametrize(
    ("source", "archive", "message"),
    [
        ("/x/source", "/x/source/archive", "must not lie in one another"),
        ("/x/source", "/x", "must not lie in one another"),
        ("/Volumes/a/b/c/source", "/Volumes/a/b/d/archive", "are in two volumes"),
    ],
)
def test_wrong_folders_are_refused(source: str, archive: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task.check_folders(Path(source), Path(archive))


def test_task_reads_parameters_and_reports(
    landing: Landing, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    landing.put("a.csv")
    landing.ingest()
    landing.put("b.csv")
    given = {
        "--source": f"{landing.source}/",
        "--archive": str(landing.archived),
        "--stage": landing.stage,
        "--run-started": "2026-03-05T00:00:00",
    }
    arguments = [part for pair in given.items() for part in pair]
    monkeypatch.setattr(sys, "argv", ["archive_files.py", *arguments])
    task.main()
    assert capsys.readouterr().out.splitlines() == [
        f"moved  a.csv -> {DAY}/a.csv: committed",
        "left   b.csv: its rows are not in the stage table; the next run takes it",
        "archive: 1 moved, 1 left, 0 failed",
    ]
