"""What the tables must hold, worked out from the files alone: Python's csv module, no code of ours.

Written from the bundle's promises, not from its queries, so that the two can disagree.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

Values = dict[str, Any]  # a column's value: str, int, Decimal, datetime or None

STRING, INT, TIMESTAMP, MONEY = "STRING", "INT", "TIMESTAMP", "DECIMAL(12,2)"
ARROW = {
    STRING: pa.string(),
    INT: pa.int32(),
    TIMESTAMP: pa.timestamp("us", "UTC"),
    MONEY: pa.decimal128(12, 2),
}
STATUSES = {"CREATED", "PAID", "PACKED", "SHIPPED", "DELIVERED", "CANCELLED", "RETURNED"}
ON_ITS_WAY = {"SHIPPED", "DELIVERED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a feed says of itself: its columns with their types, key, sequence, delete mark."""

    columns: Mapping[str, str]
    key: str
    sequence: str
    operation: str | None = None

    def type_of(self, column: str) -> str:
        """Return a column's type; those nobody promised are strings."""
        return self.columns.get(column, STRING)


ORDERS = Promise(
    columns={
        "order_id": STRING,
        "customer_id": STRING,
        "order_timestamp": TIMESTAMP,
        "status": STRING,
        "carrier": STRING,
        "tracking_number": STRING,
        "quantity": INT,
        "amount": MONEY,
        "currency": STRING,
        "ship_country": STRING,
        "updated_at": TIMESTAMP,
        "operation": STRING,
    },
    key="order_id",
    sequence="updated_at",
    operation="operation",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One line of a file, typed; ``fits`` is false where a value does not, or there is no column.

    A value that does not fit reads as None, and so does one that a short line lacks: of that line
    nothing is lost, so nothing is rescued.
    """

    values: Values
    fits: bool

    def broken_rules(self, promise: Promise) -> list[str]:
        """Return the names of the drop rules that keep this row from the target."""
        key, sequence = self.values[promise.key], self.values[promise.sequence]
        broken = {
            "key_present": key is None or not str(key).strip(" "),
            "sequence_present": sequence is None,
            "row_fits_schema": not self.fits,
            "text_is_readable": any("\ufffd" in str(value) for value in self.values.values()),
        }
        return [name for name, is_broken in broken.items() if is_broken]


def rows_of(content: bytes, promise: Promise) -> list[Delivered]:
    """Return the rows of a CSV file with a header, in its order."""
    lines = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    header = next(lines, [])
    return [_row(header, line, promise) for line in lines if line]


def latest_of(rows: Iterable[Delivered], promise: Promise) -> dict[Any, Values]:
    """Return key -> the newest accepted row of each order that is not deleted.

    At the same instant a delete is the later one (the bundle's order); two different rows of one
    order at one instant are refused, for nothing says which is the later.
    """
    newest: dict[Any, tuple[tuple[Any, bool], Values]] = {}
    for row in rows:
        if row.broken_rules(promise):
            continue
        key = row.values[promise.key]
        at = (row.values[promise.sequence], _is_delete(row, promise))
        known = newest.get(key)
        if known is not None and known[0] == at:
            assert known[1] | row.values == row.values | known[1], f"two rows tie: {key} at {at}"
        if known is None or known[0] < at:
            newest[key] = (at, row.values)
    return {
        key: {name: value for name, value in values.items() if name != promise.operation}
        for key, ((_, is_deleted), values) in newest.items()
        if not is_deleted
    }


def rule_counts(rows: Iterable[Delivered]) -> dict[str, tuple[int, int]]:
    """Return rule -> rows that passed, rows that failed, of a feed that promises ``ORDERS``."""
    passed: Counter[str] = Counter()
    number = 0
    for row in rows:
        number += 1
        broken = row.broken_rules(ORDERS)
        passed.update(name for name in DROP_RULES if name not in broken)
        passed.update(name for name, is_met in WARN_RULES.items() if is_met(row.values))
    return {name: (passed[name], number - passed[name]) for name in (*DROP_RULES, *WARN_RULES)}


def as_arrow(rows: Iterable[Values], columns: Iterable[str], promise: Promise) -> pa.Table:
    """Return rows as Arrow, in the types the feed promises; columns a row lacks are NULL."""
    schema = pa.schema([(name, ARROW[promise.type_of(name)]) for name in columns])
    return pa.Table.from_pylist(list(rows), schema=schema)


DROP_RULES = ("key_present", "sequence_present", "row_fits_schema", "text_is_readable")
WARN_RULES: dict[str, Callable[[Values], bool]] = {
    "customer_present": lambda v: v["customer_id"] is not None,
    "status_known": lambda v: v["status"] in STATUSES,
    "quantity_positive": lambda v: v["quantity"] is not None and v["quantity"] > 0,
    "amount_not_negative": lambda v: v["amount"] is not None and v["amount"] >= 0,
    "currency_is_iso_4217": lambda v: bool(re.search("^[A-Z]{3}$", v["currency"] or "")),
    "tracked_once_shipped": lambda v: (
        v["status"] not in ON_ITS_WAY or v["tracking_number"] is not None
    ),
    "updated_after_ordered": lambda v: (
        None not in (v["updated_at"], v["order_timestamp"])
        and v["updated_at"] >= v["order_timestamp"]
    ),
    "operation_known": lambda v: (
        (v["operation"] or "UPDATE").upper() in {"INSERT", "UPDATE", "DELETE"}
    ),
}


def _row(header: list[str], line: list[str], promise: Promise) -> Delivered:
    values: Values = dict.fromkeys(promise.columns)
    fits = not any(line[len(header) :])
    for name, text in zip(header, line, strict=False):
        try:
            values[name] = _READ[promise.type_of(name)](text) if text else None
        except (ValueError, InvalidOperation):
            values[name], fits = None, False
    return Delivered(values=values, fits=fits)


def _is_delete(row: Delivered, promise: Promise) -> bool:
    return promise.operation is not None and (
        str(row.values[promise.operation]).upper() == "DELETE"
    )


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _int(text: str) -> int:
    if not re.fullmatch("[+-]?[0-9]+", text) or not -(2**31) <= int(text) < 2**31:
        raise ValueError(text)
    return int(text)


def _money(text: str) -> Decimal:
    amount = Decimal(text.replace(",", "")).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if abs(amount) >= 10**10:
        raise ValueError(text)
    return amount


_READ: dict[str, Callable[[str], Any]] = {
    STRING: str,
    INT: _int,
    TIMESTAMP: _instant,
    MONEY: _money,
}
