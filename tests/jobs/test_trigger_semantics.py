import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk.service.jobs import FileArrivalTriggerConfiguration, TriggerType

from dlt_stub.clock import ManualClock
from dlt_stub.errors import BundleError, StateError
from dlt_stub.jobs import FileArrivalTrigger, trigger_state_file
from dlt_stub.jobs.trigger import FILE_LIMIT
from dlt_stub.paths import WorkspacePaths
from tests.jobs.bench import START

Land = Callable[..., Path]
URL = "/Volumes/main/default/orders/source/"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def land(tmp_path: Path) -> Land:
    def write(name: str, text: str = "x") -> Path:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.fixture
def trigger(tmp_path: Path, clock: ManualClock) -> FileArrivalTrigger:
    """A trigger without waits that has had its first look at an empty folder."""
    made = FileArrivalTrigger(
        configuration=FileArrivalTriggerConfiguration(url=URL),
        location=tmp_path / "source",
        state_file=trigger_state_file(WorkspacePaths.at(tmp_path / "ws"), "etl"),
        clock=clock,
    )
    assert not made.check().fired
    return made


def waiting(trigger: FileArrivalTrigger, *, between: int = 0, quiet: int = 0) -> FileArrivalTrigger:
    """The same trigger, with waits."""
    return replace(
        trigger,
        configuration=FileArrivalTriggerConfiguration(
            url=URL,
            min_time_between_triggers_seconds=between or None,
            wait_after_last_change_seconds=quiet or None,
        ),
    )


def test_a_new_file_fires_once(trigger: FileArrivalTrigger, land: Land) -> None:
    land("a.csv")
    check = trigger.check()
    assert (check.fired, check.new_files) == (True, 1)
    assert check.reason == f"1 file new at {URL}"
    trigger.confirm()
    assert not trigger.check().fired


def test_a_file_replaced_does_not_fire(trigger: FileArrivalTrigger, land: Land) -> None:
    land("a.csv")
    trigger.check()
    trigger.confirm()
    land("a.csv", "other content")
    assert not trigger.check().fired


def test_files_in_subfolders_fire(trigger: FileArrivalTrigger, land: Land) -> None:
    land("2026/03/02/a.csv")
    assert trigger.check().fired


def test_the_same_name_elsewhere_is_new(trigger: FileArrivalTrigger, land: Land) -> None:
    land("a.csv")
    trigger.check()
    trigger.confirm()
    land("again/a.csv")
    assert trigger.check().fired


def test_an_empty_folder_does_not_fire(trigger: FileArrivalTrigger, land: Land) -> None:
    land("sub/a.csv").unlink()
    check = trigger.check()
    assert (check.fired, check.next_possible_at) == (False, None)
    assert check.reason == f"no new file at {URL}"


def test_names_that_begin_with_a_dot_do_not(trigger: FileArrivalTrigger, land: Land) -> None:
    land(".a.csv.part")
    land(".hidden/a.csv")
    assert not trigger.check().fired
    land("_a.csv")
    assert trigger.check().fired


def test_a_location_may_come_later(trigger: FileArrivalTrigger, land: Land) -> None:
    assert trigger.check().reason.endswith("which does not exist yet")
    land("a.csv")
    assert trigger.check().fired


def test_existing_files_do_not_fire(trigger: FileArrivalTrigger, land: Land) -> None:
    trigger.state_file.unlink()
    land("a.csv")
    check = trigger.check()
    assert not check.fired
    assert "do not fire it; start the job by hand" in check.notices[0]
    assert trigger.check().notices == ()
    land("b.csv")
    assert trigger.check().new_files == 1


def test_existing_files_fire_when_asked(trigger: FileArrivalTrigger, land: Land) -> None:
    trigger.state_file.unlink()
    land("a.csv")
    eager = replace(trigger, fire_for_existing=True)
    check = eager.check()
    assert check.fired
    assert "Databricks does not document" in check.notices[0]
    eager.confirm()
    assert not eager.check().fired


