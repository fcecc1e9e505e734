"""Hostile names of files, columns, tables and rules in pipelines: they stay names and values."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from urllib.parse import unquote

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.events import UpdateState
from dlt_stub.paths import decode_file_path

FILES = (
    "x%2f..%2f..%2fetc%2fpasswd.csv", "%2e%2e.csv", "-rf.csv", "[a].csv", "{a,b}.csv", "*.csv",
    "a?.csv", "$(touch x).csv", "`x`.csv", "${spark.x}.csv", "'; DROP TABLE t; --.csv",
    "a\nb.csv", "\x1b[2J.csv", "\u202evsc.csv", "a+b c.csv", "\\..\\x.csv", "~root.csv", "ü.csv",
    "%.csv", "a%zz.csv", "a#b?c&d=e.csv",
)  # fmt: skip
COLUMNS = (
    "id", "a`b", "a'b", "a.b", "${id}", "<script>", "[red]x[/red]", "../x", "%2e%2e", "--", "a\\b",
    "`id`", "id)", "$(id)", "id`, (SELECT 1) AS `x", "ü",
)  # fmt: skip
SOURCE = """
import dlt
from pyspark.sql import functions as F

MAPPED = {"delta.columnMapping.mode": "name"}  # Delta's own names have no commas and brackets

