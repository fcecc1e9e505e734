"""Pipelines that are not ours are accounted for as far as they tell, and what is left is said."""

from pathlib import Path
from textwrap import dedent

from pyspark.sql import SparkSession

from dlt_stub.accounting import Reconciliation
from dlt_stub.testing import WorkspaceUnderTest

BUNDLE = """\
    bundle: {name: clicks}
    resources:
      pipelines:
        clicks:
          catalog: main
          schema: clicks
          development: true
          libraries: [{file: {path: clicks.py}}]
          configuration: {landing: /Volumes/main/clicks/in/}
      volumes:
        in: {catalog_name: main, schema_name: clicks, name: in}
    targets:
      dev: {default: true}
    """
DEFINITIONS = """\
    import dlt

    def clicks(folder):
        stream = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
        return stream.load(spark.conf.get("landing") + folder)

    @dlt.table
    def plain():
        return clicks("plain")

    @dlt.table
    @dlt.expect_or_drop("has_id", "id IS NOT NULL")
    def told():
        return clicks("told").selectExpr(
            "*", "_metadata.file_path", "_metadata.file_size", "_metadata.file_modification_time"
        )
    """


def results(workspace: WorkspaceUnderTest) -> dict[str, Reconciliation]:
    return {each.table: each for each in workspace.reconcile("clicks")}


def test_tables_are_compared_as_far_as_they_tell(spark: SparkSession, tmp_path: Path) -> None:
    for name, text in (("databricks.yml", BUNDLE), ("clicks.py", DEFINITIONS)):
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    workspace = WorkspaceUnderTest(tmp_path, storage=tmp_path / ".dlt_stub", spark=spark)
    for folder in ("plain", "told"):
        workspace.put(f"{workspace.volume('in')}/{folder}/a.json", '{"id": 1}\n{"x": 2}\n')
    before = results(workspace)
    assert all(each.balances for each in before.values())
    assert [each.where for each in before["plain"].accounts] == [
        "still in the source, not read yet"
    ]
    workspace.pipeline("clicks").update()
    after = results(workspace)
    (plain,), (told,) = after["plain"].accounts, after["told"].accounts
    assert (plain.rows_in_file, plain.rows, plain.accepted) == (2, None, None)
    assert (told.rows_in_file, told.rows, told.where) == (2, 1, "still in the source")
    assert "does not say which file a row came from" in after["plain"].notes[0]
    assert "drops rows by expectations" in after["told"].notes[0]
    assert all(each.balances for each in after.values())
    Path(workspace.path(f"{workspace.volume('in')}/told/a.json")).unlink()
    (wrong,) = results(workspace)["told"].imbalances
    assert (wrong.kind.value, wrong.file) == ("gone", "a.json")
