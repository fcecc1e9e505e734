"""The coverage page says what the code does, and each name that runs is executed by a case."""

import re

from dlt_stub.declare.api import NAMES
from tests.docs.coverage import CASES, IGNORED, PAGE, coverage_page, executing_cases, is_refused


def without_cases(page: str) -> str:
    """Return the page without the column that cites cases: others add those every day."""
    return re.sub(r"(^\| `\w+` \|.*\|)[^|]*\|$", r"\1", page, flags=re.MULTILINE)


def test_coverage_page_is_not_stale() -> None:
    # Mended by: python -m tests.docs.coverage
    assert without_cases(PAGE.read_text(encoding="utf-8")) == without_cases(coverage_page())


def test_cases_the_page_cites_exist() -> None:
    rows = [each for each in PAGE.read_text(encoding="utf-8").splitlines() if each[:3] == "| `"]
    cited = re.findall(r"`(\w+/\w+)`", "\n".join(rows))
    assert len(cited) > 20
    assert [case for case in cited if not (CASES / case / "case.yml").exists()] == []


def test_every_name_is_executed_by_a_case() -> None:
    executed = executing_cases()
    runs = {name for name, function in NAMES["dlt"].items() if not is_refused(name, function)}
    assert runs - executed.keys() == set()


def test_page_tells_what_is_refused_and_ignored() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "- `row_filter`: refused: local tables know no row filters" in page
    for parameter, why in IGNORED.items():
        assert f"- `{parameter}`: ignored: {why}" in page
