"""A seeded feed of orders: each day's files hold the kinds of trouble that real feeds hold.

The same seed, first day and day number give the same bytes, whatever was landed before: a day is
found by playing all days before it in memory.

Every day: new orders, updates, corrections, deletes, late rows (older than what was sent before,
some of them for orders already deleted), exact duplicates, and broken rows (too many commas, values
of the wrong type, no key, no sequence, odd values). From day 2 a file without rows; from day 3 a
column more, ``gift_note``. One file's name holds a space.

    python -m samples.orders_feed SOURCE --state FILE [--days N] [--seed S]
"""

import argparse
import csv
import io
import json
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

COLUMNS = (
    "order_id",
    "customer_id",
    "order_timestamp",
    "status",
    "carrier",
    "tracking_number",
    "quantity",
    "amount",
    "currency",
    "ship_country",
    "updated_at",
    "operation",
)
NEW_COLUMN = "gift_note"
NEW_COLUMN_FROM_DAY = 3
EMPTY_FILE_FROM_DAY = 2
FIRST_DAY = date(2026, 1, 5)
NEW_ORDERS = 200
LIFE = ("CREATED", "PAID", "PACKED", "SHIPPED", "DELIVERED")
CARRIERS = ("DHL", "UPS", "GLS", "DPD")
COUNTRIES = (("DE", "EUR"), ("FR", "EUR"), ("GB", "GBP"), ("US", "USD"), ("JP", "JPY"))
GIFT_NOTES = ("", "", "", "Happy birthday, Ana", 'Says "thank you"', "Grüße aus Köln")

Row = dict[str, str]


@dataclass(slots=True, kw_only=True)
class _Shop:
    """What the shop knows after the days played so far."""

    random: random.Random
    orders: dict[str, Row] = field(default_factory=dict)  # alive, last row sent
    deleted: list[Row] = field(default_factory=list)
    sent: list[Row] = field(default_factory=list)  # good rows of all days


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    number: int
    morning: datetime

    @property
    def columns(self) -> tuple[str, ...]:
        has_new_column = self.number >= NEW_COLUMN_FROM_DAY
        return (*COLUMNS, NEW_COLUMN) if has_new_column else COLUMNS

    def at(self, second: int) -> str:
        return f"{self.morning + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a landing folder has got; kept in a state file."""

    landed_days: int
    first_day: date


def land(source: Path, day: int, seed: int = 7, *, first_day: date = FIRST_DAY) -> list[Path]:
    """Put the files of day ``day`` (from 1) into ``source``, each whole at once, and return them.

    Landing a day again delivers the same content again, under the same names.

    Raises:
        ValueError: ``day`` is below 1.
    """
    if day < 1:
        raise ValueError(f"days count from 1, not {day}")
    source.mkdir(parents=True, exist_ok=True)
    shop = _Shop(random=random.Random(seed))
    files: dict[str, str] = {}
    for number in range(1, day + 1):
        morning = datetime.combine(first_day + timedelta(days=number - 1), time(), UTC)
        files = _play(shop, _Day(number=number, morning=morning))
    return [_write_whole(source / name, text) for name, text in files.items()]


def land_next(
    source: Path, state_file: Path, seed: int = 7, *, first_day: date = FIRST_DAY
) -> list[Path]:
    """Land the day after the last one that ``state_file`` knows of, and note it there.

    ``first_day`` counts only the first time; later it is what the state file says.
    """
    progress = read_progress(state_file) or Progress(landed_days=0, first_day=first_day)
    day = progress.landed_days + 1
    files = land(source, day, seed, first_day=progress.first_day)
    _write_progress(state_file, replace(progress, landed_days=day))
    return files


def read_progress(state_file: Path) -> Progress | None:
    """Return what the state file says, or None if there is none yet."""
    if not state_file.exists():
        return None
    content = json.loads(state_file.read_text(encoding="utf-8"))
    return Progress(
        landed_days=content["landed_days"], first_day=date.fromisoformat(content["first_day"])
    )


def _write_progress(state_file: Path, progress: Progress) -> None:
    state_file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "landed_days": progress.landed_days,
        "first_day": progress.first_day.isoformat(),
    }
    _write_whole(state_file, json.dumps(content) + "\n")


def _play(shop: _Shop, day: _Day) -> dict[str, str]:
    """Play one day and return its files, name -> text."""
    earlier = list(shop.sent)
    created = [_create(shop, day, n) for n in range(NEW_ORDERS)]
    known = list(shop.orders)
    updated = [_advance(shop, day, key) for key in shop.random.sample(known, 80)]
    corrected = [_correct(shop, day, key) for key in shop.random.sample(list(shop.orders), 10)]
    new_today = {row["order_id"] for row in created}
    old = [key for key in shop.orders if key not in new_today] or list(shop.orders)
    deleted = [_delete(shop, day, key) for key in shop.random.sample(old, 6)]
    late = shop.random.sample(earlier, min(8, len(earlier))) + _late_for_deleted(shop)
    shop.sent += [*created, *updated, *corrected, *deleted]

    changes = [*updated, *corrected, *deleted, *late]
    duplicates = shop.random.sample([*created, *changes], 12)
    mixed = [*changes, *duplicates]
    shop.random.shuffle(mixed)
    stamp = f"{day.morning:%Y%m%d}"
    files = {
        f"orders_{stamp}_new.csv": _csv(day.columns, created) + _broken_lines(shop, day),
        f"orders {stamp} changes.csv": _csv(day.columns, mixed),
    }
    if day.number >= EMPTY_FILE_FROM_DAY:
        files[f"orders_{stamp}_returns.csv"] = _csv(day.columns, [])
    return files


