"""Every way the sides can disagree has a name, and what is right stays silent."""

import hashlib
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dlt_stub.accounting import Evidence, Kind, Reconciliation, Version, balance
from dlt_stub.accounting.counting import rows_in, sha256
from dlt_stub.accounting.places import archived_below, files_below
from dlt_stub.accounting.records import FoundFile, LedgerFile, Recorded, RowCounts

AT_MS = int(datetime(2026, 3, 4, 10, tzinfo=UTC).timestamp() * 1000)
DAY = "2026/03/04"
TWO_ROWS = "id\n1\n2\n"


class Yard:
    """A source and an archive on disk, and the other sides as they are when all is right."""

    def __init__(self, root: Path) -> None:
        self.source, self.archive = root / "source", root / "archive"
        self.source.mkdir()
        self.archive.mkdir()
        self.ledger: list[LedgerFile] = []
        self.records: list[Recorded] = []
        self.rows: dict[Version, RowCounts] = {}

    def land(self, name: str, content: str = TWO_ROWS, *, at_ms: int = AT_MS) -> Version:
        file = write(self.source / name, content, at_ms)
        return Version(str(file), file.stat().st_size, at_ms)

    def read(self, version: Version, rows: int = 2, *, is_committed: bool = True) -> None:
        self.ledger.append(LedgerFile(version=version, is_committed=is_committed))
        if rows:
            self.rows[version] = RowCounts(rows=rows)

    def move(self, version: Version, name: str | None = None, *, recorded: bool = True) -> Path:
        file = Path(version.path)
        target = self.archive / DAY / (name or file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = sha256(str(file))
        file.rename(target)
        if recorded:
            self.records.append(
                Recorded(version=version, archived_to=str(target), rows_in_file=2, sha256=digest)
            )
        return target

    def archived(self, name: str, *, recorded: bool = True) -> tuple[Version, Path]:
        version = self.land(name)
        self.read(version)
        return version, self.move(version, recorded=recorded)

    def evidence(self) -> Evidence:
        return Evidence(
            table="stage",
            source=str(self.source),
            ledger=tuple(self.ledger),
            in_source=tuple(files_below(self.source)),
            in_archive=tuple(archived_below(self.archive, str(self.source))),
            records=tuple(self.records),
            rows=self.rows,
        )

    def result(self, evidence: Evidence | None = None, *, recount: bool = True) -> Reconciliation:
        count = (lambda path: rows_in(path, "csv", {"header": "true"})) if recount else None
        return balance(evidence or self.evidence(), count=count, digest=sha256)

    def wrong(self, evidence: Evidence | None = None, *, recount: bool = True) -> list[str]:
        result = self.result(evidence, recount=recount)
        return [f"{each.kind.value} {each.file}" for each in result.imbalances]


def write(file: Path, content: str, at_ms: int) -> Path:
    file.write_text(content, encoding="utf-8")
    os.utime(file, ns=(at_ms * 1_000_000, at_ms * 1_000_000))
    return file


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_what_is_right_stays_silent(yard: Yard) -> None:
    yard.archived("a.csv")
    yard.archived("b.csv", recorded=False)
    again = yard.land("a.csv", at_ms=AT_MS + 1000)  # the same name and content, later that day
    yard.read(again)
    yard.move(again, "a.20260304T100001000Z.csv")
    empty = yard.land("header.csv", "id\n")
    yard.read(empty, 0)
    yard.land("new.csv")  # not seen yet
    pending = yard.land("pending.csv")
    yard.read(pending, 0, is_committed=False)
    result = yard.result()
    assert result.imbalances == ()
    where = {(each.file, each.modified_at.second): each.where for each in result.accounts}
    assert where["new.csv", 0] == "still in the source, not read yet"
    assert where["header.csv", 0] == where["pending.csv", 0] == "still in the source"
    assert where["a.csv", 1].endswith("a.20260304T100001000Z.csv")
    assert where["a.csv", 0].endswith(f"{DAY}/a.csv")
    totals = result.totals
    assert (totals.deliveries, totals.rows_in_file, totals.rows) == (6, 10, 6)
    assert yard.wrong(recount=False) == []


def test_file_replaced_in_the_source_is_no_loss(yard: Yard) -> None:
    first = yard.land("a.csv")
    yard.read(first)
    second = yard.land("a.csv", "id\n7\n", at_ms=AT_MS + 5)
    yard.read(second, 1)
    yard.move(second)
    result = yard.result()
    assert result.balances
    assert result.accounts[0].where == "replaced by a later delivery before it was archived"


@pytest.mark.parametrize("recorded", [True, False])
def test_archived_file_that_goes_is_missed(yard: Yard, recorded: bool) -> None:
    _, file = yard.archived("a.csv", recorded=recorded)
    file.unlink()
    assert yard.wrong() == yard.wrong(recount=False) == ["gone a.csv"]
    assert yard.result().accounts[0].where == "gone"


def test_file_gone_from_the_source_is_missed(yard: Yard) -> None:
    version = yard.land("a.csv")
    yard.read(version, 0, is_committed=False)
    Path(version.path).unlink()
    assert yard.wrong() == ["gone a.csv"]


def test_record_outlives_a_later_delivery(yard: Yard) -> None:
    _, file = yard.archived("a.csv")
    later = yard.land("a.csv", at_ms=AT_MS + 5)
    yard.read(later)
    file.unlink()
    assert yard.wrong() == ["gone a.csv"]


@pytest.mark.parametrize("recorded", [True, False])
def test_edited_archive_file_is_named(yard: Yard, recorded: bool) -> None:
    _, file = yard.archived("a.csv", recorded=recorded)
    write(file, "id\n1\n22\n", AT_MS + 9)
    assert yard.wrong() == yard.wrong(recount=False) == ["changed_in_archive a.csv"]


def test_digest_finds_what_time_and_size_hide(yard: Yard) -> None:
    _, file = yard.archived("a.csv")
    write(file, "id\n1\n9\n", AT_MS)
    assert yard.wrong() == ["changed_in_archive a.csv"]
    assert yard.wrong(recount=False) == []


def test_copies_in_the_archive_are_named(yard: Yard) -> None:
    _, file = yard.archived("a.csv")
    write(file.with_name("copy of a.csv"), TWO_ROWS, AT_MS + 60_000)
    write(file.with_name("a.20260304T100000000Z.csv"), TWO_ROWS, AT_MS)
    write(file.with_name("never.csv"), "id\n8\n", AT_MS)
    assert yard.wrong() == [
        "archived_twice a.csv",
        "archived_twice a.csv",
        "unknown_in_archive never.csv",
    ]


def test_move_by_copying_is_recognised(yard: Yard) -> None:
    _, file = yard.archived("a.csv", recorded=False)
    write(file, TWO_ROWS, AT_MS + 60_000)  # the time of the copy
    assert yard.wrong() == []


def test_file_in_both_places_is_named(yard: Yard) -> None:
    version, _ = yard.archived("a.csv")
    yard.land("a.csv")
    assert yard.wrong() == ["archived_and_in_source a.csv"]
    assert version in {each.version for each in yard.evidence().in_source}


def test_uncommitted_file_in_the_archive_is_named(yard: Yard) -> None:
    version = yard.land("a.csv")
    yard.read(version, 0, is_committed=False)
    yard.move(version)
    assert yard.wrong() == ["archived_not_committed a.csv"]


def test_file_outside_the_ledger_is_named(yard: Yard) -> None:
    yard.archived("a.csv")
    yard.ledger.clear()
    assert yard.wrong() == ["not_in_ledger a.csv"]
    assert yard.wrong(replace(yard.evidence(), is_reset=True)) == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [(1, "rows_missing"), (0, "rows_missing"), (4, "rows_twice"), (3, "rows_too_many")],
)
def test_rows_of_a_file_are_compared(yard: Yard, rows: int, said: str) -> None:
    version, _ = yard.archived("a.csv")
    yard.rows = {version: RowCounts(rows=rows)} if rows else {}
    assert yard.wrong() == yard.wrong(recount=False) == [f"{said} a.csv"]
    assert yard.wrong(replace(yard.evidence(), tells_rows=False)) == []


