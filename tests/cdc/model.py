"""What SCD types 1 and 2 mean, in plain Python: no Spark, no storage, the whole history at hand."""

import random
from collections.abc import Iterable
from typing import NamedTuple


class Change(NamedTuple):
    """One change of an order; ``key`` and ``seq`` may be NULL."""

    key: int | None
    status: str | None
    amount: float | None
    seq: int | None
    op: str


SCHEMA = "key int, status string, amount double, seq int, op string"


def versions(
    changes: Iterable[Change],
    tracked: tuple[str, ...] = ("status", "amount"),
    filled: tuple[str, ...] = (),
) -> set[tuple[object, ...]]:
    """Return (key, status, amount, start, end) of every version that any key ever had.

    A NULL in a column of ``filled`` says nothing; a TRUNCATE undoes all that is of a lesser
    sequence.
    """
    dealt = list(changes)
    floor = max((_null_first(c.seq) for c in dealt if c.op == "TRUNCATE"), default=(False, 0))
    by_place: dict[tuple[int | None, int | None], Change] = {}
    for change in dealt:
        if change.op != "TRUNCATE" and _null_first(change.seq) >= floor:
            place = (change.key, change.seq)
            by_place[place] = max(by_place.get(place, change), change, key=_rank)
    rows: set[tuple[object, ...]] = set()
    for key in {key for key, _ in by_place}:
        line = sorted((c for c in by_place.values() if c.key == key), key=_rank)
        start: int | None = None
        last: Change | None = None  # of the version that is open
        for given in line:
            change = given
            if last is not None:
                kept = {n: getattr(last, n) for n in filled if getattr(given, n) is None}
                change = given._replace(**kept)
            is_next = last is not None and change.op != "DELETE"
            if is_next and all(getattr(change, n) == getattr(last, n) for n in tracked):
                last = change
                continue
            if last is not None:
                rows.add((key, last.status, last.amount, start, change.seq))
            last, start = (None if change.op == "DELETE" else change), change.seq
        if last is not None:
            rows.add((key, last.status, last.amount, start, None))
    return rows


def random_changes(
    seed: int, count: int, ops: tuple[str, ...] = ("UPSERT", "UPSERT", "UPSERT", "DELETE")
) -> list[Change]:
    """Return changes of a few keys with many ties, deletes and NULLs."""
    dice = random.Random(seed)
    return [
        Change(
            key=dice.choice([None, 1, 2, 3, 4, 5, 6]),
            status=dice.choice([None, "ACTIVE", "SHIPPED", "a,b", ""]),
            amount=dice.choice([None, 1.5, -2.0, 10.0]),
            seq=dice.choice([None, *range(1, 9)]),
            op=dice.choice(ops),
        )
        for _ in range(count)
    ]


def _rank(change: Change) -> tuple[object, ...]:
    values = (change.key, change.status, change.amount)
    return (
        _null_first(change.seq),
        change.op == "DELETE",
        tuple(_null_first(value) for value in values),
    )


def _null_first(value: object) -> tuple[bool, object]:
    return (value is not None, 0 if value is None else value)
