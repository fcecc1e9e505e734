from pathlib import Path

import pytest

from dlt_stub import DefinitionError, DltStubError, NotEmulatedError, UsageError
from tests.update.conftest import Outside, PipelineOf
from tests.update.tables import bodies, land, rows

SINKS = """
from delta.tables import DeltaTable

dlt.create_sink("by_path", "delta", {"path": "/Volumes/main/default/out/numbers"})
dlt.create_sink("by_name", "delta", {"tableName": "main.exported.numbers"})
dlt.create_sink("nobody_writes", "delta", {"tableName": "main.exported.nothing"})
dlt.create_sink("with-hyphen", "DELTA", {"TABLENAME": "main.exported.with-hyphen"})

@dlt.append_flow(target="with-hyphen")
def to_hyphen():
    return dlt.read_stream("numbers")

@dlt.view
@dlt.expect_or_drop("positive", "id > 0")
def numbers():
    return spark.readStream.table("main.outside.numbers")

@dlt.append_flow(target="by_path")
def to_path():
    return dlt.read_stream("numbers")

@dlt.append_flow(target="by_name")
def to_table():
    return dlt.read_stream("numbers").withColumn("origin", F.lit("stream"))

@dlt.append_flow(target="by_name", once=True)
def backfill():
    return spark.range(7, 8).withColumn("origin", F.lit("backfill"))

@dlt.foreach_batch_sink(name="by_function")
def upsert(df, batch_id):
    session = df.sparkSession
    assert df.count() == len(df.collect())  # evaluated twice, counted once
    name = "main.exported.latest"
    if not session.catalog.tableExists(name):
        df.withColumn("batch", F.lit(batch_id)).write.saveAsTable(name)
        return
    df.createOrReplaceTempView("changes")
    session.sql(f"MERGE INTO {name} t USING changes s ON t.id = s.id "
        f"WHEN NOT MATCHED THEN INSERT (id, batch) VALUES (s.id, {batch_id})")
    DeltaTable.forName(session, name).update("id = 2", {"batch": F.lit(99)})
    df.write.mode("append").parquet("/Volumes/main/default/out/parquet")

@dlt.append_flow(target="by_function")
def to_function():
    return dlt.read_stream("numbers")
"""
FILES = """
@dlt.foreach_batch_sink
def files(df, batch_id):
    df.select("id", F.lit(batch_id).alias("batch")).write.mode("append").saveAsTable("main.x.files")

@dlt.append_flow(target="files")
def load():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .load(spark.conf.get("landing")))
"""


def test_sinks_get_each_row_once(pipeline_of: PipelineOf, outside: Outside) -> None:
    outside("numbers", [(1,), (2,), (-1,)], "id BIGINT")
    pipeline = pipeline_of(SINKS)
    by_path = pipeline.paths.to_local("/Volumes/main/default/out/numbers")

    def written() -> list[int]:
        return sorted(row.id for row in pipeline.spark.read.format("delta").load(by_path).collect())

    first = pipeline.update()
    first.raise_for_failure()
    assert written() == [1, 2]
    assert rows(pipeline, "main.exported.numbers") == [
        (1, "stream"),
        (2, "stream"),
        (7, "backfill"),
    ]
    assert rows(pipeline, "main.exported.latest") == [(1, 0), (2, 0)]
    for flow in ("to_path", "to_table", "to_function", "to_hyphen"):
        assert first.flows[flow].metrics == {"num_output_rows": 2}, flow
        assert first.flows[flow].dropped_records == 1, flow
    formats = {body["format"] for body in bodies(first, "sink_definition")}
    assert formats == {"delta", "foreachBatch"}
    outputs = {body.get("output_sink") for body in bodies(first, "flow_definition")}
    assert outputs == {None, "by_path", "by_name", "by_function", "with-hyphen"}

    outside("numbers", [(3,)], "id BIGINT")
    pipeline.update().raise_for_failure()
    assert written() == [1, 2, 3]
    assert rows(pipeline, "main.exported.latest") == [(1, 0), (2, 99), (3, 1)]
    parquet = pipeline.paths.to_local("/Volumes/main/default/out/parquet")
    assert [row.id for row in pipeline.spark.read.parquet(parquet).collect()] == [3]

    # A full refresh reads everything again and clears no sink.
    pipeline.update(full_refresh=True).raise_for_failure()
    assert written() == [1, 1, 2, 2, 3, 3]
    assert len(rows(pipeline, "main.exported.numbers")) == 8
    assert {batch for _, batch in rows(pipeline, "main.exported.latest")} == {0, 1, 99}


def test_file_batches_reach_a_function(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    land(tmp_path / "in", "a.csv", "id", "1", "2")
    pipeline = pipeline_of(FILES, configuration={"landing": str(tmp_path / "in")})
    pipeline.update().raise_for_failure()
    land(tmp_path / "in", "b.csv", "id", "3")
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "main.x.files") == [("1", 0), ("2", 0), ("3", 1)]


