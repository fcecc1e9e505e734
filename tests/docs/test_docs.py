"""What the documents name is there, and what is there is named."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import dlt_stub
from dlt_stub import errors
from dlt_stub.cli.main import app

ROOT = Path(__file__).parents[2]
DIFFERENCES = (ROOT / "docs/differences.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def error_classes() -> list[type[errors.DltStubError]]:
    found: list[type[errors.DltStubError]] = []
    waiting = [errors.DltStubError]
    while waiting:
        for each in waiting.pop().__subclasses__():
            if each.__module__ == errors.__name__:
                found.append(each)
                waiting.append(each)
    return found


@pytest.mark.parametrize("error", error_classes(), ids=lambda each: each.__name__)
def test_every_error_is_documented(error: type[errors.DltStubError]) -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    row = next((line for line in page.splitlines() if f"`{error.__name__}`" in line), "")
    assert f"`{error.condition}`" in row
    assert row.rstrip(" |").endswith(str(error.exit_code))


def test_public_errors_are_exported() -> None:
    names = {error.__name__ for error in error_classes()} | {"DltStubError"}
    assert names <= set(dlt_stub.__all__)
    assert sorted(dlt_stub.__all__) == dlt_stub.__all__


def test_files_the_readme_names_exist() -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.*-]*)`", README)
    assert len(named) > 20
    missing = [name for name in named if "*" not in name and not (ROOT / name).exists()]
    assert [name for name in missing if not name.startswith(".dlt_stub")] == []


def test_every_verb_is_in_the_readme() -> None:
    verbs = set(getattr(get_command(app), "commands", {}))
    shown = set(re.findall(r"dlt-stub (\w+)", README))
    assert verbs
    assert verbs <= shown
    assert shown <= verbs


def test_every_bundle_variable_is_explained() -> None:
    bundle = (ROOT / "databricks.yml").read_text(encoding="utf-8")
    for name in ("order_key", "sequence_column", "schema_hints", "landing_location"):
        assert f"  {name}:" in bundle
        assert name in README


def test_every_difference_names_its_test() -> None:
    rows = re.findall(r"^\|.*\|$", DIFFERENCES, re.MULTILINE)
    rows = [row for row in rows if not row.startswith(("| what |", "| --- |"))]
    assert len(rows) > 5
    for row in rows:
        pinned = re.findall(r"`(tests/\S+?)`", row)
        assert pinned, f"no test pins: {row}"
        for test in pinned:
            file, _, name = test.partition("::")
            text = (ROOT / file).read_text(encoding="utf-8")
            is_case = (ROOT / file).name == "case.yml"
            assert is_case or f"def {name}(" in text, f"{test} is not there"
