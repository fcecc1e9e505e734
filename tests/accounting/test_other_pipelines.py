"""Pipelines that are not ours are accounted for as far as they tell, and what is left is said."""

from pathlib import Path
from textwrap import dedent

from pyspark.sql import SparkSession

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

    @dlt.append_flow(target="told")
    def more():
        return clicks("more").selectExpr(
            "*", "_metadata.file_path", "_metadata.file_size", "_metadata.file_modification_time"
        )
    """


def test_tables_are_compared_as_far_as_they_tell(spark: SparkSession, tmp_path: Path) -> None:
    """Two flows fill one table; each knows its own files only."""
    for name, text in (("databricks.yml", BUNDLE), ("clicks.py", DEFINITIONS)):
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    workspace = WorkspaceUnderTest(tmp_path, storage=tmp_path / ".dlt_stub", spark=spark)
    for folder in ("plain", "told", "more"):
        workspace.put(f"{workspace.volume('in')}/{folder}/a.json", '{"id": 1}\n{"x": 2}\n')
    before = workspace.reconcile("clicks")
    assert all(each.balances for each in before)
    assert {each.accounts[0].where for each in before} == {"still in the source, not read yet"}
    workspace.pipeline("clicks").update()
    plain, *both = sorted(workspace.reconcile("clicks"), key=lambda each: each.table)
    (account,) = plain.accounts
    assert (account.rows_in_file, account.rows, account.accepted) == (2, None, None)
    assert "does not say which file a row came from" in plain.notes[0]
    for told in both:
        (account,) = told.accounts
        assert (account.rows_in_file, account.rows, account.where) == (2, 1, "still in the source")
        assert "drops rows by expectations" in told.notes[0]
        assert told.balances
    workspace.path(f"{workspace.volume('in')}/told/a.json").unlink()
    wrong = [each for told in workspace.reconcile("clicks") for each in told.imbalances]
    assert [(each.kind.value, each.file) for each in wrong] == [("gone", "a.json")]