def test_rows_are_split_without_rest(yard: Yard) -> None:
    a, _ = yard.archived("a.csv")
    b, _ = yard.archived("b.csv")
    c, _ = yard.archived("c.csv")
    evidence = replace(
        yard.evidence(), accepted={a: 1, b: 2, c: 1}, quarantined={a: 1, b: 1}, keys_missing={b: 1}
    )
    assert yard.wrong(evidence) == ["in_both b.csv", "keys_missing b.csv", "in_neither c.csv"]
    totals = yard.result(evidence).totals
    assert (totals.accepted, totals.quarantined) == (4, 2)


def test_rows_without_any_file_are_named(yard: Yard) -> None:
    version, file = yard.archived("a.csv", recorded=False)
    file.unlink()
    yard.ledger.clear()
    assert yard.wrong() == ["gone a.csv", "not_in_ledger a.csv"]
    assert version.path == str(yard.source / "a.csv")


def test_what_clean_source_took_is_not_missed(yard: Yard) -> None:
    version = yard.land("a.csv")
    yard.ledger = [LedgerFile(version=version, is_committed=True, removed=True)]
    yard.rows[version] = RowCounts(rows=2)
    Path(version.path).unlink()
    result = yard.result()
    assert result.balances
    assert result.accounts[0].where == "deleted by cleanSource"
    moved = write(yard.source.parent / "moved.csv", TWO_ROWS, AT_MS)
    yard.ledger = [LedgerFile(version=version, is_committed=True, moved_to=str(moved))]
    found = FoundFile(path=str(moved), size=9, modified_ms=AT_MS, origin=version.path)
    assert yard.wrong() == ["gone a.csv"]
    there = replace(yard.evidence(), in_archive=(replace(found, size=version.size),))
    assert yard.result(there).accounts[0].where == str(moved)
    assert yard.wrong(there) == []
    assert yard.wrong(replace(there, in_archive=(found,))) == ["changed_in_archive a.csv"]


