"""A process that watches a folder for a job that never runs, until it is killed.

python -m tests.reliability.watching STORAGE
"""

import sys
from pathlib import Path

from databricks.sdk.service.jobs import FileArrivalTriggerConfiguration

from dlt_stub.clock import SystemClock
from dlt_stub.jobs import FileArrivalTrigger, JobRun, TriggerInfo, WatchEvent, watch_job
from dlt_stub.jobs.trigger import trigger_state_file
from dlt_stub.paths import WorkspacePaths


def watch(storage: Path) -> int:
    """Watch until an error ends it; every look is told.

    Raises:
        BusyError: another process watches.
    """
    trigger = FileArrivalTrigger(
        configuration=FileArrivalTriggerConfiguration(url="/Volumes/main/shop/landing/"),
        location=storage / "landing",
        state_file=trigger_state_file(WorkspacePaths.at(storage), "etl"),
        clock=SystemClock(),
    )
    return watch_job(
        trigger, run=_never, clock=SystemClock(), should_stop=lambda: False, on_event=_say
    )


def _say(event: WatchEvent) -> None:
    sys.stdout.write("watching\n")
    sys.stdout.flush()


def _never(_: TriggerInfo) -> JobRun:
    raise AssertionError("nothing ever lands here")


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
