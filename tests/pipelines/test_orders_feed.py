"""The sample feed: the same bytes for the same seed, and every kind of trouble in it."""

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import pytest

from samples.orders_feed import COLUMNS, land, land_next, read_progress


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def landed(folder: Path, days: int) -> list[dict[str, str]]:
    return [row for day in range(1, days + 1) for f in land(folder, day) for row in rows_of(f)]


def test_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for day in (1, 2, 3):
            land(tmp_path / folder, day)
    assert [f.read_bytes() for f in sorted((tmp_path / "one").iterdir())] == [
        f.read_bytes() for f in sorted((tmp_path / "two").iterdir())
    ]
    other = land(tmp_path / "three", 1, seed=8)[0]
    assert other.read_bytes() != (tmp_path / "one" / other.name).read_bytes()


def test_landing_leaves_only_whole_files(tmp_path: Path) -> None:
    files = land(tmp_path, 2)
    assert sorted(files) == sorted(tmp_path.iterdir())
    assert any(" " in file.name for file in files)


def test_days_follow_each_other(tmp_path: Path) -> None:
    state = tmp_path / "state" / "days.json"
    first = land_next(tmp_path / "source", state, first_day=date(2026, 3, 1))
    second = land_next(tmp_path / "source", state)
    assert "20260301" in first[0].name
    assert "20260302" in second[0].name
    progress = read_progress(state)
    assert progress is not None
    assert progress.landed_days == 2


def test_days_count_from_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="days count from 1, not 0"):
        land(tmp_path, 0)


def test_no_two_changes_tie(tmp_path: Path) -> None:
    contents = defaultdict(set)
    for row in landed(tmp_path, 4):
        if row["order_id"] and row["updated_at"] and None not in row:
            change = tuple(row[column] for column in COLUMNS)
            contents[row["order_id"], row["updated_at"]].add(change)
    assert not [key for key, changes in contents.items() if len(changes) > 1]


def test_every_kind_of_trouble_is_there(tmp_path: Path) -> None:
    rows = landed(tmp_path, 4)
    deleted = {row["order_id"]: row["updated_at"] for row in rows if row["operation"] == "DELETE"}
    after_delete = set()
    late, seen, duplicates = 0, dict[str, str](), 0
    for row in rows:
        before = seen.get(row["order_id"], "")
        late += row["updated_at"] < before
        duplicates += row["updated_at"] == before
        if row["order_id"] in deleted and before == deleted[row["order_id"]]:
            after_delete.add(row["order_id"])
        seen[row["order_id"]] = max(before, row["updated_at"])
    assert min(late, duplicates, len(deleted), len(after_delete)) > 0
    assert any(row["order_id"] == "" for row in rows)
    assert any(row["updated_at"] == "" for row in rows)
    assert any(row["quantity"] == "two" for row in rows)
    assert any(None in row for row in rows)  # more values than columns


def test_new_column_and_empty_file_come_later(tmp_path: Path) -> None:
    first, third = land(tmp_path, 1), land(tmp_path, 3)
    assert all(rows_of(file) for file in first)
    assert [len(rows_of(file)) for file in third].count(0) == 1
    assert "gift_note" not in rows_of(first[0])[0]
    notes = {row["gift_note"] for row in rows_of(third[0])}
    assert {'Says "thank you"', "Happy birthday, Ana", "Grüße aus Köln"} <= notes
