import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub.clock import ManualClock
from dlt_stub.cloud_files import CloudFilesState, FileEntry, is_ledger_long
from dlt_stub.errors import StateError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def entry(name: str, modified_ms: int = 1_000) -> FileEntry:
    return FileEntry(path=f"/in/{name}", size=10, modified_ms=modified_ms)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "ledger").iterdir())


def filled(folder: Path, batches: int, first: int = 0) -> CloudFilesState:
    clock = ManualClock(NOON)
    for number in range(first, first + batches):
        clock.wait(60)
        state = CloudFilesState(folder, clock)  # each update has one of its own: a segment each
        if not state.is_started:
            state.start([entry("left_out.csv")])
        state.assign([(("id", "é"), [entry(f"{number}.csv"), entry("same.csv", number)])])
        state.commit(state.pending[-1], {"num_output_rows": number})
    return CloudFilesState(folder, clock)


def seen(state: CloudFilesState) -> object:
    asked = [entry("0.csv"), entry("same.csv", 3), entry("same.csv", 999), entry("left_out.csv")]
    return (
        state.source_id,
        state.pending,
        state.files(),
        state.committed_until(NOON.replace(hour=13)),
        [state.committed_metrics(number) for number in (0, 7, 38)],
        [state.is_new(file, allow_overwrites=way) for file in asked for way in (True, False)],
    )


def test_compaction_changes_nothing_that_is_said(tmp_path: Path) -> None:
    state = filled(tmp_path, 40)
    state.archive([(entry("1.csv"), "/archive/1.csv"), (entry("2.csv"), None)], "MOVE")
    state.assign([(("id",), [entry("pending.csv")])])
    before = seen(CloudFilesState(tmp_path))
    assert CloudFilesState(tmp_path).compact()
    assert len(names(tmp_path)) == 1
    assert seen(CloudFilesState(tmp_path)) == before
    assert not CloudFilesState(tmp_path).compact()
    again = CloudFilesState(tmp_path)
    again.commit(again.pending[0], {})
    filled(tmp_path, 40, first=41)
    before = seen(CloudFilesState(tmp_path))
    assert CloudFilesState(tmp_path).compact()
    assert seen(CloudFilesState(tmp_path)) == before
    assert [each.batch for each in CloudFilesState(tmp_path).files()][-1] == 80


def test_leftovers_of_killed_compaction_are_ignored(tmp_path: Path) -> None:
    state = filled(tmp_path, 40)
    before = seen(state)
    old = {path: path.read_bytes() for path in (tmp_path / "ledger").iterdir()}
    state.compact()
    for path, content in old.items():  # killed before it removed them, or while it did
        path.write_bytes(content)
        assert seen(CloudFilesState(tmp_path)) == before
    filled(tmp_path, 40, first=40)
    assert CloudFilesState(tmp_path).compact()
    assert len(names(tmp_path)) == 1
    assert len(CloudFilesState(tmp_path).files()) == 160


def test_settled_batches_are_not_given_again(tmp_path: Path) -> None:
    filled(tmp_path, 40).compact()
    state = CloudFilesState(tmp_path)
    state.assign([(("id",), [entry("new.csv")])])
    assert [batch.number for batch in state.pending] == [40]
    with pytest.raises(StateError, match="starts the source again"):
        state.start([])


def test_snapshot_in_the_middle_is_refused(tmp_path: Path) -> None:
    state = filled(tmp_path, 40)
    state.compact()
    (snapshot,) = (tmp_path / "ledger").iterdir()
    (tmp_path / "ledger" / "9999999999.jsonl").write_bytes(snapshot.read_bytes())
    with pytest.raises(StateError, match="not the first entry"):
        CloudFilesState(tmp_path)


def test_long_ledger_is_read_quickly(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    files = [entry(f"orders/2026/{number:06d}-of-a-long-name.csv") for number in range(100_000)]
    state.assign([(("id",), files[at : at + 1000]) for at in range(0, len(files), 1000)])
    for batch in state.pending:
        state.commit(batch, {"num_output_rows": 1})
    assert not is_ledger_long(tmp_path)
    assert state.compact(few=0)
    started = time.process_time()
    again = CloudFilesState(tmp_path)
    assert sum(again.is_new(file, allow_overwrites=True) for file in files) == 0
    assert time.process_time() - started < 1.0  # measured: a quarter of that