def _create(shop: _Shop, day: _Day, number: int) -> Row:
    at = day.at(3600 + number * 60)
    country, currency = shop.random.choice(COUNTRIES)
    quantity = shop.random.randint(1, 9)
    row = {
        "order_id": f"O{day.number:04d}{number:04d}",
        "customer_id": f"C{shop.random.randint(1, 500):05d}",
        "order_timestamp": at,
        "status": LIFE[0],
        "carrier": "",
        "tracking_number": "",
        "quantity": str(quantity),
        "amount": f"{quantity * shop.random.randint(500, 9900) / 100:.2f}",
        "currency": currency,
        "ship_country": country,
        "updated_at": at,
        "operation": "INSERT",
    }
    return _keep(shop, day, row)


def _advance(shop: _Shop, day: _Day, key: str) -> Row:
    before = shop.orders[key]
    step = min(LIFE.index(before["status"]) + 1, len(LIFE) - 1)
    row = {**before, "status": LIFE[step], "operation": "UPDATE"}
    if LIFE[step] == "SHIPPED":
        row["carrier"] = shop.random.choice(CARRIERS)
        row["tracking_number"] = f"T{shop.random.randint(10**9, 10**10 - 1)}"
    row["updated_at"] = day.at(50_000 + _number_today(shop))
    return _keep(shop, day, row)


def _correct(shop: _Shop, day: _Day, key: str) -> Row:
    before = shop.orders[key]
    amount = f"{float(before['amount']) * 0.9:.2f}"
    row = {**before, "amount": amount, "operation": "UPDATE"}
    row["updated_at"] = day.at(60_000 + _number_today(shop))
    return _keep(shop, day, row)


def _delete(shop: _Shop, day: _Day, key: str) -> Row:
    row = {**shop.orders.pop(key), "operation": "DELETE"}
    row["updated_at"] = day.at(70_000 + _number_today(shop))
    shop.deleted.append(row)
    return row


def _late_for_deleted(shop: _Shop) -> list[Row]:
    """Return an older row for one deleted order: it must not bring the order back."""
    gone = shop.random.choice(shop.deleted)
    return [row for row in shop.sent if row["order_id"] == gone["order_id"]][:1]


def _keep(shop: _Shop, day: _Day, row: Row) -> Row:
    if NEW_COLUMN in day.columns:
        row = {**row, NEW_COLUMN: shop.random.choice(GIFT_NOTES)}
    shop.orders[row["order_id"]] = row
    return row


def _number_today(shop: _Shop) -> int:
    return shop.random.randint(0, 9_000)


def _broken_lines(shop: _Shop, day: _Day) -> str:
    """Return lines that are wrong in one way each; their keys are of no good row."""
    good = {**shop.random.choice(list(shop.orders.values())), "updated_at": day.at(80_000)}

    def key(number: int) -> str:
        return f"X{day.number:04d}{number:04d}"

    rows = [
        {**good, "order_id": ""},
        {**good, "order_id": key(1), "updated_at": ""},
        {**good, "order_id": key(2), "updated_at": "yesterday"},
        {**good, "order_id": key(3), "quantity": "two"},
        {**good, "order_id": key(4), "amount": "n/a"},
        {**good, "order_id": key(5), "quantity": "0"},
        {**good, "order_id": key(6), "amount": "-5.00"},
        {**good, "order_id": key(7), "currency": "EURO"},
        {**good, "order_id": key(8), "status": "LOST"},
        {**good, "order_id": key(9), "customer_id": ""},
    ]
    ragged = ",".join({**good, "order_id": key(10), "carrier": "Smith, Sons"}[c] for c in COLUMNS)
    missing = "," * (len(day.columns) - len(COLUMNS))
    return _lines(day.columns, rows) + f"{ragged}{missing}\n"


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    return ",".join(columns) + "\n" + _lines(columns, rows)


def _lines(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writerows(rows)
    return text.getvalue()


def _write_whole(file: Path, text: str) -> Path:
    growing = file.with_name(f".{file.name}.part")  # hidden names are not ingested
    growing.write_text(text, encoding="utf-8", newline="")
    os.replace(growing, file)  # noqa: PTH105 - says that an older file of that name goes
    return file


def main() -> None:
    """Land the next days and print the files."""
    parser = argparse.ArgumentParser(description="Lands the next days of a seeded order feed.")
    parser.add_argument("source", type=Path, help="folder that files land in")
    parser.add_argument("--state", type=Path, required=True, help="file that knows the last day")
    parser.add_argument("--days", type=int, default=1, help="how many days to land")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    # A week back, so that lateness is hours and some days can be landed before the future begins.
    first_day = datetime.now(UTC).date() - timedelta(days=7)
    for _ in range(given.days):
        for file in land_next(given.source, given.state, given.seed, first_day=first_day):
            print(f"landed {file.name}")


if __name__ == "__main__":
    main()
