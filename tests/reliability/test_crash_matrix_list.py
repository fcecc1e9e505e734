"""The list of failpoints is whole: each is reached by the code, and killed at by the matrix."""

import re
from pathlib import Path

import pytest

from dlt_stub import UsageError
from dlt_stub.failpoints import NAMES, VARIABLE, check_failpoint, reach
from tests.reliability import test_crash_matrix_files, test_crash_matrix_small
from tests.reliability import test_crash_matrix_tables as of_tables

ROOT = Path(__file__).parents[2]


def test_every_failpoint_is_killed_at() -> None:
    points = [step.point for step in (*test_crash_matrix_files.STEPS, *of_tables.STEPS)]
    points += [point for point, _, _ in test_crash_matrix_small.STEPS]
    names = {re.split("[@:]", point)[0] for point in points}
    for name in ("reliability/test_long_life.py", "maintenance/test_maintenance_killed.py"):
        text = (ROOT / "tests" / name).read_text(encoding="utf-8")
        names |= {name for name in NAMES if f'"{name}"' in text}
    assert {name for name in names if not name.startswith("archive.")} == set(NAMES)


def test_every_reached_name_is_listed() -> None:
    reached = set()
    for file in (ROOT / "dlt_stub").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        reached |= set(re.findall(r'\breach\(\s*"([^"]+)"', text))
    assert reached == set(NAMES)


@pytest.mark.parametrize("wanted", ["bronze.after_comit", "events.linked:0", "events.linked:x"])
def test_unknown_failpoint_is_refused(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, wanted)
    with pytest.raises(UsageError, match=r"DLT_STUB_FAILPOINT is .*; allowed: one of atomic"):
        check_failpoint()
    with pytest.raises(UsageError, match="did you mean"):
        reach("events.linked")


def test_failpoint_elsewhere_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "events.linked@orders:2")
    check_failpoint()
    reach("events.drafted")
    reach("events.linked", "other")
    reach("events.linked", "orders")  # the first time of two
