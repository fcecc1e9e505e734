"""Files of state on a disk that refuses, and files of state that were changed from outside."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub import DiskError, StateError
from dlt_stub.atomic import read_json, write_json
from dlt_stub.clock import ManualClock
from dlt_stub.cloud_files import CloudFilesState
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.cloud_files.segments import put_if_absent
from dlt_stub.engine.damage import find_damage
from dlt_stub.events import EventLog, read_events
from pipelines.tasks.archive_files import Known, Version, finish_interrupted, settle
from tests.reliability.faulty_disks import full, read_only, small_disk

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HINT = "dlt-stub doctor says how much there is"


def log_in(folder: Path) -> EventLog:
    return EventLog(folder, clock=ManualClock(START), origin={}, listener=None)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.rglob("*") if file.is_file())


def test_full_disk_leaves_state_whole(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        run, log, ledger = disk / "run.json", log_in(disk / "log"), disk / "ledger"
        write_json(run, {"state": "RUNNING"})
        log.emit("user_action", "first")
        log.flush()
        state = CloudFilesState(ledger)
        state.start([])
        before = names(disk)
        files = [FileEntry(path=f"/in/{n}.csv", size=n, modified_ms=n) for n in range(200)]
        with full(disk):
            log.emit("user_action", "second")
            writes: tuple[Callable[[], object], ...] = (
                lambda: write_json(run, {"state": "x" * 5000}),
                log.flush,
                lambda: put_if_absent(disk / "schemas" / "0.json", "x" * 5000),
                lambda: state.assign([(("a",), files)]),
            )
            for write in writes:
                with pytest.raises(DiskError, match="the disk is full") as refused:
                    write()
                assert str(disk) in refused.value.message
                assert HINT in str(refused.value)
            assert names(disk) == sorted([*before, ".ballast"])  # no draft takes more room
            assert read_json(run) == {"state": "RUNNING"}
            assert [event.message for event in read_events(disk / "log")] == ["first"]
        log.flush()
        assert [event.message for event in read_events(disk / "log")] == ["first", "second"]
        again = CloudFilesState(ledger)  # half a line stands there, and was never acknowledged
        assert (again.source_id, again.pending) == (state.source_id, [])
        again.assign([(("a",), files)])
        assert [len(batch.files) for batch in CloudFilesState(ledger).pending] == [200]


def test_read_only_disk_is_named(tmp_path: Path) -> None:
    with read_only(tmp_path), pytest.raises(DiskError, match="read-only file system") as refused:
        write_json(tmp_path / "run.json", {})
    assert str(tmp_path / "run.json") in refused.value.message
    assert "mount it for writing" in str(refused.value)


def test_cut_event_is_repaired(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.emit("user_action", "first")
    log.emit("user_action", "second")
    log.flush()
    (segment,) = tmp_path.glob("*.json")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-40])
    assert [event.message for event in read_events(tmp_path)] == ["first"]
    log = log_in(tmp_path)
    assert segment.read_bytes() == whole.splitlines(keepends=True)[0]  # for Spark, which reads it
    log.emit("user_action", "third")
    log.flush()
    assert [event.message for event in read_events(tmp_path)] == ["first", "third"]


def test_garbage_in_events_is_named(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    for message in ("first", "second"):
        log.emit("user_action", message)
        log.flush()
    first, _ = sorted(tmp_path.glob("*.json"))
    first.write_bytes(b"\x00\xff{" + first.read_bytes())
    with pytest.raises(StateError, match=f"{first}:1 is not an event") as told:
        list(read_events(tmp_path))
    assert f"mv {first} /tmp" in str(told.value)
    first.rename(tmp_path / "moved away")  # the hint
    assert [event.message for event in read_events(tmp_path)] == ["second"]


def test_garbage_in_ledger_is_named(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.start([])
    (segment,) = (tmp_path / "ledger").glob("*.jsonl")
    segment.write_bytes(b"{]\n" + segment.read_bytes())
    with pytest.raises(StateError, match=f"{segment}:1 is not JSON") as told:
        CloudFilesState(tmp_path)
    assert "--reset-checkpoint-selection" in str(told.value)


def test_broken_delta_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    log.mkdir()
    assert find_damage(tmp_path) is None
    commits = [log / f"{version:020}.json" for version in range(4)]
    for file in commits:
        file.write_text('{"commitInfo":{}}\n{"add":{}}\n')
    assert find_damage(tmp_path) is None
    for content, found in (
        (b"", "it is empty"),
        (b'{"commitInfo":{}}\n{"add":{', "line 2 is not JSON"),
    ):
        commits[2].write_bytes(content)
        damage = find_damage(tmp_path)
        assert damage is not None
        assert (damage.file, damage.is_spare) == (commits[2], False)
        assert found in damage.found
    commits[2].unlink()
    damage = find_damage(tmp_path)
    assert damage is not None
    assert (damage.file, damage.found[:13]) == (commits[2], "it is missing")
    checkpoint = log / f"{2:020}.checkpoint.parquet"
    checkpoint.write_bytes(b"PAR1...PAR1")
    assert find_damage(tmp_path) is None  # nobody reads what is summed up
    checkpoint.write_bytes(b"PAR1...")
    damage = find_damage(tmp_path)
    assert damage is not None
    assert (damage.file, damage.is_spare) == (checkpoint, False)
    commits[2].write_text("{}\n")
    damage = find_damage(tmp_path)
    assert damage is not None
    assert (damage.file, damage.is_spare) == (checkpoint, True)


def test_archive_that_cannot_be_written_keeps_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    files = {name: name.encode() * 30_000 for name in ("a", "b")}
    for name, content in files.items():
        (source / name).write_bytes(content)

    def archive_all(archive: Path) -> list[str]:
        outcomes = finish_interrupted(source, archive)
        for name in sorted(path.name for path in source.iterdir()):
            seen = (source / name).lstat()
            version = Version(name, seen.st_size, seen.st_mtime_ns // 1_000_000)
            known = Known(present={name: version}, committed={version}, run_started_ms=0)
            outcomes.append(settle(source, archive, name, seen, known))
        return [str(outcome) for outcome in outcomes]

    with small_disk(tmp_path / "disk", "128k") as archive:  # a disk of its own: files are copied
        with read_only(archive):
            lines = archive_all(archive)
            assert [line[:8] for line in lines] == ["FAILED a", "FAILED b"]
            assert all("Read-only file system" in line for line in lines)
        with full(archive, left_bytes=50_000):  # room for one of the two
            lines = archive_all(archive)
            assert [line[:8] for line in lines] == ["moved  a", "FAILED b"]
            assert "No space left on device" in lines[1]
            assert (source / "b").read_bytes() == files["b"]
            assert names(archive) == [".ballast", "a"]  # no half copy is left
        assert [line[:8] for line in archive_all(archive)] == ["moved  b"]
        found = {file.name: file.read_bytes() for file in archive.rglob("*") if file.is_file()}
        assert found == files
        assert names(source) == []


def test_state_survives_a_short_write(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.start([])
    file = FileEntry(path="/in/a.csv", size=1, modified_ms=1)
    state.assign([(("a",), [file])])
    (segment,) = (tmp_path / "ledger").glob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-20])
    again = CloudFilesState(tmp_path)
    assert again.is_new(file, allow_overwrites=False)
    again.assign([(("a",), [file])])
    assert len(CloudFilesState(tmp_path).pending) == 1
    lines = [json.loads(line) for line in segment.read_bytes().splitlines()[:1]]
    assert lines[0]["kind"] == "start"
