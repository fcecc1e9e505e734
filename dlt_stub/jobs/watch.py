"""The loop behind a file-arrival trigger: look, fire, run, look again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dlt_stub.clock import Clock
from dlt_stub.errors import SparkLostError
from dlt_stub.jobs.records import JobRun, TriggerInfo
from dlt_stub.jobs.trigger import FileArrivalTrigger, TriggerCheck
from dlt_stub.locks import exclusive

_SLICE_SECONDS = 1.0  # how soon a wish to stop is noticed


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """What the loop saw: a check, and the run it led to once that is over.

    ``lost`` says that the run has lost Spark and is repeated.
    """

    check: TriggerCheck
    run: JobRun | None = None
    lost: SparkLostError | None = None


def ignore_watch(event: WatchEvent) -> None:
    """Take no notice of an event: the display of a caller that has none."""


def watch_job(
    trigger: FileArrivalTrigger,
    *,
    run: Callable[[TriggerInfo], JobRun],
    clock: Clock,
    should_stop: Callable[[], bool],
    max_runs: int | None = None,
    on_event: Callable[[WatchEvent], None] = ignore_watch,
) -> int:
    """Run the job each time its trigger fires, until told to stop; return how many runs there were.

    It looks every ``poll_interval_seconds``, and sooner when files wait for a moment that is
    nearer. A firing is confirmed when its run is over, whatever its result; a watch that dies
    before fires again at its next start. A run that loses Spark is repeated once.

    Raises:
        BusyError: another process watches this job already.
        SparkLostError: the repeated run has lost Spark too; the firing is not confirmed.
    """
    lock = trigger.state_file.with_suffix(".lock")
    runs = 0
    with exclusive(lock, what=f"watch of {trigger.configuration.url}", clock=clock):
        while not should_stop() and (max_runs is None or runs < max_runs):
            check = trigger.check()
            on_event(WatchEvent(check=check))
            if check.fired:
                try:
                    done = run(trigger.info)
                except SparkLostError as lost:
                    on_event(WatchEvent(check=check, lost=lost))
                    done = run(trigger.info)
                trigger.confirm()
                runs += 1
                on_event(WatchEvent(check=check, run=done))
                continue  # what came while the job ran is seen at once
            _wait(trigger, check.next_possible_at, clock, should_stop)
    return runs


def _wait(
    trigger: FileArrivalTrigger,
    possible_at: datetime | None,
    clock: Clock,
    should_stop: Callable[[], bool],
) -> None:
    left = trigger.poll_interval_seconds
    if possible_at is not None:
        left = min(left, max((possible_at - clock.now()).total_seconds(), 0.0))
    while left > 0 and not should_stop():
        clock.wait(min(left, _SLICE_SECONDS))
        left -= _SLICE_SECONDS
