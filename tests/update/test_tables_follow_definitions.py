from collections.abc import Callable
from pathlib import Path

import pytest
from delta.tables import DeltaTable

from dlt_stub import DltStubError, FlowError, GraphError, NotEmulatedError, Pipeline
from dlt_stub.engine.delta_log import TableLayout, read_table_layout
from dlt_stub.events import UpdateState
from tests.update.conftest import PipelineOf
from tests.update.tables import rows, versions

SOURCE = 'spark.readStream.format("delta").load(spark.conf.get("shop.source"))'


def layout(pipeline: Pipeline, table: str) -> TableLayout:
    found = read_table_layout(pipeline.spark, str(pipeline.place.table(table)))
    assert found is not None
    return found


def clustering(pipeline: Pipeline, table: str) -> list[str]:
    detail = DeltaTable.forPath(pipeline.spark, str(pipeline.place.table(table))).detail()
    return list(detail.select("clusteringColumns").collect()[0][0])


@pytest.fixture
def defined(pipeline_of: PipelineOf, tmp_path: Path) -> Callable[..., Pipeline]:
    """Make a pipeline of one table, ``t``, with the arguments of its decorator and its query."""
    source = tmp_path / "source"

    def make(arguments: str = "", query: str = SOURCE) -> Pipeline:
        text = f"@dlt.table(name='t', {arguments})\ndef t():\n    return {query}\n"
        pipeline = pipeline_of(text, configuration={"shop.source": str(source)})
        if not source.exists():
            frame = pipeline.spark.createDataFrame([(1, "a"), (2, "b")], "id int, k string")
            frame.coalesce(1).write.format("delta").save(str(source))
        return pipeline

    return make


Defined = Callable[..., Pipeline]
MV = "spark.createDataFrame([(1, 'a')], 'id int, k string')"


def test_materialized_view_keeps_its_layout(defined: Defined) -> None:
    pipeline = defined("partition_cols=['k'], table_properties={'quality': 'gold'}", MV)
    for _ in range(2):
        pipeline.update().raise_for_failure()
    found = layout(pipeline, "t")
    assert found.partition_columns == ("k",)
    assert found.properties["quality"] == "gold"
    other = defined("cluster_by=['k']", MV.replace("'id int", "'id long"))
    for _ in range(2):
        other.update().raise_for_failure()
    assert layout(other, "t").partition_columns == ()
    assert clustering(other, "t") == ["k"]
    assert other.table("t").schema["id"].dataType.simpleString() == "bigint"
    more = defined("cluster_by=['k']", "spark.range(1).withColumn('k', F.lit('z'))")
    more.update().raise_for_failure()
    assert rows(more, "t") == [(0, "z")]


def test_new_properties_reach_the_table(defined: Defined) -> None:
    pipeline = defined()
    pipeline.update().raise_for_failure()
    before = versions(pipeline)
    properties = "table_properties={'delta.enableChangeDataFeed': 'true', 'who\\'s': 'a\\\\b'}"
    changed = defined(properties)
    changed.update().raise_for_failure()
    assert layout(changed, "t").properties["delta.enableChangeDataFeed"] == "true"
    assert layout(changed, "t").properties["who's"] == "a\\b"
    assert versions(changed)["t"] == before["t"] + 1
    changed.update().raise_for_failure()
    assert versions(changed)["t"] == before["t"] + 1
    clustered = defined(f"{properties}, cluster_by=['id']")
    clustered.update().raise_for_failure()
    assert clustering(clustered, "t") == ["id"]


def test_databricks_own_properties_are_left_out(defined: Defined) -> None:
    own = "'delta.targetFileSize': '1mb', 'delta.isolationLevel': 'WriteSerializable'"
    pipeline = defined(f"table_properties={{{own}, 'quality': 'silver'}}")
    result = pipeline.update()
    result.raise_for_failure()
    notes = [event.message for event in result.events if event.level == "WARN"]
    assert [note.split(",")[0] for note in notes] == [
        "'t' has property delta.targetFileSize",
        "'t' has property delta.isolationLevel",
    ]
    assert "delta.targetFileSize" not in layout(pipeline, "t").properties
    before = versions(pipeline)
    pipeline.update().raise_for_failure()
    assert versions(pipeline) == before
    wrong = defined("table_properties={'pipelines.reset.allowed': 'maybe'}").update()
    assert "pipelines.reset.allowed of 't' is 'maybe'; allowed: true, false" in str(wrong.error)


def test_not_null_in_schema_is_kept(defined: Defined) -> None:
    nullable = SOURCE + ".withColumn('id', F.when(F.col('id') < 2, F.col('id')))"
    pipeline = defined("schema='id INT NOT NULL COMMENT \"the key\", k STRING, more INT'", nullable)
    result = pipeline.update()
    assert isinstance(result.error, FlowError)
    assert "NOT NULL constraint violated for column: id" in str(result.error)
    assert rows(pipeline, "t") == []
    good = defined("schema='id INT NOT NULL, k STRING, more INT'")
    good.update().raise_for_failure()
    assert rows(good, "t") == [(1, "a", None), (2, "b", None)]


