"""A stream that would fail for ever names the commands to choose from; taken, nothing is lost."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import ExpectationViolation, Pipeline, StuckFlowError, UpdateResult
from dlt_stub.testing.outside import write_outside_table

SOURCE = """
import dlt
from pyspark.sql import functions as F

@dlt.table
def copy():
    return spark.readStream.table("main.outside.events")

@dlt.table
def of_copy():
    return dlt.read_stream("copy").where("id > 1")

@dlt.view
def events():
    return spark.readStream.table("main.outside.events")

dlt.create_streaming_table("latest")
dlt.apply_changes(target="latest", source="events", keys=["id"], sequence_by="n")
"""
TOTALS = """
import dlt
from pyspark.sql import functions as F

@dlt.table(table_properties={"pipelines.reset.allowed": "false"})
def kept():
    return spark.readStream.table("main.outside.events")

@dlt.table
def totals():
    return dlt.read_stream("kept").groupBy("id").agg(F.sum("n").alias("s"))
"""
FULL, RESET = "full-refresh-selection", "reset-checkpoint-selection"
EVENTS = ("main", "outside", "events")
_COMMAND = re.compile(r"dlt-stub run (\w+) --([\w-]+) ([\w,]+)")


class Stuck:
    """A pipeline that streams from a table of somebody else's."""

    def __init__(self, spark: SparkSession, folder: Path, source: str = SOURCE) -> None:
        self.spark = spark
        self.file = folder / "main.py"
        self.define(source)
        self.pipeline = Pipeline(
            source=[self.file],
            storage=folder / "workspace",
            catalog="main",
            schema="shop",
            name="shop",
            spark=spark,
        )
        self.events = self.pipeline.place.table(".".join(EVENTS))

    def define(self, source: str) -> None:
        """Let the pipeline be what ``source`` says."""
        self.file.write_text(source, encoding="utf-8")

    def feed(self, *events: tuple[int, int]) -> None:
        """Append events (id, n) in a commit of their own."""
        write_outside_table(
            self.spark,
            events,
            name=EVENTS,
            schema="id int, n int",
            properties={},
            replace=False,
            paths=self.pipeline.paths,
            registry=self.pipeline.registry,
        )

    def sql(self, statement: str) -> None:
        """Run a statement of an owner of the table, ``{events}`` being its name."""
        self.spark.sql(statement.format(events=f"delta.`{self.events}`")).collect()

    def fails_twice(self, *flows: str) -> dict[str, str]:
        """Return what each flow says, the same in two runs; the others end or are skipped."""
        said = [_failures(self.pipeline.update()) for _ in range(2)]
        assert said[0] == said[1]
        assert set(said[0]) == set(flows)
        return said[0]

    def take(self, *chosen: tuple[str, str]) -> None:
        """Run the commands that messages name with an option, as one, which must succeed."""
        selected: dict[str, Any] = {}
        for message, option in chosen:
            commands = {found[2]: found for found in _COMMAND.finditer(message)}
            assert commands[option][1] == "shop"
            selected.setdefault(option.replace("-", "_"), []).extend(commands[option][3].split(","))
        self.pipeline.update(**selected).raise_for_failure()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table, sorted."""
        return sorted(tuple(row)[:2] for row in self.pipeline.table(table).collect())

    def check(self, events: Sequence[tuple[int, int]]) -> None:
        """Assert that another update is green and that every table is what ``events`` make."""
        self.pipeline.update().raise_for_failure()
        assert self.rows("copy") == sorted(events)
        assert self.rows("of_copy") == sorted(each for each in events if each[0] > 1)
        newest = dict(sorted(events))
        assert self.rows("latest") == sorted(newest.items())


def _failures(result: UpdateResult) -> dict[str, str]:
    failed = {name: flow.error for name, flow in result.flows.items() if flow.error is not None}
    assert all(isinstance(error, StuckFlowError) for error in failed.values()), failed
    return {name: str(error) for name, error in failed.items()}


@pytest.fixture
def stuck(spark: SparkSession, tmp_path: Path) -> Stuck:
    return Stuck(spark, tmp_path)


def test_vacuumed_and_recreated_sources_recover(stuck: Stuck) -> None:
    stuck.feed((1, 1), (2, 2))
    stuck.pipeline.update().raise_for_failure()
    stuck.feed((2, 3))
    stuck.feed((3, 4))
    stuck.sql("OPTIMIZE {events}")
    stuck.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    try:
        stuck.sql("VACUUM {events} RETAIN 0 HOURS")
    finally:
        stuck.spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    said = stuck.fails_twice("copy", "latest")
    for message in said.values():
        assert "version 1 of table main.outside.events has lost part-" in message
        assert "VACUUM takes every file" in message
    assert "--full-refresh-selection copy,of_copy makes copy and what streams" in said["copy"]
    assert "what is still in the source comes a second time" in said["copy"]
    stuck.take((said["copy"], FULL))
    stuck.take((said["latest"], RESET))
    stuck.check([(1, 1), (2, 2), (2, 3), (3, 4)])

    shutil.rmtree(stuck.events)
    stuck.feed((2, 3), (3, 4))
    stuck.feed((4, 5))
    said = stuck.fails_twice("copy", "latest")
    for message in said.values():
        assert "DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE" in message
        assert "its source was made anew" in message
    stuck.take((said["copy"], FULL), (said["latest"], FULL))
    stuck.check([(2, 3), (3, 4), (4, 5)])


def test_source_whose_log_was_cleaned_up_recovers(stuck: Stuck) -> None:
    stuck.feed((1, 1))
    stuck.sql("ALTER TABLE {events} SET TBLPROPERTIES (delta.checkpointInterval = '1')")
    stuck.pipeline.update().raise_for_failure()
    stuck.feed((2, 2))
    stuck.feed((2, 3))
    *old, _ = sorted((stuck.events / "_delta_log").glob("[0-9]*.json"))
    for commit in old:
        commit.unlink()
    said = stuck.fails_twice("copy", "latest")
    for message in said.values():
        assert "its source's log no longer goes back to what it has read" in message
    stuck.take((said["copy"], FULL), (said["latest"], RESET))
    stuck.check([(1, 1), (2, 2), (2, 3)])


def test_deleted_rows_and_damaged_checkpoints_recover(stuck: Stuck) -> None:
    stuck.feed((1, 1), (2, 2))
    stuck.pipeline.update().raise_for_failure()
    stuck.sql("DELETE FROM {events} WHERE id = 1")
    stuck.feed((3, 3))
    said = stuck.fails_twice("copy", "latest")
    for message in said.values():
        assert "DELTA_SOURCE_TABLE_IGNORE_CHANGES" in message
        assert "leave changed rows out by .option('skipChangeCommits', 'true')" in message
    stuck.take((said["copy"], FULL), (said["latest"], FULL))
    stuck.check([(2, 2), (3, 3)])

    stuck.sql("DELETE FROM {events} WHERE id = 2")
    stuck.feed((4, 4))
    stuck.fails_twice("copy", "latest")
    skips = SOURCE.replace("readStream.table", "readStream.option('skipChangeCommits', True).table")
    stuck.define(skips)
    stuck.check([(2, 2), (3, 3), (4, 4)])

    for flow, name in (("copy", "offsets"), ("latest", "commits")):
        folder = stuck.pipeline.place.flow(flow, flow)
        newest = max(folder.glob(f"checkpoint*/{name}/[0-9]*"), key=lambda file: int(file.name))
        newest.write_bytes(b"")
    stuck.feed((4, 6))
    said = stuck.fails_twice("copy", "latest")
    assert "offsets/" in said["copy"]
    assert "is damaged (0 bytes)" in said["copy"]
    assert "put the file back from a backup" in said["copy"]
    stuck.take((said["copy"], FULL))
    stuck.take((said["latest"], RESET))
    stuck.pipeline.update().raise_for_failure()
    # What was deleted at the source is gone from the table that was made anew, and from no other.
    assert stuck.rows("copy") == [(3, 3), (4, 4), (4, 6)]
    assert stuck.rows("latest") == [(2, 2), (3, 3), (4, 6)]


def test_changed_state_and_kept_tables_recover(spark: SparkSession, tmp_path: Path) -> None:
    stuck = Stuck(spark, tmp_path, TOTALS)
    stuck.feed((1, 1), (1, 2))
    stuck.pipeline.update().raise_for_failure()
    stuck.define(TOTALS.replace("F.sum", "F.count"))
    stuck.feed((1, 5))
    first, again = (stuck.pipeline.update().flows["totals"].error for _ in range(2))
    assert str(first) == str(again)
    assert "kept state for another query" in str(first)
    stuck.take((str(first), RESET))
    assert stuck.rows("totals") == [(1, 3)]

    stuck.define(TOTALS.replace("F.sum", "F.avg"))
    one, two = (str(stuck.pipeline.update().error) for _ in range(2))
    assert one == two
    assert "column 's' of 'totals' is stored as bigint, its query now gives double" in one
    stuck.take((one, FULL))
    assert stuck.rows("totals") == [(1, 8 / 3)]
    stuck.define(TOTALS)
    stuck.pipeline.update(full_refresh_selection=["totals"]).raise_for_failure()

    (metadata,) = stuck.pipeline.place.flow("kept", "kept").glob("checkpoint*/metadata")
    metadata.unlink()
    stuck.feed((2, 6))
    said = stuck.fails_twice("kept")
    assert "metadata is missing" in said["kept"]
    assert "--full-refresh-selection" not in said["kept"]  # its rows must be kept
    assert "what is still in the source comes a second time" in said["kept"]
    # Rows that are in the table are left out by the query, then its source is read from its start.
    stuck.define(TOTALS.replace('events")', 'events").where("id > 1")'))
    stuck.take((said["kept"], RESET))
    stuck.define(TOTALS)
    stuck.feed((3, 7))
    stuck.pipeline.update().raise_for_failure()
    assert stuck.rows("kept") == [(1, 1), (1, 2), (1, 5), (2, 6), (3, 7)]


RULE = SOURCE.replace(
    "@dlt.table\ndef copy", '@dlt.table\n@dlt.expect_or_fail("n", "n > 0")\ndef copy'
)


def test_fail_rule_over_a_table_recovers(spark: SparkSession, tmp_path: Path) -> None:
    stuck = Stuck(spark, tmp_path, RULE)
    stuck.feed((1, 1))
    stuck.pipeline.update().raise_for_failure()
    stuck.feed((2, 2), (3, -3))
    stuck.feed((4, 4))
    first, again = (stuck.pipeline.update().flows["copy"].error for _ in range(2))
    assert isinstance(first, ExpectationViolation)
    assert str(first) == str(again)
    assert "Violated expectations: 'n'. Input data: '{\"id\":3,\"n\":-3}'" in str(first)
    stuck.define(SOURCE)
    stuck.check([(1, 1), (2, 2), (3, -3), (4, 4)])

    stuck.define(RULE)
    stuck.feed((5, -5))
    error = stuck.pipeline.update().flows["copy"].error
    stuck.define(SOURCE)
    stuck.pipeline.update(refresh=["latest"]).raise_for_failure()
    stuck.sql("UPDATE {events} SET n = abs(n) WHERE n < 0")
    stuck.define(RULE)
    stuck.take((str(error), FULL))
    latest = stuck.pipeline.update().flows["latest"].error
    stuck.take((str(latest), FULL))
    stuck.check([(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)])