def test_the_interval_holds_later_files_back(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    slow = waiting(trigger, between=60)
    land("a.csv")
    assert slow.check().fired  # nothing fired before: no interval to keep
    slow.confirm()
    clock.wait(10)
    land("b.csv")
    check = slow.check()
    assert (check.fired, check.next_possible_at) == (False, START + timedelta(seconds=60))
    assert check.reason == f"1 file new at {URL}, waiting until 2026-03-02T10:01:00+00:00"
    clock.wait(49.5)
    assert not slow.check().fired
    clock.wait(0.5)
    assert slow.check().fired


def test_each_arrival_starts_the_quiet_time_again(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    quiet = waiting(trigger, quiet=60)
    land("a.csv")
    assert not quiet.check().fired
    clock.wait(59)
    land("b.csv")
    assert not quiet.check().fired
    clock.wait(59)
    assert not quiet.check().fired
    clock.wait(1)
    check = quiet.check()
    assert (check.fired, check.new_files) == (True, 2)


def test_replacing_a_file_is_no_arrival(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    quiet = waiting(trigger, quiet=60)
    land("a.csv")
    quiet.check()
    clock.wait(59)
    land("a.csv", "again")
    quiet.check()
    clock.wait(1)
    assert quiet.check().fired


def test_interval_first_then_quiet_time(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    both = waiting(trigger, between=300, quiet=60)
    land("a.csv")
    both.check()
    clock.wait(60)
    assert both.check().fired
    both.confirm()
    clock.wait(10)
    land("b.csv")
    check = both.check()
    assert check.next_possible_at == START + timedelta(seconds=60 + 300 + 60)
    clock.wait(349)
    assert not both.check().fired
    clock.wait(1)
    assert both.check().fired


def test_waits_can_be_shortened(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    hasty = replace(waiting(trigger, between=600, quiet=600), waits_seconds=2)
    assert hasty.min_time_between_triggers_seconds == hasty.wait_after_last_change_seconds == 2
    assert replace(trigger, waits_seconds=2).wait_after_last_change_seconds == 0
    land("a.csv")
    assert not hasty.check().fired
    clock.wait(2)
    assert hasty.check().fired


@pytest.mark.parametrize("wait", ["between", "quiet"])
def test_waits_under_a_minute_are_refused(trigger: FileArrivalTrigger, wait: str) -> None:
    with pytest.raises(BundleError, match="is 59; the minimum is 60"):
        waiting(trigger, **{wait: 59})


def test_files_that_came_meanwhile_fire(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    land("a.csv")
    trigger.check()
    trigger.confirm()
    clock.wait(3600)
    land("b.csv")
    restarted = replace(trigger, fire_for_existing=True)
    check = restarted.check()
    assert (check.fired, check.new_files, check.notices) == (True, 1, ())


def test_a_restart_keeps_the_quiet_time(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    land("a.csv")
    waiting(trigger, quiet=60).check()
    clock.wait(60)
    assert waiting(trigger, quiet=60).check().fired


def test_an_unconfirmed_firing_fires_again(trigger: FileArrivalTrigger, land: Land) -> None:
    land("a.csv").rename(land("b.csv"))
    assert trigger.check().fired
    check = trigger.check()
    assert check.fired
    assert "was not seen to its end: firing again" in check.reason
    trigger.confirm()
    assert not trigger.check().fired


def test_files_during_a_run_fire_after_it(trigger: FileArrivalTrigger, land: Land) -> None:
    land("a.csv")
    trigger.check()
    land("b.csv")
    trigger.confirm()
    assert (trigger.check().fired, trigger.check().new_files) == (True, 1)


def test_archived_files_are_forgotten(trigger: FileArrivalTrigger, land: Land) -> None:
    path = land("a.csv")
    trigger.check()
    trigger.confirm()
    path.unlink()
    trigger.check()
    assert json.loads(trigger.state_file.read_text())["known"] == []
    land("a.csv")
    assert trigger.check().fired


def test_a_file_that_left_again_does_not_fire(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    quiet = waiting(trigger, quiet=60)
    path = land("a.csv")
    quiet.check()
    path.unlink()
    clock.wait(60)
    assert not quiet.check().fired


def test_looking_without_news_writes_nothing(
    trigger: FileArrivalTrigger, land: Land, clock: ManualClock
) -> None:
    land("a.csv")
    trigger.check()
    trigger.confirm()
    before = trigger.state_file.stat().st_ino
    clock.wait(60)
    trigger.check()
    assert trigger.state_file.stat().st_ino == before


def test_many_files_are_warned_of(trigger: FileArrivalTrigger, land: Land) -> None:
    folder = land("0.csv").parent
    for number in range(1, FILE_LIMIT):
        (folder / f"{number}.csv").touch()
    assert trigger.check().notices == ()
    land("one_more.csv")
    assert f"holds {FILE_LIMIT + 1} files" in trigger.check().notices[0]


def test_a_damaged_state_is_named(trigger: FileArrivalTrigger) -> None:
    trigger.state_file.write_text('{"format": 1, "known": []}')
    with pytest.raises(StateError, match=r"trigger.json is not the state of a file-arrival"):
        trigger.check()


def test_a_run_is_told_of_the_trigger(trigger: FileArrivalTrigger) -> None:
    assert trigger.info.type is TriggerType.FILE_ARRIVAL
    assert trigger.info.file_arrival_location == URL
    assert trigger.info.fired_at_ms == 1772445600000
