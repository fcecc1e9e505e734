import json
from pathlib import Path

import pytest

from dlt_stub import DefinitionError
from tests.update.conftest import PipelineOf

HOOKS = """
import json

seen = spark.conf.get("seen")

@dlt.table
@dlt.expect("odd", "id % 2 = 1")
def numbers():
    return spark.range(3)

@dlt.on_event_hook
def keep(event):
    with open(seen, "a") as file:
        file.write(json.dumps(event) + "\\n")
    event["details"].clear()  # its own copy

@dlt.on_event_hook(max_allowable_consecutive_failures=2)
def fails_twice(event):
    raise ValueError("no network")

@dlt.on_event_hook(max_allowable_consecutive_failures=2)
def fails_now_and_then(event):
    if event["details"].get("flow_progress", {}).get("status") == "STARTING":
        raise KeyError("metrics")
"""


def test_hooks_see_each_stable_event(pipeline_of: PipelineOf, tmp_path: Path) -> None:
    seen = tmp_path / "seen.jsonl"
    pipeline = pipeline_of(HOOKS, configuration={"seen": str(seen)})
    result = pipeline.update()
    result.raise_for_failure()  # a hook that fails does not fail the update
    told = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    stable = [each for each in result.events if each.maturity_level == "STABLE"]
    assert [each["id"] for each in told] == [each.id for each in stable]
    assert told[0]["event_type"] == "create_update"  # from before the source files were read
    assert told[-1]["details"] == {"update_progress": {"state": "COMPLETED"}}
    assert told[-1]["origin"]["pipeline_name"] == "shop"
    quality = next(e for e in told if "data_quality" in e["details"].get("flow_progress", {}))
    assert quality["details"]["flow_progress"]["data_quality"]["expectations"][0]["name"] == "odd"

    failures = [each for each in result.events if each.event_type == "hook_progress"]
    assert [(each.body["name"], each.body["status"]) for each in failures] == [
        ("fails_twice", "FAILED"),
        ("fails_twice", "DISABLED"),
        ("fails_now_and_then", "FAILED"),
    ]
    assert failures[0].message == "Event hook 'fails_twice' is FAILED: ValueError: no network"
    assert pipeline.events().where("event_type = 'hook_progress'").count() == 3

    assert pipeline.update(validate_only=True).succeeded
    lines = seen.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["origin"]["update_id"] != result.update_id


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("dlt.on_event_hook(max_allowable_consecutive_failures=-1)", "allowed: None, 0 and above"),
        ("@dlt.on_event_hook\ndef hook():\n    pass", "an event hook takes one argument"),
        ("dlt.on_event_hook('hook')", "decorates a query function, found 'hook'"),
    ],
)
def test_wrong_hook_is_refused(pipeline_of: PipelineOf, source: str, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        pipeline_of(source).update(validate_only=True).raise_for_failure()