@dlt.table(name="`t'a-b`", partition_cols=["where"], table_properties=MAPPED)
@dlt.expect("x') --`\\"${id}[red]", "`id` > 0")
@dlt.expect("../../x", "`a'b` <> 'no'")
def files():
    return (
        spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("header", "true").option("cloudFiles.inferColumnTypes", "true")
        .load("/Volumes/main/shop/landing")
        .withColumn("where", F.col("_metadata.file_name"))
        .withColumn("file", F.col("_metadata.file_path"))
    )

dlt.create_streaming_table("`latest-'`", table_properties=MAPPED)
dlt.apply_changes("`latest-'`", "`t'a-b`", keys=["a`b"], sequence_by="id", name="flow '`")
"""
PipelineOf = Callable[..., Pipeline]


@pytest.fixture
def pipeline_of(spark: SparkSession, tmp_path: Path) -> PipelineOf:
    """Make a pipeline of one source text, in a workspace beside a folder ``outside``."""
    (tmp_path / "outside").mkdir()

    def make(source: str) -> Pipeline:
        (tmp_path / "main.py").write_text(dedent(source), encoding="utf-8")
        (tmp_path / "ws/volumes/main/shop/landing").mkdir(parents=True, exist_ok=True)
        return Pipeline(
            source=[tmp_path / "main.py"],
            storage=tmp_path / "ws",
            catalog="main",
            schema="shop",
            spark=spark,
        )

    return make


def entries(root: Path) -> set[str]:
    return {each.name for each in root.iterdir()}


def test_hostile_files_and_headers_are_data(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    pipeline = pipeline_of(SOURCE)
    landing = tmp_path / "ws/volumes/main/shop/landing"
    before = entries(tmp_path)
    header = ",".join('"' + name.replace('"', '""') + '"' for name in COLUMNS)
    for number, name in enumerate(FILES, start=1):
        values = ",".join(f"'; v{number}" for _ in COLUMNS[1:])
        (landing / name).write_text(f"{header}\n{number},{values}\n", encoding="utf-8")
    update = pipeline.update()
    update.raise_for_failure()
    table = pipeline.table("`t'a-b`")
    assert table.columns[: len(COLUMNS)] == list(COLUMNS)
    rows = {row["id"]: row.asDict() for row in table.collect()}
    for number, name in enumerate(FILES, start=1):
        assert decode_file_path(rows[number]["file"]) == str(landing / name)
        assert unquote(rows[number]["where"]) == name  # Spark encodes it as it does the path
        assert {rows[number][column] for column in COLUMNS[1:]} == {f"'; v{number}"}
    assert pipeline.table("`latest-'`").count() == len(FILES)
    names = {
        rule.name: rule.passed_records
        for flow in update.flows.values()
        for rule in flow.expectations
    }
    assert names == {"x') --`\"${id}[red]": len(FILES), "../../x": len(FILES)}
    assert entries(tmp_path) == before
    assert entries(tmp_path / "outside") == set()


OUT = "../../../../outside/x"
DECLARED = (
    f"@dlt.table(name='`{OUT}`')",
    f"@dlt.table(name='main.`{OUT}`.t')",
    f"@dlt.table(name='`{OUT}`.shop.t')",
    "@dlt.table(name='`a\\x1b[2J`')",
    "@dlt.table(name='`a b`')",
    "@dlt.table(path='/etc/x')",
)


@pytest.mark.parametrize("decorator", [*DECLARED, "append_flow"])
def test_declared_names_do_not_lead_out(
    pipeline_of: PipelineOf, tmp_path: Path, decorator: str
) -> None:
    if decorator == "append_flow":
        decorator = f"dlt.create_streaming_table('t')\n@dlt.append_flow(target='t', name='{OUT}')"
    query = "spark.range(1)"
    if "append_flow" in decorator:
        query = READERS[0].replace("FOLDER", "'/Volumes/main/shop/landing'")
    pipeline = pipeline_of(f"import dlt\n{decorator}\ndef t():\n    return {query}\n")
    (tmp_path / "ws/volumes/main/shop/landing/a.csv").write_text("id\n1\n", encoding="utf-8")
    update = pipeline.update()
    assert update.state is UpdateState.FAILED
    said = str(update.error)
    assert "cannot be the name of a" in said or "dlt.table(path=...) is not run" in said, said
    assert entries(tmp_path / "outside") == set()
    assert not (tmp_path / "ws" / "tables").exists()


def test_sql_names_do_not_lead_out(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "main.sql"
    for name in (f"`{OUT}`", f"`{OUT}`.t", "`a b`"):
        file.write_text(f"CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS x", encoding="utf-8")
        pipeline = Pipeline(
            source=[file], storage=tmp_path / "ws", catalog="main", schema="shop", spark=spark
        )
        update = pipeline.update()
        assert "cannot be the name of a" in str(update.error)
    assert not (tmp_path / "ws" / "tables").exists()
    log = ("main", "shop", "../x")
    pipeline = Pipeline(
        source=[file], storage=tmp_path / "ws", catalog="main", schema="shop", spark=spark,
        event_log=log,
    )  # fmt: skip
    assert "cannot be the name of a" in str(pipeline.update().error)


READ = """
import dlt

@dlt.table
def t():
    return READER
"""
READERS = (
    'spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv").load(FOLDER)',
    "spark.read.text(FOLDER)",
    'spark.read.format("text").load(FOLDER + "/*")',
    'spark.read.text(FOLDER + "/link.csv")',
)


@pytest.mark.parametrize("reader", READERS)
def test_links_in_the_landing_folder_are_refused(
    pipeline_of: PipelineOf, tmp_path: Path, reader: str
) -> None:
    pipeline = pipeline_of(
        READ.replace("READER", reader.replace("FOLDER", "'/Volumes/main/shop/landing'"))
    )
    (tmp_path / "outside" / "secret.csv").write_text("id\nsecret\n", encoding="utf-8")
    landing = tmp_path / "ws/volumes/main/shop/landing"
    (landing / "a.csv").write_text("id\n1\n", encoding="utf-8")
    (landing / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    update = pipeline.update()
    assert update.state is UpdateState.FAILED
    assert "symbolic link" in str(update.error)
    (landing / "link.csv").unlink()
    if "link.csv" not in reader:
        pipeline.update().raise_for_failure()
        assert pipeline.table("t").count() > 0


def test_workers_cannot_read_what_lies_outside(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    pipeline = pipeline_of("""
        import dlt
        from pyspark.sql import functions as F

        @F.udf
        def read(path):
            try:
                with open(path) as file:
                    return file.read()
            except RuntimeError as error:
                return str(error)

        @dlt.table
        def t():
            paths = [("/Volumes/main/shop/landing/../../../../../outside/secret",),
                     ("/Volumes/main/shop/landing/link",), ("/Volumes/main/shop/landing/a",)]
            return spark.createDataFrame(paths, "path string").select(read("path").alias("x"))
        """)
    (tmp_path / "outside" / "secret").write_text("secret", encoding="utf-8")
    landing = tmp_path / "ws/volumes/main/shop/landing"
    (landing / "a").write_text("mine", encoding="utf-8")
    (landing / "link").symlink_to(tmp_path / "outside" / "secret")
    pipeline.update().raise_for_failure()
    said = sorted(row["x"] for row in pipeline.table("t").collect())
    assert said[0] == "mine"
    assert all(text.endswith("leaves its volume") for text in said[1:])


def test_cleaned_files_do_not_leave(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    pipeline = pipeline_of("""
        import dlt

        @dlt.table
        def t():
            return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
                .option("cloudFiles.cleanSource", "MOVE")
                .option("cloudFiles.cleanSource.retentionDuration", "0 seconds")
                .option("cloudFiles.cleanSource.moveDestination", "/Volumes/main/shop/landing/done")
                .load("/Volumes/main/shop/landing/in"))
        """)
    landing = tmp_path / "ws/volumes/main/shop/landing"
    (landing / "in/sub").mkdir(parents=True)
    (landing / "in/sub/a.csv").write_text("id\n1\n", encoding="utf-8")
    (landing / "done").mkdir()
    (landing / "done/sub").symlink_to(tmp_path / "outside")
    update = pipeline.update()
    assert "leads out of the destination" in str(update.error)
    assert entries(tmp_path / "outside") == set()
    assert (landing / "in/sub/a.csv").is_file()
    (landing / "done/sub").unlink()
    pipeline.update().raise_for_failure()
    assert (landing / "done/sub/a.csv").is_file()
    assert [row["id"] for row in pipeline.table("t").collect()] == ["1"]
