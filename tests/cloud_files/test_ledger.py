from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql.types import StringType, StructField, StructType

from dlt_stub.clock import ManualClock
from dlt_stub.cloud_files import CloudFilesState, FileEntry, IngestedFile
from dlt_stub.errors import StateError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def entry(name: str, *, size: int = 10, modified_ms: int = 1_000) -> FileEntry:
    return FileEntry(path=f"/in/{name}", size=size, modified_ms=modified_ms)


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "ledger").iterdir())


def test_assigned_batch_survives_a_restart(tmp_path: Path) -> None:
    first = CloudFilesState(tmp_path)
    first.start([])
    first.assign([(("id", "é"), [entry("a.csv")]), (("id",), [entry("b.csv"), entry("c.csv")])])
    again = CloudFilesState(tmp_path)
    assert again.pending == first.pending
    assert [(batch.number, batch.header) for batch in again.pending] == [
        (0, ("id", "é")),
        (1, ("id",)),
    ]


def test_commit_keeps_its_metrics(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.assign([(("id",), [entry("a.csv")])])
    assert state.committed_metrics(0) is None
    state.commit(state.pending[0], {"num_output_rows": 3, "dropped": {"rule": 1}})
    again = CloudFilesState(tmp_path)
    assert again.pending == []
    assert again.committed_metrics(0) == {"num_output_rows": 3, "dropped": {"rule": 1}}


def test_commit_is_accepted_only_once(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.assign([(("id",), [entry("a.csv")])])
    batch = state.pending[0]
    state.commit(batch, {})
    with pytest.raises(StateError, match="commits batch 0 again"):
        state.commit(batch, {})
    assert CloudFilesState(tmp_path).pending == []


def test_files_tell_when_they_were_ingested(tmp_path: Path) -> None:
    clock = ManualClock(NOON)
    state = CloudFilesState(tmp_path, clock)
    state.assign([(("id",), [entry("a.csv", modified_ms=5_000)])])
    clock.wait(60)
    state.commit(state.pending[0], {})
    assert CloudFilesState(tmp_path).files() == [
        IngestedFile(
            path="/in/a.csv",
            size=10,
            modified_at=datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC),
            discovered_at=NOON,
            committed_at=datetime(2026, 1, 2, 12, 1, tzinfo=UTC),
            batch=0,
        )
    ]


def test_line_cut_short_is_left_out(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.start([])
    state.assign([(("id",), [entry("a.csv")])])
    state.assign([(("id",), [entry("b.csv")])])
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    last_line = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(last_line, len(whole)):
        segment.write_bytes(whole[:cut])
        assert [batch.number for batch in CloudFilesState(tmp_path).pending] == [0]


def test_ledger_goes_on_after_a_cut(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.assign([(("id",), [entry("a.csv")])])
    state.assign([(("id",), [entry("b.csv")])])
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-5])
    repaired = CloudFilesState(tmp_path)
    assert repaired.is_new(entry("b.csv"), allow_overwrites=False)
    repaired.assign([(("id",), [entry("b.csv")])])
    again = CloudFilesState(tmp_path)
    assert [(b.number, b.files[0].path) for b in again.pending] == [
        (0, "/in/a.csv"),
        (1, "/in/b.csv"),
    ]
    assert len(segments(tmp_path)) == 2


def test_garbage_is_named_with_its_line(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.start([])
    state.assign([(("id",), [entry("a.csv")])])
    (segment,) = segments(tmp_path)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"\x00garbage\n" + lines[1])
    with pytest.raises(StateError, match=rf"{segment.name}:2 is not JSON"):
        CloudFilesState(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"v": 9}', "version 9, known is 1"),
        ('{"v": 1, "kind": "forget"}', "unknown kind 'forget'"),
        ('{"v": 1, "kind": "commit", "batch": 4}', "batch 4 that was never assigned"),
        ('{"v": 1, "kind": "assign", "batch": 0, "at": "x"}', "lacks what its kind needs"),
        ("[]", "is not a JSON object"),
    ],
)
def test_entry_without_sense_is_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "0000000000.jsonl").write_text(line + "\n")
    with pytest.raises(StateError, match=message):
        CloudFilesState(tmp_path)


def test_each_start_has_its_own_id(tmp_path: Path) -> None:
    states = [CloudFilesState(tmp_path / name) for name in "ab"]
    assert [state.source_id for state in states] == [None, None]
    for state in states:
        state.start([])
    assert states[0].source_id != states[1].source_id
    assert CloudFilesState(tmp_path / "a").source_id == states[0].source_id
    with pytest.raises(StateError, match="starts the source again"):
        states[0].start([])


def test_two_writers_are_noticed(tmp_path: Path) -> None:
    one, other = CloudFilesState(tmp_path), CloudFilesState(tmp_path)
    one.assign([(("id",), [entry("a.csv")])])
    other.assign([(("id",), [entry("a.csv")])])
    with pytest.raises(StateError, match="gives batch 0 a second time"):
        CloudFilesState(tmp_path)


def test_overwritten_file_is_new_when_allowed(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.assign([(("id",), [entry("a.csv")])])
    for changed in (entry("a.csv", size=11), entry("a.csv", modified_ms=999)):
        assert state.is_new(changed, allow_overwrites=True)
        assert not state.is_new(changed, allow_overwrites=False)
    assert not state.is_new(entry("a.csv"), allow_overwrites=True)


def test_schema_versions_are_never_replaced(tmp_path: Path) -> None:
    one, other = CloudFilesState(tmp_path), CloudFilesState(tmp_path)
    schema = StructType([StructField("id", StringType())])
    assert one.latest_schema() is None
    assert one.add_schema(schema, "id STRING").number == 0
    assert other.add_schema(schema, None).number == 1
    latest = CloudFilesState(tmp_path).latest_schema()
    assert latest is not None
    assert (latest.number, latest.schema, latest.hints) == (1, schema, None)
    assert sorted(path.name for path in (tmp_path / "schemas").iterdir()) == [
        "0000000000.json",
        "0000000001.json",
    ]


def test_released_batch_gives_its_files_back(tmp_path: Path) -> None:
    state = CloudFilesState(tmp_path)
    state.start([])
    a, b, c = entry("a.csv"), entry("b.csv"), entry("c.csv")
    state.assign([(("id",), [a, b]), (("x",), [c])])
    first, second = state.pending
    (rest,) = state.release(first, {a.path: "it is gone"})
    assert (rest.number, rest.header, rest.files) == (2, ("id",), (b,))
    for known in (state, CloudFilesState(tmp_path)):
        assert [batch.number for batch in known.pending] == [1, 2]
        for overwrites in (True, False):
            assert known.is_new(a, allow_overwrites=overwrites)
            assert not known.is_new(b, allow_overwrites=overwrites)
    assert state.release(second, {c.path: "it cannot be read"}) == []
    state.commit(rest, {})
    again = CloudFilesState(tmp_path)
    again.assign([(("x",), [c])])
    assert [batch.number for batch in again.pending] == [3]  # no number is given a second time
    with pytest.raises(StateError, match="commits batch 1 that was never assigned"):
        again.commit(second, {})
