"""A batch that is in its table, but not in the ledger or checkpoint, is not written again."""

import subprocess
import sys
from pathlib import Path

import pytest

from dlt_stub import BusyError
from tests.update.conftest import PipelineOf
from tests.update.tables import counts, land, rows, versions

SOURCE = """
@dlt.table
@dlt.expect_or_drop("real", "id > 0")
def bronze():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "id INT").option("header", "true")
        .load(spark.conf.get("shop.landing")).drop("_rescued_data"))

@dlt.table
@dlt.expect("even", "id % 2 = 0")
def silver():
    return dlt.read_stream("bronze")
"""


def test_batch_of_files_is_written_once(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    land(tmp_path / "landing", "1.csv", "id", "1", "2", "-3")
    pipeline = pipeline_of(SOURCE, configuration={"shop.landing": str(tmp_path / "landing")})
    first = pipeline.update()
    first.raise_for_failure()
    # As a process leaves it that died between the commit of the table and that of the ledger.
    ledger = sorted((pipeline.place.flow("bronze", "bronze") / "source/ledger").glob("*"))
    lines = ledger[-1].read_text().splitlines(keepends=True)
    assert '"kind": "commit"' in lines[-1].replace('":"', '": "')
    ledger[-1].write_text("".join(lines[:-1]))
    before = versions(pipeline)
    again = pipeline.update()
    again.raise_for_failure()
    assert versions(pipeline) == before
    assert rows(pipeline, "bronze") == [(1,), (2,)]
    assert again.flows["bronze"].metrics == first.flows["bronze"].metrics
    assert counts(again, "bronze") == {"real": (2, 1)}


def test_batch_of_stream_is_written_once(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    land(tmp_path / "landing", "1.csv", "id", "1", "2")
    pipeline = pipeline_of(SOURCE, configuration={"shop.landing": str(tmp_path / "landing")})
    pipeline.update().raise_for_failure()
    checkpoint = pipeline.place.flow("silver", "silver") / "checkpoint"
    for commit in (checkpoint / "commits").glob("*"):
        commit.unlink()
    before = versions(pipeline)
    again = pipeline.update()
    again.raise_for_failure()
    assert versions(pipeline) == before
    assert rows(pipeline, "silver") == [(1,), (2,)]
    assert counts(again, "silver") == {"even": (1, 1)}
    land(tmp_path / "landing", "2.csv", "id", "4")
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "silver") == [(1,), (2,), (4,)]


HOLD = """
import sys
from pathlib import Path
from dlt_stub.locks import exclusive
with exclusive(Path(sys.argv[1]), what="an update of pipeline 'shop'"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_update_of_another_process_is_busy(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of("dlt.view(lambda: spark.range(1), name='v')\n")
    command = [sys.executable, "-c", HOLD, str(pipeline.place.lock)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"runs in process {other.pid}"):
            pipeline.update()
        assert pipeline.resolve().datasets["v"].is_view
        other.kill()
    assert pipeline.update().succeeded


def test_parallel_flows_write_their_own_ids(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = """
    for at in range(3):
        @dlt.table(name=f"t{at}")
        def query():
            return spark.readStream.format("delta").load(spark.conf.get("shop.source"))

        dlt.create_streaming_table(f"c{at}")
        dlt.apply_changes(target=f"c{at}", source=f"t{at}", keys=["id"], sequence_by="id")
    """
    place = str(tmp_path / "source")
    pipeline = pipeline_of(source, configuration={"shop.source": place})
    pipeline.spark.range(3).write.format("delta").save(place)
    pipeline.update().raise_for_failure()
    found = {}
    for log in (pipeline.paths.root / "tables").glob("*/*/*/_delta_log"):
        text = "".join(file.read_text() for file in log.glob("*.json"))
        found[log.parent.name] = {part.split('"')[0] for part in text.split('"appId":"')[1:]}
    assert set(found) >= {"t0", "t1", "t2", "c0", "c1", "c2"}
    for table, ids in found.items():
        name = table.removeprefix("__dlt_cdc_")
        assert {each.split("/", 1)[1] for each in ids} == {f"{name}/{name}"}, table
