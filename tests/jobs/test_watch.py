from collections.abc import Callable
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import FileArrivalTriggerConfiguration

from dlt_stub.errors import BusyError, SparkLostError
from dlt_stub.jobs import (
    FileArrivalTrigger,
    JobRun,
    TriggerInfo,
    WatchEvent,
    trigger_state_file,
    watch_job,
)
from tests.jobs.bench import START, Bench, Make

URL = "/Volumes/main/default/orders/source/"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def trigger(bench: Bench, source: Path) -> FileArrivalTrigger:
    return FileArrivalTrigger(
        configuration=FileArrivalTriggerConfiguration(url=URL, wait_after_last_change_seconds=90),
        location=source,
        state_file=trigger_state_file(bench.paths, "etl"),
        clock=bench.clock,
    )


def runner(bench: Bench, task: Make) -> Callable[[TriggerInfo], JobRun]:
    """Runs a job of one task."""
    return lambda fired: bench.run(task("a"), fired=fired)


def after(bench: Bench, seconds: float) -> Callable[[], bool]:
    """Wants to stop once the clock has gone that far."""
    return lambda: (bench.clock.now() - START).total_seconds() >= seconds


def never() -> bool:
    return False


def test_nothing_new_runs_nothing(bench: Bench, task: Make, trigger: FileArrivalTrigger) -> None:
    seen: list[WatchEvent] = []
    runs = watch_job(
        trigger,
        run=runner(bench, task),
        clock=bench.clock,
        should_stop=after(bench, 300),
        on_event=seen.append,
    )
    assert (runs, len(seen), bench.seen) == (0, 5, [])


def test_a_wish_to_stop_is_seen_soon(bench: Bench, task: Make, trigger: FileArrivalTrigger) -> None:
    watch_job(trigger, run=runner(bench, task), clock=bench.clock, should_stop=after(bench, 12.5))
    assert (bench.clock.now() - START).total_seconds() == 13


def test_the_run_starts_when_the_quiet_time_ends(
    bench: Bench, task: Make, trigger: FileArrivalTrigger, source: Path
) -> None:
    trigger.check()
    (source / "a.csv").touch()
    seen: list[WatchEvent] = []
    runs = watch_job(
        trigger,
        run=runner(bench, task),
        clock=bench.clock,
        should_stop=never,
        max_runs=1,
        on_event=seen.append,
    )
    assert runs == 1
    assert (bench.clock.now() - START).total_seconds() == 90
    done = seen[-1].run
    assert done is not None
    assert done.state.has_succeeded
    assert done.trigger == TriggerInfo(
        type=done.trigger.type, file_arrival_location=URL, fired_at_ms=done.start_time_ms
    )


def test_a_failed_run_is_not_started_again(
    bench: Bench, task: Make, trigger: FileArrivalTrigger, source: Path
) -> None:
    trigger.check()
    (source / "a.csv").touch()
    bench.steps["a"] = [OSError("disk full")] * 5
    runs = watch_job(
        trigger, run=runner(bench, task), clock=bench.clock, should_stop=after(bench, 900)
    )
    assert (runs, bench.order) == (1, ["a"])


def test_a_broken_off_run_starts_again(
    bench: Bench, task: Make, trigger: FileArrivalTrigger, source: Path
) -> None:
    trigger.check()
    (source / "a.csv").touch()
    bench.clock.wait(90)

    def die(_: TriggerInfo) -> JobRun:
        raise KeyboardInterrupt

    trigger.check()
    bench.clock.wait(90)
    with pytest.raises(KeyboardInterrupt):
        watch_job(trigger, run=die, clock=bench.clock, should_stop=never)
    (source / "a.csv").unlink()  # the broken run had archived it already
    runs = watch_job(
        trigger, run=runner(bench, task), clock=bench.clock, should_stop=never, max_runs=1
    )
    assert (runs, bench.order) == (1, ["a"])


def test_one_watch_at_a_time(bench: Bench, task: Make, trigger: FileArrivalTrigger) -> None:
    refused: list[str] = []

    def second() -> bool:
        with pytest.raises(BusyError, match="watch of") as error:
            watch_job(trigger, run=runner(bench, task), clock=bench.clock, should_stop=never)
        refused.append(error.value.condition)
        return True

    watch_job(trigger, run=runner(bench, task), clock=bench.clock, should_stop=second)
    assert refused == ["BUSY"]


def test_run_that_loses_spark_is_repeated(
    bench: Bench, task: Make, trigger: FileArrivalTrigger, source: Path
) -> None:
    trigger.check()
    (source / "a.csv").touch()
    seen: list[WatchEvent] = []
    losses = [SparkLostError("killed")]

    def lose(fired: TriggerInfo) -> JobRun:
        if losses:
            raise losses.pop()
        return bench.run(task("a"), fired=fired)

    done = watch_job(
        trigger, run=lose, clock=bench.clock, should_stop=never, max_runs=1, on_event=seen.append
    )
    assert done == 1
    assert [(event.lost is not None, event.run is not None) for event in seen[-2:]] == [
        (True, False),
        (False, True),
    ]
    (source / "b.csv").touch()
    losses[:] = [SparkLostError("killed"), SparkLostError("killed again")]
    with pytest.raises(SparkLostError, match="killed"):
        watch_job(trigger, run=lose, clock=bench.clock, should_stop=never)
    assert trigger.check().fired  # the next watch begins with it
