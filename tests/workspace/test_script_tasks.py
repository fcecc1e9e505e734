from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Workspace
from dlt_stub.jobs import JobRun

BUNDLE = """
bundle:
  name: shop
targets:
  dev:
    mode: production
    default: true
    workspace:
      root_path: /Workspace/Shared/shop
    run_as:
      user_name: someone@example.com
resources:
  volumes:
    landing:
      catalog_name: main
      schema_name: shop
      name: landing
  jobs:
    nightly:
      name: nightly
      parameters:
        - name: day
          default: monday
      tasks:
        - task_key: notebook
          notebook_task:
            notebook_path: ./first.py
            base_parameters: {env: prod}
        - task_key: script
          depends_on: [{task_key: notebook}]
          environment_key: default
          spark_python_task:
            python_file: ./script.py
            parameters: ["{{tasks.notebook.values.rows}}"]
      environments:
        - environment_key: default
          spec: {client: "2"}
"""
NOTEBOOK = "# Databricks notebook source\n"
CELL = "\n# COMMAND ----------\n\n"
RunFiles = Callable[..., JobRun]


@pytest.fixture
def run_files(spark: SparkSession, tmp_path: Path) -> RunFiles:
    """Run the job over files, given by name and text; ``change`` replaces text of the bundle."""

    def run(
        files: dict[str, str], *, change: tuple[str, str] = ("", ""), key: str = "nightly"
    ) -> JobRun:
        rows = 'dbutils.jobs.taskValues.set("rows", 1)\n'
        texts = {"first.py": NOTEBOOK + rows, "script.py": "", **files}
        texts["databricks.yml"] = BUNDLE.replace(*change)
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return Workspace.open(tmp_path, spark=spark).run_job(key)

    return run


FIRST = NOTEBOOK + dedent(
    """\
    # MAGIC %pip install x
    CELL
    # MAGIC %run ./setup $prefix="p_"
    CELL
    gone = 1
    dbutils.library.restartPython()
    CELL
    import helper
    assert "gone" not in globals()
    dbutils.widgets.text("env", "dev")
    got = dbutils.notebook.run("inner/other", 60, {"n": "3"})
    CELL
    # MAGIC %run ./setup $prefix='q_'
    CELL
    # MAGIC %sql
    # MAGIC SELECT :env AS env, 7 AS n;
    # MAGIC SELECT id FROM range(:n)
    CELL
    assert _sqldf.count() == 2, "of the last statement"
    display(_sqldf)
    with open("/Volumes/main/shop/landing/out.txt", "w") as out:
        out.write(dbutils.widgets.get("day") + dbutils.widgets.get("env"))
    dbutils.jobs.taskValues.set("rows", int(got) + helper.ONE)
    dbutils.notebook.exit(made + "done")
    CELL
    raise AssertionError("behind the exit")
    """
).replace("CELL\n", "\n# COMMAND ----------\n\n")
SETUP = NOTEBOOK + 'dbutils.widgets.text("prefix", "")\nmade = dbutils.widgets.get("prefix")\n'
SETUP += 'dbutils.widgets.text("n", "2")\n'
OTHER = NOTEBOOK + dedent(
    """
    n = int(dbutils.widgets.get("n"))
    assert "got" not in globals()
    dbutils.notebook.exit(str(n * 2))
    """
)
SCRIPT = dedent(
    """
    import os, sys
    from delta.tables import DeltaTable
    from databricks.sdk.runtime import dbutils as imported
    from pyspark.dbutils import DBUtils
    from pyspark.sql import SparkSession

    assert imported is dbutils
    assert SparkSession.builder.getOrCreate() is spark
    assert os.path.exists("script.py"), os.getcwd()
    rows = dbutils.jobs.taskValues.get("notebook", "rows")
    assert [str(rows)] == sys.argv[1:] == ["7"]
    with open("/Volumes/main/shop/landing/out.txt") as out:
        print("read", out.read(), os.listdir("/Volumes/main/shop/landing"))
    print(dbutils.secrets.get("db", "password"))
    folder = "/Volumes/main/shop/landing/delta"
    spark.range(1).write.format("delta").save(folder)
    DeltaTable.forPath(spark, folder).update(set={"id": "id + 1"})
    assert DeltaTable.isDeltaTable(spark, folder)
    spark.read.load(folder).write.saveAsTable("made")
    made = DeltaTable.forName(spark, "made")
    merge = made.alias("t").merge(spark.range(3).alias("s"), "t.id = s.id")
    merge.whenNotMatchedInsertAll().execute()
    print("made", sorted(row.id for row in table("made").collect()))
    for refused in (
        lambda: DeltaTable.createIfNotExists(spark).tableName("other"),
        lambda: spark.range(1).writeTo("other").create(),
    ):
        try:
            refused()
        except Exception as error:
            print(type(error).__name__)
    """
)


def test_notebook_and_script_hand_on_values(
    run_files: RunFiles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_STUB_SECRET_DB_PASSWORD", "pa55")
    where = Path.cwd()
    files = {"first.py": FIRST, "setup.py": SETUP, "inner/other.py": OTHER, "script.py": SCRIPT}
    run = run_files({**files, "helper.py": "ONE = 1\n"})
    notebook, script = run.tasks
    assert notebook.state.has_succeeded, notebook.error_trace
    assert script.state.has_succeeded, script.error_trace
    assert notebook.details == {"notebook_output": "q_done"}
    assert notebook.values == {"rows": 7}
    shown = capsys.readouterr().out
    assert "first.py:2: `%pip install x` is skipped" in shown
    assert "read mondayprod ['out.txt']" in shown
    assert "[REDACTED]" in shown
    assert "made [0, 1, 2]" in shown
    assert shown.count("NotEmulatedError") == 2
    assert "pa55" not in shown
    assert shown.count("| id|") == 2
    assert Path.cwd() == where


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("x = 1" + CELL + "raise KeyError(2)", "first.py:5: KeyError: 2"),
        ("# MAGIC %sh ls", "first.py:2: %sh cells are not run locally"),
        ("# MAGIC %run ./stup", r"first.py:2: there is no notebook './stup'"),
        ("# MAGIC %run ./setup a=b", "%run cannot take 'a=b'"),
        ("try:\n    dbutils.notebook.exit('1')\nexcept Exception:\n    pass", "caught by except"),
        ('dbutils.widgets.get("dy")', "No input widget named dy is defined"),
        ("# MAGIC %run ./setup" + CELL + 'dbutils.widgets.text("env", "dev")', ""),
        (
            'dbutils.widgets.text("n", "9")' + CELL + "# MAGIC %run ./setup",
            "widget 'n' has the value '9' in the notebook that calls this one",
        ),
    ],
)
def test_failing_notebook_says_where(run_files: RunFiles, cells: str, said: str) -> None:
    run = run_files({"first.py": NOTEBOOK + cells, "setup.py": SETUP})
    notebook, script = run.tasks
    if not said:
        assert notebook.state.has_succeeded
        return
    assert said in notebook.state.message
    assert script.state.result is not None
    assert script.state.result.value == "UPSTREAM_FAILED"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("./script.py", "./script.py\n            source: GIT"), "spark_python_task.source"),
        (("./first.py", "./first.py\n            source: GIT"), "notebook_task.source"),
        (("./first.py", "./first.py\n            warehouse_id: x"), "notebook_task.warehouse_id"),
    ],
)
def test_code_from_elsewhere_is_refused(
    run_files: RunFiles, change: tuple[str, str], said: str
) -> None:
    run = run_files({}, change=change)
    assert not run.state.has_succeeded
    assert any(said in task.state.message for task in run.tasks)