SINK = "dlt.create_sink('s', 'delta', {'path': '/Volumes/a/b/c/d'})"
STREAM = "def f():\n    return spark.readStream.format('rate').load()"
BATCH = "def t():\n    return spark.range(1)"
INTO = "@dlt.append_flow(target='s')"
TABLE = f"@dlt.table\n{BATCH}"
# What is declared, line by line; what it raises; what that says.
REFUSED: list[tuple[list[str], type[DltStubError], str]] = [
    (["dlt.create_sink('s', 'kafka', {'topic': 't'})"], NotEmulatedError, "no service to write"),
    (["dlt.create_sink('s', 'delta')"], DefinitionError, "names no table"),
    (["dlt.create_sink('s', 'delta', {'tableName': 'a.b'})"], DefinitionError, "fully qualified"),
    ([SINK.replace("}", ", 'mode': 'x'}")], NotEmulatedError, "option 'mode' of Delta sink 's'"),
    ([SINK, INTO, BATCH], DefinitionError, "is a batch query, but its target 's' is a sink"),
    ([SINK, INTO, f"{STREAM}.groupBy('value').count()"], DefinitionError, "without watermark"),
    (
        [SINK, INTO, STREAM, TABLE.replace("spark.range(1)", "dlt.read('s')")],
        DefinitionError,
        "a sink",
    ),
    (
        [SINK, "@dlt.view", STREAM, "dlt.apply_changes('s', 'f', ['value'], 'timestamp')"],
        DefinitionError,
        "sinks take append flows only",
    ),
    (
        [TABLE, "@dlt.table", "def u():", "    dlt.read('t').count()", "    return spark.range(1)"],
        NotEmulatedError,
        "count in a query function that reads this pipeline's datasets",
    ),
    (
        [TABLE, "@dlt.table", "def u():", "    dlt.read('t').rdd.collect()"],
        NotEmulatedError,
        "rdd in a query function",
    ),
    ([SINK.replace("/Volumes", "s3://bucket")], NotEmulatedError, "storage of elsewhere"),
    (
        ["@dlt.table", "def t():", "    spark.range(1).write.save('/Volumes/a/b/c/d')"],
        DefinitionError,
        r"a query function writes \(write\)",
    ),
    (
        [f"{TABLE}.groupBy('id').pivot('id').count()"],
        DefinitionError,
        r"pivot\(\) is not supported",
    ),
]


@pytest.mark.parametrize(("lines", "kind", "said"), REFUSED)
def test_what_sinks_and_queries_must_not(
    pipeline_of: PipelineOf, lines: list[str], kind: type[DltStubError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        pipeline_of("\n".join(lines)).update(validate_only=True).raise_for_failure()


def test_code_outside_queries_may_act(pipeline_of: PipelineOf, outside: Outside) -> None:
    outside("names", [("a",), ("b",)], "name STRING")
    source = """
    names = [row.name for row in spark.read.table("main.outside.names").collect()]
    spark.range(2).write.mode("overwrite").saveAsTable("main.outside.made")
    for name in names:
        @dlt.table(name=name)
        def query():
            assert spark.table("main.outside.names").count() == 2
            return spark.table("main.outside.made")
    spark.range(1).write.saveAsTable("main.shop.made_by_a_pipeline")
    """
    pipeline = pipeline_of(source.rsplit("\n    spark.range(1)", 1)[0])
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "a") == rows(pipeline, "b") == [(0,), (1,)]
    again = pipeline_of(source.replace("made_by_a_pipeline", "a"), name="other")
    with pytest.raises(DltStubError, match=r"main\.shop\.a is made by a pipeline") as caught:
        again.update().raise_for_failure()
    assert isinstance(caught.value, UsageError)


FAILING = """
@dlt.foreach_batch_sink
def broken(df, batch_id):
    raise ValueError(f"batch {batch_id} of {df.count()} rows")

@dlt.append_flow(target="broken")
def into_broken():
    return spark.readStream.table("main.outside.numbers")

dlt.create_streaming_table("whole")

@dlt.append_flow(target="whole", once=True)
def backfill():
    return spark.read.table("main.outside.numbers")
"""


def test_failures_and_redone_backfills_leave_rows_once(
    pipeline_of: PipelineOf, outside: Outside
) -> None:
    outside("numbers", [(1,), (2,)], "id BIGINT")
    pipeline = pipeline_of(FAILING)
    result = pipeline.update()
    assert "main.py:6: flow 'into_broken' failed: batch 0 of 2 rows" in str(result.error)
    assert rows(pipeline, "whole") == [(1,), (2,)]
    # As if the process had been killed between the commit and the mark that says it is done: by
    # then nobody had been told of the rows.
    (done,) = pipeline.place.target("whole").glob("backfill/once*/done")
    done.unlink()
    again = pipeline.update(refresh=["whole"])
    again.raise_for_failure()
    assert again.flows["backfill"].metrics == {"num_output_rows": 2}
    assert rows(pipeline, "whole") == [(1,), (2,)]
    assert done.exists()
