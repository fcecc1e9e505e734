"""State of streams between Delta tables, kept in checkpoints from one update to the next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dlt_stub import GraphError, Pipeline
from tests.update.conftest import PipelineOf
from tests.update.tables import rows

SOURCES = """
import pandas as pd
from pyspark.sql import Row
from pyspark.sql.streaming import StatefulProcessor
from pyspark.sql.streaming.state import GroupStateTimeout

def events():
    return stream("events").withWatermark("at", "10 minutes")

def stream(name):
    return spark.readStream.format("delta").load(spark.conf.get("shop." + name))
"""
FLOWS = """
@dlt.table
@dlt.expect_or_drop("many", "n > 0")
def windows():
    counts = (F.count("*").alias("n"), F.sum("v").alias("s"))
    windows = events().groupBy(F.window("at", "5 minutes"), "k").agg(*counts)
    return windows.select("window.start", "k", "n", "s")

@dlt.table
def first_of_id():
    return events().dropDuplicatesWithinWatermark(["id"]).select("id", "k")

@dlt.table
def matched():
    clicks = stream("clicks").withWatermark("clicked_at", "10 minutes")
    near = "id = of_id AND clicked_at BETWEEN at AND at + INTERVAL 5 MINUTES"
    return events().join(clicks, F.expr(near), "left").select("id", "of_id").distinct()

@dlt.table
def named():
    names = spark.createDataFrame([("a", "Ann")], "k string, name string")
    return stream("events").join(names, "k", "left").groupBy("name").count()

def collect(key, frames, state):
    found = list(state.get[0]) if state.exists else []
    for frame in frames:
        found += frame["v"].tolist()
    state.update((found,))
    yield pd.DataFrame({"k": [key[0]], "seen": [sorted(found)]})

@dlt.table
def collected():
    types = ("k string, seen array<int>", "seenSoFar array<int>")
    return events().groupBy("k").applyInPandasWithState(
        collect, *types, "append", GroupStateTimeout.NoTimeout)

class Counter(StatefulProcessor):
    def init(self, handle):
        self.count = handle.getValueState("count", "n long")

    def handleInputRows(self, key, rows, timers):
        n = (self.count.get()[0] if self.count.exists() else 0) + len(list(rows))
        self.count.update((n,))
        yield Row(k=key[0], n=n)

    def close(self):
        pass

@dlt.table
def counted():
    return stream("events").groupBy("k").transformWithState(
        Counter(), "k string, n long", "append", "none")

@dlt.view
def once_each():
    return stream("events").dropDuplicates(["id"])

