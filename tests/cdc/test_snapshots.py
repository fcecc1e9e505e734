"""Snapshots compared by updates of a whole pipeline: Databricks' two examples, and what goes wrong.

Source: docs "The AUTO CDC APIs", periodic and historical snapshots, 2026-11-24.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.atomic import read_json, write_json
from dlt_stub.clock import ManualClock
from dlt_stub.errors import DltStubError
from dlt_stub.flows.progress import snapshots_of

PERIODIC = """
import dlt

@dlt.view
def accounts():
    return spark.read.format("delta").load(spark.conf.get("test.folder") + "/accounts")

for scd_type in (1, 2):
    dlt.create_streaming_table(f"periodic_{scd_type}")
    dlt.apply_changes_from_snapshot(
        target=f"periodic_{scd_type}", source="accounts", keys=["key"],
        stored_as_scd_type=scd_type,
    )
"""
HISTORICAL = """
import functools
import os
import dlt

folder = spark.conf.get("test.folder")

def following(suffix, latest):
    version = (latest or 0) + 1
    path = f"{folder}/{version}.{suffix}"
    if not os.path.exists(path):
        return None
    return spark.read.schema("key int, tracked string, other string").json(path), version

def declare(target, **arguments):
    dlt.create_streaming_table(target)
    dlt.apply_changes_from_snapshot(
        target=target, source=functools.partial(following, "json"), keys=["key"], **arguments
    )

