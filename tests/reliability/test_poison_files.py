"""One file that cannot be taken in holds no other up, and is done with where it lies."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import ExpectationViolation, Pipeline, RefusedFilesError, UpdateResult

SOURCE = """
import dlt

@dlt.table
@dlt.expect_or_fail("positive", "n > 0")
def bronze():
    rows = (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT, n INT").option("header", "true")
        .load(spark.conf.get("shop.landing")))
    return rows.select("id", "n")

@dlt.table
def silver():
    return dlt.read_stream("bronze")
"""
PARQUET = """
import dlt

@dlt.table
def bronze():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "parquet")
        .load(spark.conf.get("shop.landing")).select("id"))
"""
STUMBLING = SOURCE.replace(
    'rows.select("id", "n")', 'rows.selectExpr("id", "int(n / (id - id)) n")'
)


class Landing:
    """A pipeline over a folder of files."""

    def __init__(self, spark: SparkSession, folder: Path, source: str = SOURCE) -> None:
        self.folder = folder / "landing"
        self.folder.mkdir()
        self.file = folder / "main.py"
        self.define(source)
        self.pipeline = Pipeline(
            source=[self.file],
            storage=folder / "workspace",
            catalog="main",
            schema="shop",
            name="shop",
            configuration={"shop.landing": str(self.folder)},
            spark=spark,
        )

    def define(self, source: str) -> None:
        """Let the pipeline be what ``source`` says."""
        self.file.write_text(source, encoding="utf-8")

    def land(self, name: str, *lines: str) -> Path:
        """Deliver a file, or replace one."""
        file = self.folder / name
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def fails_twice(self, kind: type[Exception]) -> str:
        """Return what the update fails of, the same in two runs."""
        first, again = (self.pipeline.update() for _ in range(2))
        assert str(first.error) == str(again.error)
        assert isinstance(first.error, kind)
        return str(first.error)

    def fails(self) -> str:
        """Return what the update fails of."""
        result: UpdateResult = self.pipeline.update()
        assert isinstance(result.error, RefusedFilesError)
        assert result.flows["bronze"].status.value == "FAILED"
        return str(result.error)

    def check(self, *ids: int, tables: tuple[str, ...] = ("bronze", "silver")) -> None:
        """Assert that another update is green and that the tables hold each of ``ids`` once."""
        self.pipeline.update().raise_for_failure()
        for table in tables:
            assert sorted(row.id for row in self.pipeline.table(table).collect()) == list(ids)


@pytest.fixture
def landing(spark: SparkSession, tmp_path: Path) -> Landing:
    return Landing(spark, tmp_path)


def test_row_breaking_a_fail_rule_is_corrected(landing: Landing) -> None:
    landing.land("a.csv", "id,n", "1,1")
    bad = landing.land("b.csv", "id,n", "2,0", "3,3")
    said = landing.fails_twice(ExpectationViolation)
    assert "Violated expectations: 'positive'. Input data: '{\"id\":2,\"n\":0}'" in said
    assert f"replace the file it is of (one of {landing.folder / 'a.csv'}, {bad})" in said
    landing.land("b.csv", "id,n", "2,2", "3,3")
    landing.check(1, 2, 3)

    bad = landing.land("c.csv", "id,n", "4,-1")
    assert f"replace file {bad} or move it out" in landing.fails_twice(ExpectationViolation)
    bad.rename(landing.folder.parent / "c.csv")
    landing.land("d.csv", "id,n", "5,5")
    landing.check(1, 2, 3, 5)

    (landing.folder.parent / "c.csv").rename(bad)
    landing.fails_twice(ExpectationViolation)
    landing.define(SOURCE.replace("expect_or_fail", "expect_or_drop"))
    landing.check(1, 2, 3, 5)
    counted = landing.pipeline.update().flows["bronze"]
    assert counted.metrics.get("num_output_rows") is None  # nothing is new: c.csv is done with


def test_files_lost_after_planning_are_released(landing: Landing) -> None:
    landing.define(STUMBLING)
    lost, changed = landing.land("lost.csv", "id,n", "1,1"), landing.land("x.csv", "id,n", "2,2")
    landing.land("good.csv", "id,n", "3,3")
    assert "DIVIDE_BY_ZERO" in str(landing.pipeline.update().error)  # the batch is planned
    landing.define(SOURCE)
    text = lost.read_text(encoding="utf-8")
    lost.unlink()
    landing.land(changed.name, "n,id", "22,2")
    said = landing.fails()
    assert "2 files are refused; every other file was taken in" in said
    assert f"file '{lost}' of batch 0 is gone" in said
    assert f"file '{changed}' of batch 0 was replaced" in said
    assert [row.id for row in landing.pipeline.table("silver").collect()] == [3]
    landing.check(2, 3)
    lost.write_text(text, encoding="utf-8")
    landing.check(1, 2, 3)
    landing.check(1, 2, 3)


def test_damaged_file_holds_no_other_up(spark: SparkSession, tmp_path: Path) -> None:
    landing = Landing(spark, tmp_path, PARQUET)
    for number, name in enumerate(("good", "bad")):
        frame = spark.range(number * 500, number * 500 + 500).coalesce(1)
        frame.write.parquet(str(tmp_path / name))
        (part,) = (tmp_path / name).glob("part-*.parquet")
        part.rename(landing.folder / f"{name} 1%2F.parquet")
    bad = landing.folder / "bad 1%2F.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:20] + bytes(400) + whole[420:])  # its footer still tells the columns
    said = landing.fails()
    assert f"file '{bad}' of batch 0 cannot be read: " in said
    assert "replace what is refused or move it out of the source folder, then run again" in said
    assert landing.pipeline.table("bronze").count() == 500
    assert f"file '{bad}' of batch 2 cannot be read: " in landing.fails()
    bad.write_bytes(whole)
    landing.check(*range(1000), tables=("bronze",))
