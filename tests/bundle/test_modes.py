from collections.abc import Callable

import pytest
from databricks.sdk.service.jobs import PauseStatus

from dlt_stub.bundle import Bundle, BundleReading

Read = Callable[..., BundleReading]
RESOURCES = """\
resources:
  schemas:
    shop_schema: {catalog_name: main, name: shop}
  pipelines:
    sales:
      {name: sales, catalog: main, schema: shop, libraries: [{file: {path: ../src/sales.py}}]}
  volumes:
    landing: {catalog_name: main, schema_name: shop, name: files}
  jobs:
    paused:
      name: paused
      schedule: {quartz_cron_expression: '0 0 * * * ?', timezone_id: UTC}
      tasks: &tasks
        - {task_key: a, pipeline_task: {pipeline_id: "${resources.pipelines.sales.id}"}}
    kept:
      name: kept
      max_concurrent_runs: 1
      trigger:
        {pause_status: UNPAUSED, file_arrival: {url: "${resources.volumes.landing.volume_path}/in"}}
      tasks: *tasks
"""


def bundle_of(reading: BundleReading) -> Bundle:
    assert reading.bundle is not None, [str(d) for d in reading.diagnostics]
    assert reading.diagnostics == ()
    return reading.bundle


def faults(reading: BundleReading) -> list[str]:
    return [f"{d.severity}: {d.summary}" for d in reading.diagnostics]


def test_development_prefixes_names_and_schemas(read: Read) -> None:
    bundle = bundle_of(read({"resources/sales.yml": RESOURCES}, target="dev"))
    pipeline = bundle.pipelines["sales"]
    assert (pipeline.name, pipeline.development) == ("[dev ada_l] sales", True)
    assert pipeline.tags == {"dev": "ada_l"}
    # The names were written as plain text, yet they follow the schema they mean.
    assert pipeline.schema == "dev_ada_l_shop"
    assert bundle.schemas["shop_schema"].name == "dev_ada_l_shop"
    assert bundle.volumes["landing"].schema_name == "dev_ada_l_shop"
    assert bundle.volumes["landing"].name == "files"


def test_development_pauses_what_nobody_unpaused(read: Read) -> None:
    jobs = bundle_of(read({"resources/sales.yml": RESOURCES}, target="dev")).jobs
    schedule, trigger = jobs["paused"].schedule, jobs["kept"].trigger
    assert schedule is not None
    assert trigger is not None
    assert schedule.pause_status is PauseStatus.PAUSED
    assert trigger.pause_status is PauseStatus.UNPAUSED
    assert trigger.file_arrival is not None
    assert trigger.file_arrival.url == "/Volumes/main/dev_ada_l_shop/files/in"
    assert (jobs["paused"].max_concurrent_runs, jobs["kept"].max_concurrent_runs) == (4, 1)


def test_production_changes_no_name(read: Read) -> None:
    bundle = bundle_of(read({"resources/sales.yml": RESOURCES}, target="prod"))
    job = bundle.jobs["paused"]
    assert (job.name, job.max_concurrent_runs) == ("paused", 1)
    assert job.queue is not None
    assert job.queue.enabled
    assert job.schedule is not None
    assert job.schedule.pause_status is PauseStatus.UNPAUSED
    assert bundle.pipelines["sales"].schema == "shop"
    assert bundle.pipelines["sales"].development is None


def with_target(target: str) -> dict[str, str]:
    root = f"bundle: {{name: shop}}\ninclude: [resources/*.yml]\ntargets: {{one: {target}}}\n"
    return {"databricks.yml": root, "resources/sales.yml": RESOURCES}


def test_name_prefix_preset_replaces_developments(read: Read) -> None:
    prefix = "'${workspace.current_user.short_name} '"
    files = with_target(f"{{mode: development, presets: {{name_prefix: {prefix}}}}}")
    bundle = bundle_of(read(files, target="one"))
    assert bundle.pipelines["sales"].name == "ada_l sales"
    assert bundle.schemas["shop_schema"].name == "ada_lshop"