declare("state", stored_as_scd_type="1")
declare("history", stored_as_scd_type=2)
declare("partly", stored_as_scd_type=2, track_history_column_list=["tracked"])
declare("mostly", stored_as_scd_type=2, track_history_except_column_list=["other"])
"""
FIRST = [(1, "a1", "b1"), (2, "a2", "b2"), (4, "a4", "b4")]
SECOND = [(2, "a2_new", "b2"), (3, "a3", "b3"), (4, "a4", "b4_new")]
MakePipeline = Callable[..., Pipeline]


@pytest.fixture
def pipeline_of(spark: SparkSession, tmp_path: Path) -> MakePipeline:
    """Make a pipeline of one source file."""

    def make(source: str, clock: ManualClock | None = None) -> Pipeline:
        (tmp_path / "root").mkdir(exist_ok=True)
        (tmp_path / "root" / "main.py").write_text(source, encoding="utf-8")
        return Pipeline(
            source=["main.py"],
            root=tmp_path / "root",
            storage=tmp_path / "workspace",
            catalog="main",
            schema="shop",
            name="shop",
            spark=spark,
            clock=clock,
            configuration={"test.folder": str(tmp_path)},
        )

    return make


def _put(tmp_path: Path, version: int, rows: list[tuple[Any, ...]]) -> None:
    lines = [json.dumps(dict(zip(("key", "tracked", "other"), row, strict=True))) for row in rows]
    (tmp_path / f"{version}.json").write_text("\n".join(lines), encoding="utf-8")


def _rows(pipeline: Pipeline, table: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in pipeline.table(table).collect()), key=repr)


def test_periodic_snapshots_take_ingestion_time(
    pipeline_of: MakePipeline, spark: SparkSession, tmp_path: Path
) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    pipeline = pipeline_of(PERIODIC, clock)
    accounts = str(tmp_path / "accounts")
    for rows in ([(1, "a1"), (2, "a2")], [(2, "b2"), (3, "a3")]):
        frame = spark.createDataFrame(rows, "key int, value string").coalesce(1)
        frame.write.format("delta").mode("overwrite").save(accounts)
        pipeline.update().raise_for_failure()
        clock.wait(3600)
    assert _rows(pipeline, "periodic_1") == [(2, "b2"), (3, "a3")]
    hours = [
        f"cast((unix_micros({name}) - unix_micros(timestamp'2026-01-01')) / 3.6e9 as int)"
        for name in ("__START_AT", "__END_AT")
    ]
    history = pipeline.table("periodic_2").selectExpr("key", "value", *hours)
    assert {tuple(row) for row in history.collect()} == {
        (1, "a1", 0, 1),
        (2, "a2", 0, 1),
        (2, "b2", 1, None),
        (3, "a3", 1, None),
    }


def test_historical_snapshots_are_taken_in_turn(pipeline_of: MakePipeline, tmp_path: Path) -> None:
    _put(tmp_path, 1, FIRST)
    _put(tmp_path, 2, SECOND)
    pipeline = pipeline_of(HISTORICAL)
    result = pipeline.update()
    result.raise_for_failure()
    assert result.flows["history"].metrics == {}
    assert _rows(pipeline, "state") == sorted(SECOND)
    in_part = [
        (1, "a1", "b1", 1, 2),
        (2, "a2", "b2", 1, 2),
        (2, "a2_new", "b2", 2, None),
        (3, "a3", "b3", 2, None),
    ]
    assert _rows(pipeline, "partly") == [*in_part, (4, "a4", "b4_new", 1, None)]
    assert _rows(pipeline, "mostly") == _rows(pipeline, "partly")
    assert _rows(pipeline, "history") == [
        *in_part,
        (4, "a4", "b4", 1, 2),
        (4, "a4", "b4_new", 2, None),
    ]
    kinds = {e.body["flow_type"] for e in result.events if e.event_type == "flow_definition"}
    assert kinds == {"SNAPSHOT_CHANGE"}

    # as two crashes leave it: one before the target's commit, and one after it
    _put(tmp_path, 3, [(1, "a1", "b1"), (4, "a4", "b4_new")])
    flow = pipeline.place.flow("state", "state")
    applied = read_json(snapshots_of(flow))["applied"]
    later = {**applied, "number": applied["number"] + 1, "version": 99}
    write_json(snapshots_of(flow), {"applied": applied, "begun": later})
    flow = pipeline.place.flow("history", "history")
    earlier = {**applied, "number": applied["number"] - 1, "version": 1}
    write_json(snapshots_of(flow), {"applied": earlier, "begun": applied})
    pipeline.update().raise_for_failure()
    assert _rows(pipeline, "state") == [(1, "a1", "b1"), (4, "a4", "b4_new")]
    assert read_json(snapshots_of(flow))["applied"] == {**applied, "number": 2, "version": 3}
    assert _rows(pipeline, "history") == [
        (1, "a1", "b1", 1, 2),
        (1, "a1", "b1", 3, None),
        (2, "a2", "b2", 1, 2),
        (2, "a2_new", "b2", 2, 3),
        (3, "a3", "b3", 2, 3),
        (4, "a4", "b4", 1, 2),
        (4, "a4", "b4_new", 2, None),
    ]


def test_wrong_snapshots_fail_their_flow(pipeline_of: MakePipeline) -> None:
    source = """
    import dlt

    def declare(name, *snapshots):
        def following(latest):
            position = 0 if latest is None else [v for _, v in snapshots].index(latest) + 1
            if position == len(snapshots):
                return None
            rows, version = snapshots[position]
            return spark.createDataFrame(rows, "key int, value string"), version
        dlt.create_streaming_table(name)
        dlt.apply_changes_from_snapshot(name, snapshot_and_version=following, keys=["key"],
                                        stored_as_scd_type=2)

    declare("late", ([(1, "a")], 2), ([(1, "b")], 1))
    declare("mixed", ([(1, "a")], "2026-01-01"), ([(1, "b")], 3))
    declare("doubled", ([(None, "a"), (None, "b")], 1))
    declare("empty", ([(1, "a"), (None, "b")], 1.5), ([], 2.5))
    """
    pipeline = pipeline_of(dedent(source))
    result = pipeline.update()
    errors = {name: str(flow.error) for name, flow in result.flows.items()}
    assert "got a snapshot of version 1 after 2: versions must ascend" in errors["late"]
    assert "got a snapshot of version 3 after '2026-01-01'" in errors["mixed"]
    assert 'has 2 rows of key {"key":null}; allowed: one row a key' in errors["doubled"]
    assert errors["empty"] == "None"
    assert _rows(pipeline, "late") == [(1, "a", 2, None)]
    assert _rows(pipeline, "empty") == [(1, "a", 1.5, 2.5), (None, "b", 1.5, 2.5)]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("lambda latest: spark.range(1)", "returned DataFrame; allowed: a batch DataFrame and its"),
        ("lambda latest: (7, 1)", r"returned \(int, int\)"),
        ("lambda latest: (spark.range(1), True)", "got a snapshot of version True; allowed"),
        ("lambda latest: (spark.readStream.format('rate').load(), 1)", "returned a streaming"),
        ("lambda latest: None", "has no snapshot yet, so the columns of 't' are not known"),
        ("lambda latest: 1 / 0", "raised ZeroDivisionError: division by zero"),
        ("'nowhere'", "reads 'nowhere'"),
        ("'stream'", "source data for snapshots must be a batch query; view 'stream' is a stream"),
    ],
)
def test_wrong_functions_are_named(pipeline_of: MakePipeline, function: str, said: str) -> None:
    pipeline = pipeline_of(
        "import dlt\ndlt.create_streaming_table('t')\n"
        f"dlt.apply_changes_from_snapshot('t', {function}, ['id'])\n"
        "@dlt.view\ndef stream():\n    return spark.readStream.format('rate').load()\n"
    )
    with pytest.raises(DltStubError, match=said) as caught:
        pipeline.resolve()
    assert str(caught.value.origin) == "main.py:3"


def test_batch_source_of_changes_is_refused(pipeline_of: MakePipeline) -> None:
    pipeline = pipeline_of(
        "import dlt\ndlt.create_streaming_table('t')\n"
        "dlt.apply_changes('t', 'v', ['id'], 'id')\n"
        "@dlt.view\ndef v():\n    return spark.range(1)\n"
    )
    with pytest.raises(DltStubError, match="must be a streaming query; view 'v' is a batch") as e:
        pipeline.resolve()
    assert str(e.value.origin) == "main.py:3"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("dlt.apply_changes('t', 's', ['id'], 'id', name='b')", "a target of snapshots has one"),
        ("dlt.apply_changes_from_snapshot('t', 's', ['id'], name='b')", "a target of snapshots"),
        ("dlt.append_flow(name='b', target='t')(lambda: spark.range(1))", "has an append flow"),
    ],
)
def test_target_of_snapshots_has_one_flow(pipeline_of: MakePipeline, other: str, said: str) -> None:
    pipeline = pipeline_of(
        "import dlt\ndlt.create_streaming_table('t')\n"
        f"dlt.apply_changes_from_snapshot('t', 's', ['id'], name='a')\n{other}\n"
    )
    with pytest.raises(DltStubError, match=said) as caught:
        pipeline.resolve()
    assert str(caught.value.origin) == "main.py:4"
