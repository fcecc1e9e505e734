from pathlib import Path

import pytest

from dlt_stub import UsageError
from dlt_stub.events import Level, UpdateState
from dlt_stub.update import UpdateCause
from tests.update.conftest import PipelineOf
from tests.update.tables import flow_statuses, rows

# The first run of a query is the probe of its update.
SOURCE = """
from pathlib import Path

calls = Path(spark.conf.get("shop.calls"))
calls.touch()

@dlt.table
def shaky():
    calls.write_text(calls.read_text() + "x")
    if len(calls.read_text()) in FAIL:
        raise ConnectionError(f"call {len(calls.read_text())}")
    return spark.range(1)

@dlt.table
def after():
    return dlt.read("shaky")
"""


def test_failed_flow_is_started_again(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = SOURCE.replace("FAIL", "(2, 3)")
    settings = {"shop.calls": str(tmp_path / "calls")}
    pipeline = pipeline_of(source, configuration=settings, development=False)
    result = pipeline.update(cause=UpdateCause.USER_ACTION)
    result.raise_for_failure()
    assert rows(pipeline, "after") == [(0,)]
    tries = ["STARTING", "RUNNING", "FAILED"]
    told = flow_statuses(result, "shaky")
    assert told == ["QUEUED", *tries, *tries, "STARTING", "RUNNING", "COMPLETED"]
    failed = [e for e in result.events if e.body.get("status") == "FAILED"]
    assert {event.level for event in failed} == {Level.WARN}
    assert "is started again: flow 'shaky' failed: call 2" in failed[0].message
    assert failed[0].error is not None
    assert failed[0].error["fatal"] is False


def test_failed_update_is_started_again(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    source = SOURCE.replace("FAIL", "(2, 4)")
    settings = {
        "shop.calls": str(tmp_path / "calls"),
        "pipelines.maxFlowRetryAttempts": "0",
        "pipelines.numUpdateRetryAttempts": "2",
    }
    pipeline = pipeline_of(source, configuration=settings, development=False)
    result = pipeline.update(cause=UpdateCause.JOB_TASK)
    result.raise_for_failure()
    assert result.cause is UpdateCause.RETRY_ON_FAILURE
    causes = [e.body["cause"] for e in pipeline.event_records() if e.event_type == "create_update"]
    assert causes == ["JOB_TASK", "RETRY_ON_FAILURE", "RETRY_ON_FAILURE"]
    calls = (tmp_path / "calls").read_text()

    # Neither in development mode nor where a person waits for the result.
    for development, cause in ((True, UpdateCause.JOB_TASK), (False, UpdateCause.USER_ACTION)):
        fails = source.replace("(2, 4)", f"({len(calls) + 2},)")
        again = pipeline_of(fails, configuration=settings, development=development)
        failed = again.update(cause=cause)
        assert failed.state is UpdateState.FAILED
        assert failed.cause is cause
        assert flow_statuses(failed, "after") == ["QUEUED", "SKIPPED"]
        calls += "xx"
        assert (tmp_path / "calls").read_text() == calls


def test_broken_rule_fails_its_flow_once(pipeline_of: PipelineOf) -> None:
    source = """
    @dlt.table
    @dlt.expect_or_fail("none", "id < 0")
    def strict():
        return spark.range(1)

    @dlt.table
    def after():
        return dlt.read("strict")

    @dlt.table
    def last():
        return dlt.read("after")

    @dlt.table
    def also():
        return spark.range(1).select((1 / F.col("id")).alias("n"))
    """
    settings = {"pipelines.numUpdateRetryAttempts": "1"}
    pipeline = pipeline_of(source, configuration=settings, development=False)
    result = pipeline.update(refresh=["strict", "after", "last"])
    assert result.cause is UpdateCause.RETRY_ON_FAILURE
    assert flow_statuses(result, "strict") == ["QUEUED", "STARTING", "RUNNING", "FAILED"]
    assert result.flows["last"].skipped_for == "strict"
    skipped = [e.message for e in result.events if e.body.get("status") == "SKIPPED"]
    assert all("upstream flow 'strict' did not complete" in message for message in skipped)

    both = pipeline_of(source).update()
    assert len(both.failures) == 2
    assert both.failures[0] is both.error


def test_retry_setting_must_be_a_number(pipeline_of: PipelineOf) -> None:
    with pytest.raises(UsageError, match=r"pipelines\.maxFlowRetryAttempts is 'many'"):
        pipeline_of("", configuration={"pipelines.maxFlowRetryAttempts": "many"})