dlt.create_streaming_table("latest")
dlt.apply_changes(target="latest", source="once_each", keys=["k"], sequence_by="at")
"""


def minute(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)


def bag(pipeline: Pipeline, table: str) -> set[tuple[object, ...]]:
    return {tuple(row) for row in pipeline.table(table).collect()}


def put(pipeline: Pipeline, *events: tuple[int, str, int, int], clicks: dict[int, int]) -> None:
    """Append events (id, k, minute, v), and clicks by the id they are of (minute)."""
    frames = {
        "events": (
            [(id_, k, minute(at), v) for id_, k, at, v in events],
            "id int, k string, at timestamp, v int",
        ),
        "clicks": (
            [(of_id, minute(at)) for of_id, at in clicks.items()],
            "of_id int, clicked_at timestamp",
        ),
    }
    for name, (found, schema) in frames.items():
        frame = pipeline.spark.createDataFrame(found, schema).coalesce(1)
        frame.write.format("delta").mode("append").save(pipeline.configuration[f"shop.{name}"])


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    return {f"shop.{name}": str(tmp_path / name) for name in ("events", "clicks")}


def test_state_is_kept_between_updates(pipeline_of: PipelineOf, sources: dict[str, str]) -> None:
    pipeline = pipeline_of(SOURCES + FLOWS, configuration=sources)
    put(pipeline, (1, "a", 0, 1), (1, "a", 0, 1), (2, "b", 2, 2), clicks={1: 1})
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "windows") == []  # no window is over
    assert rows(pipeline, "first_of_id") == [(1, "a"), (2, "b")]
    assert rows(pipeline, "matched") == [(1, 1)]
    assert rows(pipeline, "collected") == [("a", [1, 1]), ("b", [2])]

    # Id 1 comes again, and late; minute 40 ends every window before minute 30.
    put(pipeline, (1, "a", 3, 7), (3, "a", 40, 3), clicks={3: 41})
    result = pipeline.update()
    result.raise_for_failure()
    start = minute(0).replace(tzinfo=None)
    assert rows(pipeline, "windows") == [(start, "a", 3, 9), (start, "b", 1, 2)]
    assert result.flows["windows"].metrics == {"num_output_rows": 2}
    assert rows(pipeline, "first_of_id") == [(1, "a"), (2, "b"), (3, "a")]
    assert bag(pipeline, "matched") == {(1, 1), (1, None), (2, None), (3, 3)}
    assert bag(pipeline, "named") == {("Ann", 4), (None, 1)}
    assert rows(pipeline, "collected")[-1] == ("b", [2])
    assert ("a", [1, 1, 3, 7]) in rows(pipeline, "collected")
    assert rows(pipeline, "counted") == [("a", 2), ("a", 4), ("b", 1)]
    assert [row[:2] for row in rows(pipeline, "latest")] == [(2, "b"), (3, "a")]

    # A row behind the watermark is no part of a window that is over.
    put(pipeline, (4, "a", 1, 100), clicks={})
    again = pipeline.update(refresh=["windows"])
    again.raise_for_failure()
    assert rows(pipeline, "windows") == [(start, "a", 3, 9), (start, "b", 1, 2)]


QUERY = """
@dlt.table
def t():
    return QUERY
"""


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            'events().dropDuplicates(["k"])',
            'events().dropDuplicates(["id"])',
            "kept state for another query: Deduplicate (k); its query now keeps Deduplicate (id)",
        ),
        (
            'stream("events").groupBy("k").agg(F.sum("v").alias("n"))',
            'stream("events").groupBy("k").agg(F.count("v").alias("n"))',
            "Aggregate (k) (k, count(v))",
        ),
        ("events()", 'events().dropDuplicates(["id"])', "keeps Deduplicate (id)"),
        (
            'events().select("id")',
            'events().select("id").union(stream("clicks").select("of_id"))',
            "it reads more or fewer sources now",
        ),
    ],
    ids=["keys", "function", "operator", "sources"],
)
def test_changed_state_needs_a_full_refresh(
    pipeline_of: PipelineOf, sources: dict[str, str], before: str, after: str, said: str
) -> None:
    pipeline = pipeline_of(SOURCES + QUERY.replace("QUERY", before), configuration=sources)
    put(pipeline, (1, "a", 0, 1), clicks={1: 1})
    pipeline.update().raise_for_failure()
    put(pipeline, (2, "a", 1, 1), clicks={1: 1})
    changed = pipeline_of(SOURCES + QUERY.replace("QUERY", after), configuration=sources)
    result = changed.update()
    assert result.error is not None
    assert said in str(result.error)
    assert "--full-refresh-selection t" in str(result.error)
    assert "--reset-checkpoint-selection t" in str(result.error)
    changed.update(reset_checkpoint_selection=["t"]).raise_for_failure()
    changed.update().raise_for_failure()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            'events().select("id", F.col("v").alias("ID"))',
            "flow 't' gives column 'ID' of 't' twice",
        ),
        (
            'events().select("id", F.struct("v", F.lit(None).alias("n")).alias("s"))',
            "[DELTA_NULL_SCHEMA_IN_STREAMING_WRITE] column 's' of flow 't' is of type struct<v:int",
        ),
    ],
)
def test_columns_no_stream_can_write_are_named(
    pipeline_of: PipelineOf, sources: dict[str, str], query: str, said: str
) -> None:
    pipeline = pipeline_of(SOURCES + QUERY.replace("QUERY", query), configuration=sources)
    put(pipeline, (1, "a", 0, 1), clicks={})
    result = pipeline.update(validate_only=True)
    assert said in str(result.error)
    assert not isinstance(result.error, GraphError)
