from collections.abc import Callable

import pytest

from dlt_stub.bundle import BundleReading

Read = Callable[..., BundleReading]


def job(fields: str) -> dict[str, str]:
    task = "{task_key: a, pipeline_task: {pipeline_id: '${resources.pipelines.sales.id}'}}"
    return {
        "resources/job.yml": f"resources: {{jobs: {{nightly: {{tasks: [{task}], {fields}}}}}}}\n"
    }


def faults(reading: BundleReading) -> list[str]:
    return [d.summary for d in reading.diagnostics]


def test_values_are_read_as_the_field_wants(read: Read) -> None:
    reading = read(job("timeout_seconds: '60', queue: {enabled: 'yes'}, tags: {cost: 7}"))
    assert reading.bundle is not None, faults(reading)
    nightly = reading.bundle.jobs["nightly"]
    assert nightly.timeout_seconds == 60
    assert nightly.queue is not None
    assert nightly.queue.enabled is True
    assert nightly.tags == {"cost": "7"}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("timeout_seconds: 1.5", "expected an integer, found 1.5"),
        ("timeout_seconds: true", "expected an integer, found True"),
        ("timeout_seconds: [1]", "expected an integer, found a list"),
        ("queue: {enabled: maybe}", "expected a boolean, found 'maybe'"),
        ("queue: on", "expected a mapping, found 'on'"),
        ("tags: [a]", "expected a mapping, found a list"),
        ("environments: {a: b}", "expected a list, found a mapping"),
        ("name: {a: b}", "expected a string, found a mapping"),
        ("schedule: {timezone_id: UTC}", "required field 'quartz_cron_expression' is missing"),
        ("edit_mode: UI_LOCKED", "unknown field 'edit_mode' in resources.jobs.nightly"),
        (
            "email_notifications: {on_failur: [x]}",
            "unknown field 'on_failur' in resources.jobs.nightly.email_notifications",
        ),
    ],
)
def test_wrong_field_is_told(fields: str, fault: str, read: Read) -> None:
    assert faults(read(job(fields))) == [fault]


def test_fields_without_local_meaning_pass(read: Read) -> None:
    fields = (
        "permissions: [{level: CAN_VIEW, group_name: users}], lifecycle: {prevent_destroy: true}, "
        "email_notifications: {on_failure: [a@example.com]}, "
        "health: {rules: [{metric: RUN_DURATION_SECONDS, op: GREATER_THAN, value: 60}]}"
    )
    reading = read(job(fields))
    assert reading.bundle is not None
    assert reading.diagnostics == ()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("apps", "warning: resources.apps exist in a workspace only: left out here"),
        ("pipeline", "error: unknown kind of resource 'pipeline'"),
    ],
)
def test_other_kinds_of_resource_are_told(kind: str, said: str, read: Read) -> None:
    reading = read({"resources/other.yml": f"resources: {{{kind}: {{thing: {{name: x}}}}}}\n"})
    assert [f"{d.severity}: {d.summary}" for d in reading.diagnostics] == [said]


def test_empty_resource_is_told(read: Read) -> None:
    reading = read({"resources/other.yml": "resources:\n  jobs:\n    nightly:\n"})
    assert faults(reading) == ["resource jobs.nightly is empty"]