@pytest.mark.parametrize(
    ("arguments", "query", "kind", "said"),
    [
        ("", MV, GraphError, "stored as STREAMING_TABLE, its definition now makes it MATERIALIZED"),
        ("", SOURCE + ".withColumn('id', F.lit(1.5))", GraphError, "stored as int, its query now"),
        ("partition_cols=['k']", SOURCE, GraphError, "stored partitioned by [], its definition"),
        ("schema='id INT, b INT GENERATED ALWAYS AS (id)'", SOURCE, NotEmulatedError, "generated"),
    ],
)
def test_change_that_needs_full_refresh_says_so(
    defined: Defined, arguments: str, query: str, kind: type[DltStubError], said: str
) -> None:
    defined().update().raise_for_failure()
    pipeline = defined(arguments, query)
    before = versions(pipeline)
    result = pipeline.update()
    assert type(result.error) is kind
    assert said in str(result.error)
    assert "main.py:3" in str(result.error)
    assert versions(pipeline) == before
    assert rows(pipeline, "t") == [(1, "a"), (2, "b")]
    if kind is GraphError:
        assert "--full-refresh-selection t" in str(result.error)
        pipeline.update(full_refresh_selection=["t"]).raise_for_failure()
        assert pipeline.table("t").count() in (1, 2)


def test_full_refresh_reads_all_again(defined: Defined, tmp_path: Path) -> None:
    pipeline = defined()
    pipeline.update().raise_for_failure()
    for number in (3, 4):
        frame = pipeline.spark.createDataFrame([(number, "c")], "id int, k string")
        frame.write.format("delta").mode("append").save(str(tmp_path / "source"))
        pipeline.update().raise_for_failure()
    result = pipeline.update(full_refresh=True)
    result.raise_for_failure()
    states = [e.body["state"] for e in result.events if e.event_type == "update_progress"]
    assert states == ["INITIALIZING", "RESETTING", "SETTING_UP_TABLES", "RUNNING", "COMPLETED"]
    assert pipeline.table("t").count() == 4
    assert result.flows["t"].metrics == {"num_output_rows": 4}
    assert pipeline.update().flows["t"].metrics == {}


def test_reset_that_is_not_allowed_keeps_rows(defined: Defined) -> None:
    pipeline = defined("table_properties={'pipelines.reset.allowed': 'false'}")
    pipeline.update().raise_for_failure()
    before = versions(pipeline)
    result = pipeline.update(full_refresh=True)
    result.raise_for_failure()
    assert versions(pipeline) == before
    notes = [event.message for event in result.events if event.level == "WARN"]
    assert notes == ["'t' keeps its rows: pipelines.reset.allowed is false"]


def test_interrupted_reset_is_finished(defined: Defined) -> None:
    pipeline = defined()
    pipeline.update().raise_for_failure()
    # As a process leaves it that died after the marker and the progress of the flows.
    marker = pipeline.place.reset_marker("t")
    marker.parent.mkdir(parents=True)
    marker.touch()
    for file in sorted(pipeline.place.target("t").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    pipeline.update().raise_for_failure()
    assert not marker.exists()
    assert rows(pipeline, "t") == [(1, "a"), (2, "b")]


def test_table_defined_under_two_names_is_refused(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of("""
    for name in ("orders", "shop.ORDERS"):
        dlt.table(name=name)(lambda: spark.range(1))
    """)
    result = pipeline.update()
    assert result.state is UpdateState.FAILED
    assert "'shop.ORDERS' and 'orders' are one table, defined twice" in str(result.error)
    assert versions(pipeline) == {}


def test_event_logs_name_is_taken(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of(
        "dlt.table(lambda: spark.range(1), name='main.shop.LOG')\n",
        event_log=("main", "shop", "log"),
    )
    result = pipeline.update()
    assert isinstance(result.error, GraphError)
    assert "'main.shop.LOG' is the name the pipeline's event log" in str(result.error)


def test_names_of_all_forms_are_one(pipeline_of: PipelineOf) -> None:
    pipeline = pipeline_of("""
    @dlt.table(name="`main`.other.`my-orders`")
    def _():
        return spark.range(2)

    @dlt.table
    def copy():
        return spark.read.table("MAIN.other.`my-orders`").union(dlt.read("other.`My-Orders`"))

    @dlt.table
    def copy_of_copy():
        return spark.table("LIVE.copy")
    """)
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "copy_of_copy") == [(0,), (0,), (1,), (1,)]
    assert rows(pipeline, "other.`my-orders`") == [(0,), (1,)]
    assert (pipeline.paths.root / "tables/main/other/my-orders/_delta_log").is_dir()
