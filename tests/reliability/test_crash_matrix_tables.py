"""Killed anywhere between the stage and the archive, the job loses and doubles nothing."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.pipelines.shop import JOB
from tests.reliability.crash_chain import (
    AUXILIARY,
    HELD,
    RECORD,
    TARGET,
    Remains,
    Step,
    check_chain,
)
from tests.reliability.crash_worker import (
    COPIED,
    COPYING,
    DELETED,
    LINKED,
    NOTED,
    RECORDED,
    TAKEN,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def is_held_only(left: Remains) -> bool:
    return left.last_batch(HELD) > left.checkpointed(HELD) and not left.untold(HELD)


def is_held_and_untold(left: Remains) -> bool:
    number, event_id = min(left.untold(HELD).items())
    return number <= left.checkpointed(HELD) and not left.is_told(event_id)


def is_between_the_tables(left: Remains) -> bool:
    return left.last_batch(AUXILIARY) > left.last_batch(TARGET)


def is_merged_only(left: Remains) -> bool:
    return left.last_batch(TARGET) > left.checkpointed(TARGET) and not left.untold(TARGET)


def is_merged_and_untold(left: Remains) -> bool:
    number, event_id = min(left.untold(TARGET).items())
    return number <= left.checkpointed(TARGET) and not left.is_told(event_id)


def is_counted_only(left: Remains) -> bool:
    (number,) = left.untold("order_files")
    return number > left.checkpointed("order_files")


def is_noted_only(left: Remains) -> bool:
    return bool(left.notes()) and 2 not in left.archived_links() and not left.on_their_way()


def is_recorded_and_noted(left: Remains) -> bool:
    recorded = {row[0] for row in left.shop.rows(RECORD, "file")}
    return bool(left.notes()) and left.notes() <= recorded


def has_second_names(left: Remains) -> bool:
    return 2 in left.archived_links() and not left.on_their_way()


def has_names_moved_aside(left: Remains) -> bool:
    return any(file.name.endswith(".taken") for file in left.on_their_way())


def has_unfinished_copy(left: Remains) -> bool:
    (copy,) = left.on_their_way()
    return not copy.name.endswith((".taken", ".whole")) and bool(left.shop.source_listing())


def has_copy_and_original(left: Remains) -> bool:
    (copy,) = left.on_their_way()
    return copy.name.endswith(".whole") and _original(copy, left).exists()


def has_copy_only(left: Remains) -> bool:
    (copy,) = left.on_their_way()
    return copy.name.endswith(".whole") and not _original(copy, left).exists()


def _original(copy: Path, left: Remains) -> Path:
    return left.shop.source / copy.name.removesuffix(".whole").rsplit(".", 2)[0]


def has_fired(left: Remains) -> bool:
    return bool(_trigger(left)["firing"]) and left.shop.source_listing() != []


def has_confirmed(left: Remains) -> bool:
    newest = left.shop.workspace.workspace.runs(JOB)[0]
    return _trigger(left)["firing"] is None and newest.state.is_over


def _trigger(left: Remains) -> dict[str, object]:
    (file,) = left.storage.glob("**/trigger.json")
    found: dict[str, object] = json.loads(file.read_bytes())
    return found


MERGED = (
    Step(point="jobs.trigger_fired", has_crashed_there=has_fired),
    Step(point=f"flows.rows_appended@{HELD}", has_crashed_there=is_held_only),
    Step(point=f"flows.checkpoint_committed@{HELD}", has_crashed_there=is_held_and_untold),
    Step(point="cdc.between_tables", has_crashed_there=is_between_the_tables),
    Step(point=f"cdc.target_committed@{TARGET}", has_crashed_there=is_merged_only),
    Step(point=f"flows.checkpoint_committed@{TARGET}", has_crashed_there=is_merged_and_untold),
    Step(point="flows.batch_kept@order_files", has_crashed_there=is_counted_only),
)
ARCHIVED = (
    Step(point=NOTED, has_crashed_there=is_noted_only),
    Step(point=LINKED, has_crashed_there=has_second_names),
    Step(point=TAKEN, has_crashed_there=has_names_moved_aside),
    Step(point=COPYING, has_crashed_there=has_unfinished_copy),
    Step(point=COPIED, has_crashed_there=has_copy_and_original),
    Step(point=DELETED, has_crashed_there=has_copy_only),
    Step(point=RECORDED, has_crashed_there=is_recorded_and_noted),
    Step(point="jobs.trigger_confirmed", has_crashed_there=has_confirmed),
)


STEPS = (*MERGED, *ARCHIVED)


def test_killed_between_stage_and_target(spark: SparkSession, tmp_path: Path) -> None:
    check_chain(MERGED, spark, tmp_path)


def test_killed_while_files_are_archived(spark: SparkSession, tmp_path: Path) -> None:
    check_chain(ARCHIVED, spark, tmp_path)
