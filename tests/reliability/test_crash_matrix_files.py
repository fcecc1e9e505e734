"""Killed anywhere between a file's discovery and its event, the job loses and doubles nothing."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.pipelines.shop import JOB
from tests.reliability.crash_chain import NEW_COLUMN, STAGE, TARGET, Remains, Step, check_chain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def is_registered_only(left: Remains) -> bool:
    is_registered = any(left.storage.glob(f"**/{STAGE}.json"))
    return is_registered and not left.shop.folder(STAGE).exists()


def is_made_only(left: Remains) -> bool:
    return left.shop.folder(TARGET).exists() and left.ledger()["start"] == set()


def is_run_pending(left: Remains) -> bool:  # the first record says how the run before ended
    newest = left.shop.workspace.workspace.runs(JOB)[0]
    return str(newest.state.life_cycle).endswith("PENDING")


def is_started_only(left: Remains) -> bool:
    ledger = left.ledger()
    return ledger["start"] == {-1} and not ledger["assign"]


def is_assigned_only(left: Remains) -> bool:
    return bool(left.open_batches()) and left.last_batch(STAGE) < max(left.open_batches())


def is_in_the_table_only(left: Remains) -> bool:
    return left.last_batch(STAGE) == min(left.open_batches()) and not left.untold(STAGE)


def is_kept_and_open(left: Remains) -> bool:
    (number,) = left.untold(STAGE)
    return number in left.open_batches()


def is_committed_and_untold(left: Remains) -> bool:
    ((number, event_id),) = left.untold(STAGE).items()
    return number not in left.open_batches() and not left.is_told(event_id)


def is_told_and_kept(left: Remains) -> bool:
    ((number, event_id),) = left.untold(STAGE).items()
    return number not in left.open_batches() and left.is_told(event_id)


def has_new_schema_only(left: Remains) -> bool:
    schemas = list(left.storage.glob(f"**/*{STAGE}*/*/source*/schemas/*.json"))
    return len(schemas) == 2 and NEW_COLUMN not in left.columns(STAGE)


def has_new_column_only(left: Remains) -> bool:
    is_there = NEW_COLUMN in left.columns(STAGE)
    return is_there and not left.shop.rows(STAGE, where=f"{NEW_COLUMN} IS NOT NULL")


def has_unnamed_events(left: Remains) -> bool:
    return left.drafts_of_events()[-1:] == [1]


def has_named_events(left: Remains) -> bool:
    return 2 in left.drafts_of_events()


DISCOVERED = (
    Step(point=f"registry.written@{STAGE}", has_crashed_there=is_registered_only),
    Step(point=f"flows.table_made@{TARGET}", has_crashed_there=is_made_only),
    Step(point="jobs.run_saved:2", has_crashed_there=is_run_pending),
    Step(point="cloud_files.started", has_crashed_there=is_started_only),
    Step(point="cloud_files.assigned", has_crashed_there=is_assigned_only),
    Step(point="bronze.after_commit", has_crashed_there=is_in_the_table_only),
    Step(point=f"flows.batch_kept@{STAGE}", has_crashed_there=is_kept_and_open),
)
TOLD = (
    # The first batch of the first step is that of a file without rows.
    Step(point="cloud_files.committed:2", has_crashed_there=is_committed_and_untold),
    Step(point=f"flows.batch_told@{STAGE}", has_crashed_there=is_told_and_kept),
    Step(
        point="cloud_files.schema_written",
        has_crashed_there=has_new_schema_only,
        has_new_column=True,
    ),
    Step(point=f"flows.columns_added@{STAGE}", has_crashed_there=has_new_column_only),
    Step(point="events.drafted", has_crashed_there=has_unnamed_events),
    Step(point="events.linked", has_crashed_there=has_named_events),
)


STEPS = (*DISCOVERED, *TOLD)


def test_killed_while_files_become_rows(spark: SparkSession, tmp_path: Path) -> None:
    check_chain(DISCOVERED, spark, tmp_path)


def test_killed_while_rows_are_told(spark: SparkSession, tmp_path: Path) -> None:
    check_chain(TOLD, spark, tmp_path)
