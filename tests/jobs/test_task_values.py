import pytest

from dlt_stub.errors import UsageError
from dlt_stub.jobs import TaskValues
from dlt_stub.jobs.task_values import LIMIT_BYTES


def test_a_value_comes_back_as_json_gives_it() -> None:
    values = TaskValues()
    rows = [1, 2]
    values.set("a", "rows", (1, {"x": None}))
    values.set("a", "kept", rows)
    rows.append(3)
    assert values.get("a", "rows") == [1, {"x": None}]
    assert values.get("a", "kept") == [1, 2]


def test_the_last_value_of_a_key_counts() -> None:
    values = TaskValues()
    values.set("a", "k", 1)
    values.set("a", "k", 2)
    assert values.of("a") == {"k": 2}


def test_48_kib_fit_and_a_byte_more_does_not() -> None:
    values = TaskValues()
    values.set("a", "k", "x" * (LIMIT_BYTES - 2))
    with pytest.raises(UsageError, match="has 49153 bytes as JSON; 49152 are allowed"):
        values.set("a", "k", "x" * (LIMIT_BYTES - 1))
    with pytest.raises(UsageError, match="bytes as JSON"):
        values.set("a", "k", "ü" * (LIMIT_BYTES // 2))


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="'k' of 'a' is not JSON"):
        TaskValues().set("a", "k", value)


def test_a_missing_value_offers_the_nearest() -> None:
    values = TaskValues()
    values.set("a", "row_count", 1)
    with pytest.raises(UsageError, match=r"'row_cuont'[\s\S]*did you mean 'row_count'"):
        values.get("a", "row_cuont")
    with pytest.raises(UsageError, match="none"):
        values.get("b", "x")
