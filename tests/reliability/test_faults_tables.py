"""Broken Delta logs, ledgers and event logs, and files that change while they are read.

Each fault is named with its file, and the way out that is named is gone.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from dlt_stub import StateError
from dlt_stub.testing import PipelineUnderTest
from dlt_stub.testing.fixtures import MakePipeline

WITHOUT_RIGHTS = "DLT_STUB_TEST_WITHOUT_RIGHTS"
SOURCE = """\
    import os

    import dlt

    GROWS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "GROWS")
    LOG = "{log}"


    @dlt.table(table_properties={"pipelines.reset.allowed": "false"})
    def landed():
        path = "/Volumes/main/default/landing/in"
        frame = (
            spark.readStream.format("cloudFiles")
            .option("cloudFiles.format", "csv")
            .option("cloudFiles.allowOverwrites", "true")
            .option("cloudFiles.maxFilesPerTrigger", "1")
            .option("cloudFiles.schemaHints", "n INT")
            .load(path)
            .select("n", "_metadata.file_size")
        )
        if os.path.exists(GROWS) and os.path.exists(LOG + "/00000000000000000001.json"):
            # The second batch: the size of its file is known, its rows are not read yet. The file
            # of the third has its batch, and is not looked at yet.
            os.unlink(GROWS)
            for name in ("2.csv", "3.csv"):
                with open(os.path.join(path, name), "a") as file:
                    file.write("12\\n13\\n")
        return frame


    @dlt.table
    def doubled():
        return spark.readStream.table("landed").selectExpr("n * 2 AS n")


    @dlt.table
    def told():
        return spark.read.table("main.default.happened").where("event_type = 'create_update'")
    """


@pytest.fixture
def pipeline(dlt_pipeline: MakePipeline, tmp_path: Path) -> PipelineUnderTest:
    file = tmp_path / "faulty.py"
    file.touch()
    made = dlt_pipeline(file, event_log=("main", "default", "happened"))
    file.write_text(dedent(SOURCE).replace("{log}", str(log_of(made, "landed"))))
    return made


def rows(pipeline: PipelineUnderTest, table: str) -> list[int]:
    return sorted(row.n for row in pipeline.table(table).collect())


def log_of(pipeline: PipelineUnderTest, table: str) -> Path:
    return pipeline.pipeline.place.table(table) / "_delta_log"


def cut(file: Path) -> bytes:
    """Cut a file short, as a disk that lost its last block; nobody's checksum stands beside it."""
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
    return whole


def fails(pipeline: PipelineUnderTest, **selection: tuple[str, ...]) -> str:
    """Update the pipeline, which must fail by a state that cannot be trusted; return the words."""
    failed = pipeline.try_update(**selection).error
    assert isinstance(failed, StateError), failed
    return str(failed)


def test_damage_is_named_and_mended(pipeline: PipelineUnderTest, tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        pipeline.put(f"in/{number}.csv", f"n\n{number}\n")
        pipeline.update()
    spark = pipeline.pipeline.spark
    assert rows(pipeline, "doubled") == [2, 4, 6, 8]

    # The newest commit of a table that can be made anew.
    newest = max(log_of(pipeline, "doubled").glob("*[0-9].json"))
    cut(newest)
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]
    words = fails(pipeline)
    assert f"the Delta log of table 'doubled' is damaged: {newest}: line" in words
    assert "--full-refresh-selection doubled" in words
    assert len(words.splitlines()) == 2
    pipeline.update(full_refresh_selection=("doubled",))
    assert rows(pipeline, "doubled") == [2, 4, 6, 8]

    # A commit of the table that must not be made anew: a backup of the file is the way out.
    newest = max(log_of(pipeline, "landed").glob("*[0-9].json"))
    whole = cut(newest)
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]
    words = fails(pipeline)
    assert f"the Delta log of table 'landed' is damaged: {newest}: line" in words
    assert "restore that file from a backup; 'landed' keeps its rows" in words
    newest.write_bytes(whole)

    # The ledger.
    (ledger,) = pipeline.pipeline.paths.root.glob("pipelines/*/flows/*landed/landed/source*/ledger")
    segment = min(ledger.iterdir())
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b'"kind"', b'"kin', 1))
    words = fails(pipeline)
    assert f"{segment}:1 is not JSON" in words
    assert "--reset-checkpoint-selection" in words
    pipeline.update(reset_checkpoint_selection=("landed",))
    assert rows(pipeline, "landed") == [
        1,
        1,
        2,
        2,
        3,
        3,
        4,
        4,
    ]

    # The event log.
    events = min(pipeline.pipeline.place.event_log.glob("*.json"))
    events.write_bytes(b"{no event\n" + events.read_bytes())
    words = fails(pipeline)
    assert f"event log segment {events}:1 is not an event" in words
    assert f"mv {events} /tmp" in words
    events.rename(tmp_path / events.name)
    pipeline.update()
    assert pipeline.table("told").count() > 4


def test_growing_file_is_read_whole_later(pipeline: PipelineUnderTest, tmp_path: Path) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    files = [
        pipeline.put(f"in/{n}.csv", f"n\n{n}\n", modified_at=noon + timedelta(minutes=n))
        for n in (1, 2, 3)
    ]
    small, large = len("n\n2\n"), len("n\n2\n12\n13\n")
    (tmp_path / "GROWS").touch()
    pipeline.update()
    assert not (tmp_path / "GROWS").exists()
    assert [file.stat().st_size for file in files] == [small, large, large]
    # The second was read as it was when its batch began; the third is for a later batch.
    read = {(row.n, row.file_size) for row in pipeline.table("landed").collect()}
    assert {(1, small), (2, small)} <= read <= {(1, small), (2, small), (12, small)}
    pipeline.update()
    whole = pipeline.table("landed").where(f"file_size = {large}").collect()
    assert sorted(row.n for row in whole) == [2, 3, 12, 12, 13, 13]
    before = rows(pipeline, "landed")
    pipeline.update()
    assert rows(pipeline, "landed") == before


def test_denied_file_is_named(pipeline: PipelineUnderTest) -> None:
    pipeline.put("in/1.csv", "n\n1\n")
    denied = pipeline.put("in/2.csv", "n\n2\n")
    denied.chmod(0)
    if os.access(denied, os.R_OK):  # root reads everything: this test again, without that right
        assert WITHOUT_RIGHTS not in os.environ, "setpriv took nothing away"
        rights = "-dac_override,-dac_read_search"
        setpriv = ("setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}")
        test = ("-p", "no:cacheprovider", f"{__file__}::test_denied_file_is_named")
        done = subprocess.run(
            [*setpriv, sys.executable, "-m", "pytest", *test],
            env={**os.environ, WITHOUT_RIGHTS: "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "1 passed" in done.stdout, done.stdout + done.stderr
        return
    failed = pipeline.try_update().error
    assert failed is not None
    assert str(denied) in str(failed)
    assert rows(pipeline, "landed") == [1]
    denied.chmod(0o600)
    pipeline.update()
    assert rows(pipeline, "landed") == [1, 2]