def test_target_overrides_task_by_its_key(read: Read) -> None:
    override = "{paused: {tasks: [{task_key: a, max_retries: 2}]}}"
    bundle = bundle_of(read(with_target(f"{{resources: {{jobs: {override}}}}}"), target="one"))
    tasks = bundle.jobs["paused"].tasks or []
    assert [(t.task_key, t.max_retries) for t in tasks] == [("a", 2)]
    assert tasks[0].pipeline_task is not None


def test_run_as_reaches_every_job(read: Read) -> None:
    bundle = bundle_of(read(with_target("{run_as: {user_name: bot@example.com}}"), target="one"))
    assert bundle.run_as is not None
    assert bundle.run_as.user_name == "bot@example.com"
    assert {job.run_as.user_name for job in bundle.jobs.values() if job.run_as} == {
        "bot@example.com"
    }


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (
            "{mode: production}",
            (
                "error: target with 'mode: production' must set 'workspace.root_path' "
                "to make sure only one copy is deployed"
            ),
        ),
        (
            "{mode: production, run_as: {user_name: bot}}",
            (
                "warning: target with 'mode: production' should set 'workspace.root_path' "
                "to make sure only one copy is deployed"
            ),
        ),
        (
            (
                "{mode: production, workspace: {root_path: /x},"
                " resources: {pipelines: {sales: {development: true}}}}"
            ),
            (
                "error: target with 'mode: production' cannot include a pipeline with "
                "'development: true'"
            ),
        ),
        (
            "{mode: development, workspace: {root_path: /Shared/x}}",
            (
                "error: root_path must start with '~/' or name the current user when using "
                "'mode: development'"
            ),
        ),
        (
            "{mode: development, presets: {name_prefix: us_}}",
            "error: name_prefix must name the current user when using 'mode: development'",
        ),
        (
            "{mode: development, presets: {trigger_pause_status: UNPAUSED}}",
            "error: target with 'mode: development' cannot set trigger_pause_status to UNPAUSED",
        ),
        (
            "{run_as: {user_name: a, service_principal_name: b}}",
            "error: run_as must name either service_principal_name or user_name: both are given",
        ),
        (
            "{run_as: {}}",
            "error: run_as must name either service_principal_name or user_name: neither is given",
        ),
        ("{mode: staging}", "error: 'staging' is no Mode"),
        ("{presets: {name_prefx: a}}", "error: unknown field 'name_prefx' in targets.one.presets"),
    ],
)
def test_target_rules_of_the_cli(target: str, fault: str, read: Read) -> None:
    assert faults(read(with_target(target), target="one")) == [fault]


@pytest.mark.parametrize(
    ("targets", "fault"),
    [
        ("{a: {}, b: {}}", "no target is the default"),
        ("{a: {default: true}, b: {default: true}}", "several targets are the default: a, b"),
        ("{}", "no targets are defined"),
    ],
)
def test_default_target_must_be_clear(targets: str, fault: str, read: Read) -> None:
    root = f"bundle: {{name: shop}}\ntargets: {targets}\n"
    assert [d.summary for d in read({"databricks.yml": root}, target=None).diagnostics] == [fault]


def test_ids_are_stable_and_differ_by_target(read: Read) -> None:
    dev = bundle_of(read({"resources/sales.yml": RESOURCES}, target="dev"))
    again = bundle_of(read({"resources/sales.yml": RESOURCES}, target="dev"))
    prod = bundle_of(read({"resources/sales.yml": RESOURCES}, target="prod"))
    assert dev.pipeline_id("sales") == again.pipeline_id("sales") == dev.pipelines["sales"].id
    assert dev.job_id("kept") == again.job_id("kept") != prod.job_id("kept")
    assert prod.pipeline_id("sales") != dev.pipeline_id("sales")
    task = (dev.jobs["kept"].tasks or [])[0].pipeline_task
    assert task is not None
    assert dev.resource_key(task.pipeline_id) == "sales"
    assert dev.resource_key(dev.job_id("kept")) == "kept"