def test_window_leaves_older_days_alone(yard: Yard) -> None:
    old, file = yard.archived("old.csv")
    yard.archived("same day.csv")
    late = yard.land("late.csv", at_ms=AT_MS + 1000)
    yard.read(late, 1)
    yard.move(late)
    file.unlink()
    yard.archived("copied.csv", recorded=False)
    write(yard.archive / DAY / "copied.csv", TWO_ROWS, AT_MS + 9000)
    since = replace(
        yard.evidence(),
        since_ms=AT_MS + 500,
        rows={late: yard.rows[late]},
        records=tuple(each for each in yard.records if each.version == late),
    )
    assert yard.wrong() == ["gone old.csv", "rows_missing late.csv"]
    assert yard.wrong(since) == ["rows_missing late.csv"]
    assert [each.file for each in yard.result(since).accounts] == ["late.csv"]
    assert old.modified_ms == AT_MS


def test_unreadable_file_is_named_once(yard: Yard) -> None:
    yard.archived("a.csv")

    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    result = balance(yard.evidence(), count=lambda path: len(refuse(path)), digest=refuse)
    (wrong,) = result.imbalances
    assert wrong.kind is Kind.UNREADABLE
    assert wrong.message.endswith("a.csv cannot be read: Permission denied")
    assert result.accounts[0].rows_in_file is None


def test_links_and_lone_files_are_followed(yard: Yard, tmp_path: Path) -> None:
    version = yard.land("a.csv")
    (yard.source / "loop").symlink_to(yard.source)
    for hidden in (".part", "_SUCCESS", "b.csv._COPYING_"):
        (yard.source / hidden).write_text("x")
    assert [file.version for file in files_below(yard.source)] == [version]
    assert [file.version for file in files_below(Path(version.path))] == [version]
    assert files_below(tmp_path / "none") == []
    (yard.source / "_day=1").mkdir()
    (yard.source / "_day=1" / "b.csv").write_text("x")
    assert len(files_below(yard.source)) == 2


def test_thousands_of_deliveries_take_seconds() -> None:
    versions = [Version(f"/s/{n % 5000}.csv", n, AT_MS + n) for n in range(20_000)]
    evidence = Evidence(
        table="stage",
        source="/s",
        ledger=tuple(LedgerFile(version=v, is_committed=True, removed=True) for v in versions),
        in_source=(),
        rows={version: RowCounts(rows=2) for version in versions},
    )
    started = time.perf_counter()
    result = balance(evidence, count=None, digest=sha256)
    assert result.totals.rows == 40_000
    assert result.balances
    assert time.perf_counter() - started < 10  # with a look at all others for each it takes minutes


def test_kinds_have_stable_names() -> None:
    assert {kind.value for kind in Kind} == {kind.name.lower() for kind in Kind}
    assert hashlib.sha256(b"").hexdigest() == sha256("/dev/null")
