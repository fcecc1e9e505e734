from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import NotEmulatedError, StateError, UpdateResult, UsageError, Workspace

BUNDLE = """
bundle:
  name: shop
variables:
  count:
    default: "3"
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
  pipelines:
    shop:
      name: shop
      catalog: main
      schema: shop
      serverless: true
      libraries:
        - glob:
            include: shop/**
      event_log:
        name: shop_log
      configuration:
        shop.count: ${var.count}
        shop.landing: /Volumes/main/shop/landing
PIPELINE
  jobs:
    nightly:
      name: nightly
      tasks:
        - task_key: refresh
          pipeline_task:
            pipeline_id: ${resources.pipelines.shop.id}
TASK
"""
SOURCE = """
import dlt

@dlt.table
def numbers():
    return spark.range(int(spark.conf.get("shop.count")))

@dlt.table
def files():
    return (spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaHints", "a INT").load(spark.conf.get("shop.landing")))
"""
Opened = Callable[..., Workspace]


@pytest.fixture
def opened(spark: SparkSession, tmp_path: Path) -> Opened:
    """Open the workspace of a small bundle, with more lines in its pipeline or its task."""

    def make(pipeline: str = "", task: str = "", **arguments: Any) -> Workspace:
        (tmp_path / "shop").mkdir(exist_ok=True)
        (tmp_path / "shop" / "main.py").write_text(SOURCE, encoding="utf-8")
        bundle = (
            BUNDLE.replace("      serverless: true\n", "") if "clusters" in pipeline else BUNDLE
        )
        text = bundle.replace("PIPELINE", indent(dedent(pipeline), " " * 6))
        text = text.replace("TASK", indent(dedent(task), " " * 12))
        (tmp_path / "databricks.yml").write_text(text, encoding="utf-8")
        return Workspace.open(tmp_path, spark=spark, **arguments)

    return make


def test_job_updates_and_sql_answers(opened: Opened) -> None:
    workspace = opened(variables={"count": "2"})
    landing = Path(workspace.paths.to_local("/Volumes/main/shop/landing"))
    assert landing.is_dir()
    (landing / "1.csv").write_text("a\n7\n", encoding="utf-8")
    run = workspace.run_job("nightly")
    assert run.state.has_succeeded
    session = workspace.session()

    def one(text: str) -> Any:
        return session.sql(text).collect()[0][0]

    assert one("SELECT count(*) FROM numbers") == 2
    assert one("SELECT count(*) FROM main.shop.numbers") == 2
    tables = {row.tableName for row in session.sql("SHOW TABLES").collect()}
    assert {"numbers", "files", "shop_log"} <= tables
    events = one("SELECT count(*) FROM event_log(TABLE(main.shop.numbers))")
    assert (
        events
        == one("SELECT count(*) FROM shop_log")
        == workspace.pipeline("shop").events().count()
    )
    pipeline_id = workspace.bundle.pipeline_id("shop")
    assert one(f"SELECT count(*) FROM event_log('{pipeline_id}')") == events
    files = session.sql("SELECT path, flow_name FROM cloud_files_state(TABLE(files))").collect()
    assert [tuple(row) for row in files] == [("/Volumes/main/shop/landing/1.csv", "files")]

    workspace.run_job("nightly")
    # the same session sees what came since
    assert one("SELECT count(*) FROM shop_log") > events
    session.sql("USE main.shop")
    with pytest.raises(NotEmulatedError, match="CreateTable"):
        session.sql("CREATE TABLE made (a INT)")
    with pytest.raises(UsageError, match="no table 'nmbers'"):
        session.sql("SELECT * FROM event_log(TABLE(nmbers))")


@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("continuous: true", "continuous of pipeline 'shop'"),
        ("clusters:\n  - spark_conf: {a: b}", "clusters.spark_conf of"),
        ("filters:\n  exclude: [a]", "filters of pipeline"),
    ],
)
def test_setting_that_changes_results_is_refused(opened: Opened, pipeline: str, said: str) -> None:
    workspace = opened(pipeline=pipeline)
    with pytest.raises(NotEmulatedError, match=said):
        workspace.pipeline("shop")


def test_task_selection_is_honoured(opened: Opened) -> None:
    asked = "refresh_selection: [numbers]\nrefresh_flow_selection: [shop.files]"
    workspace = opened(task=f"{asked}\nreset_checkpoint_selection: [files]")
    updated: list[UpdateResult] = []
    workspace.run_job("nightly", on_update=lambda name, result: updated.append(result))
    (result,) = updated
    assert set(result.flows) == {"numbers", "files"}
    states = [event.body.get("state") for event in result.events]
    assert "RESETTING" in states


def test_task_setting_without_effect_is_refused(opened: Opened) -> None:
    run = opened(task="parameters: {a: b}").run_job("nightly")
    assert not run.state.has_succeeded
    (task,) = run.tasks
    assert "pipeline_task.parameters of task 'refresh'" in str(task)


def test_unknown_key_names_the_nearest(opened: Opened) -> None:
    workspace = opened()
    with pytest.raises(UsageError, match=r"no pipeline 'shp'\n.*did you mean 'shop'"):
        workspace.pipeline("shp")
    with pytest.raises(UsageError, match=r"no job 'nigthly'\n.*did you mean 'nightly'"):
        workspace.run_job("nigthly")


def test_folder_of_another_format_is_refused(opened: Opened, tmp_path: Path) -> None:
    opened()
    (tmp_path / ".dlt_stub" / "format").write_text("99", encoding="utf-8")
    with pytest.raises(StateError, match="has format '99'; allowed: 1"):
        opened()
