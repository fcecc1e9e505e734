import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from dlt_stub import Pipeline
from dlt_stub.clock import ManualClock
from dlt_stub.cloud_files import cleaning_of
from dlt_stub.errors import NotEmulatedError, SourceError
from dlt_stub.paths import WorkspacePaths
from dlt_stub.testing.pipeline import PipelineUnderTest

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from tests.cloud_files.conftest import Landing

DAY = 24 * 3600
SOURCE = """
import dlt

@dlt.table
def files():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.allowOverwrites", "true").options(**OPTIONS)
        .load("/Volumes/main/shop/landing/in"))
"""
STATE = """SELECT substring_index(path, '/', -1), archive_mode,
 substring_index(move_location, 'landing/', -1), size, create_time < discovery_time,
 source_id, flow_name, commit_time, archive_time
 FROM cloud_files_state(TABLE(files)) ORDER BY 1"""


def pipeline_of(
    spark: "SparkSession", tmp_path: "Path", clock: ManualClock, **options: str
) -> Pipeline:
    named = {name.replace("__", "."): value for name, value in options.items()}
    (tmp_path / "main.py").write_text(SOURCE.replace("OPTIONS", repr(named)), encoding="utf-8")
    (tmp_path / "workspace/volumes/main/shop/landing/in/sub").mkdir(parents=True, exist_ok=True)
    return Pipeline(
        source=[tmp_path / "main.py"],
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        spark=spark,
        clock=clock,
    )


def test_committed_files_are_moved_in_time(spark: "SparkSession", tmp_path: "Path") -> None:
    landing = tmp_path / "workspace/volumes/main/shop/landing"
    clock = ManualClock(datetime(2026, 1, 2, tzinfo=UTC))
    options = {
        "inferSchema": "true",
        "cloudFiles__cleanSource": "move",
        "cloudFiles__cleanSource__retentionDuration": "1 day",
        "cloudFiles__cleanSource__moveDestination": "/Volumes/main/shop/landing/archive",
    }
    pipeline = pipeline_of(spark, tmp_path, clock, **options)
    for name in ("in/a.csv", "in/sub/b.csv", "in/c.csv"):
        (landing / name).write_text("id\n1\n")
        os.utime(landing / name, (1_700_000_000, 1_700_000_000))
    pipeline.update().raise_for_failure()
    assert (landing / "in/a.csv").exists()
    said = [event.message for event in pipeline.event_records()]
    assert any(text.startswith("files: option inferSchema has no effect") for text in said)
    clock.wait(2 * DAY)
    (landing / "in/c.csv").write_text("id\n2\n3\n")  # its new rows are committed just now
    pipeline.update().raise_for_failure()
    found = sorted(str(file.relative_to(landing)) for file in landing.rglob("*.csv"))
    assert found == ["archive/a.csv", "archive/sub/b.csv", "in/c.csv"]
    assert pipeline.table("files").count() == 5
    rows = [tuple(row) for row in PipelineUnderTest(pipeline).sql(STATE).collect()]
    assert [row[:7] for row in rows] == [
        ("a.csv", "MOVE", "archive/a.csv", 5, True, "0", "files"),
        ("b.csv", "MOVE", "archive/sub/b.csv", 5, True, "0", "files"),
        ("c.csv", None, None, 7, False, "0", "files"),
    ]
    assert rows[0][7] < rows[0][8] == rows[2][7]


def test_dry_run_refuses_wrong_cleaning(spark: "SparkSession", tmp_path: "Path") -> None:
    clock = ManualClock(datetime(2026, 1, 2, tzinfo=UTC))
    options = {
        "cloudFiles__schemaHints": "id INT",
        "cloudFiles__cleanSource": "DELETE",
        "cloudFiles__cleanSource__retentionDuration": "1 week",
    }
    pipeline = pipeline_of(spark, tmp_path, clock, **options)
    result = pipeline.update(validate_only=True)
    assert "main.py:" in str(result.error)
    assert "is not more than 7 days" in str(result.error)
    with pytest.raises(NotEmulatedError, match="of a checkpoint's path is not emulated"):
        PipelineUnderTest(pipeline).sql("SELECT * FROM cloud_files_state('/some/checkpoint')")


def test_old_files_are_deleted_when_asked(landing: "Landing") -> None:
    landing.options["cloudFiles.cleanSource"] = "DELETE"
    paths = WorkspacePaths.at(landing.flow / "workspace")
    clean = cleaning_of(
        landing.spark,
        path=str(landing.folder),
        options=landing.source.options,
        paths=paths,
        origin=None,
    )
    assert clean is not None
    assert clean.retention.days == 30
    done, changed = landing.land("a.csv", "id\n1\n"), landing.land("b.csv", "id\n1\n")
    landing.ingest()
    landing.land("b.csv", "id\n2\n")
    late = landing.land("late.csv", "id\n1\n")
    landing.plan()
    clean.clean(landing.spark, landing.state, datetime.now(UTC))
    assert done.exists()
    clean.clean(landing.spark, landing.state, datetime.now(UTC) + 2 * clean.retention)
    assert [file.exists() for file in (done, changed, late)] == [False, True, True]
    archived = {file.path: file.archive_mode for file in landing.state.files()}
    assert archived == {str(done): "DELETE", str(changed): None, str(late): None}


@pytest.mark.parametrize(
    ("mode", "retention", "destination", "message"),
    [
        ("DELETE", "7 days", None, "is not more than 7 days"),
        ("DELETE", "soon", None, "is no interval"),
        ("MOVE", "1 minute", None, "needs an option that says where to"),
        ("MOVE", "1 minute", "/Volumes/a/b/c/in/done", "lies in the source folder"),
        ("MOVE", "1 minute", "/Volumes/a/b/other", "is not in the volume of the source"),
    ],
)
def test_wrong_cleaning_is_refused(
    landing: "Landing", mode: str, retention: str, destination: str | None, message: str
) -> None:
    paths = WorkspacePaths.at(landing.flow)
    landing.options["cloudFiles.cleanSource"] = mode
    landing.options["cloudFiles.cleanSource.retentionDuration"] = retention
    if destination is not None:
        landing.options["cloudFiles.cleanSource.moveDestination"] = destination
    options = landing.source.options

    def cleaning(path: str) -> object:
        return cleaning_of(landing.spark, path=path, options=options, paths=paths, origin=None)

    with pytest.raises(SourceError, match=message):
        cleaning(paths.to_local("/Volumes/a/b/c/in"))
    if destination is not None:
        with pytest.raises(NotEmulatedError, match="only local files are cleaned"):
            cleaning("gs://bucket/in")
