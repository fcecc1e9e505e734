import json
from collections.abc import Callable
from typing import Any

import pytest

from dlt_stub.bundle import BundleReading

Read = Callable[..., BundleReading]
FILE = ".databricks/bundle/plain/variable-overrides.json"


def root(variables: str, in_target: str = "{}") -> str:
    return (
        "bundle: {name: shop}\n"
        "include: [resources/*.yml]\n"
        f"variables: {variables}\n"
        f"targets:\n  plain: {{variables: {in_target}}}\n"
    )


def value_of(reading: BundleReading, name: str) -> Any:
    assert reading.bundle is not None, [str(d) for d in reading.diagnostics]
    return reading.bundle.variables[name]


@pytest.mark.parametrize(
    ("sources", "value"),
    [
        (0, "from_default"),
        (1, "from_target"),
        (2, "from_file"),
        (3, "from_environment"),
        (4, "from_flag"),
    ],
)
def test_nearer_source_wins_over_farther(sources: int, value: str, read: Read) -> None:
    text = root("{region: {default: from_default}}", "{region: from_target}" if sources else "{}")
    files = {"databricks.yml": text}
    if sources >= 2:
        files[FILE] = json.dumps({"region": "from_file"})
    environ = {"BUNDLE_VAR_region": "from_environment"} if sources >= 3 else {}
    flags = {"region": "from_flag"} if sources >= 4 else {}
    reading = read(files, environ=environ, variables=flags)
    assert value_of(reading, "region") == value


@pytest.mark.parametrize(
    "form", ["{a: 2}", "{default: {a: 2}}", "{type: complex, default: {a: 2}}"]
)
def test_target_overrides_complex_variable_whole(form: str, read: Read) -> None:
    text = root("{extra: {type: complex, default: {a: 1, b: 1}}}", f"{{extra: {form}}}")
    assert value_of(read({"databricks.yml": text}), "extra") == {"a": 2}


def test_variables_refer_to_each_other(read: Read) -> None:
    text = root("{a: {default: '${var.b}/${bundle.target}'}, b: {default: 7}}")
    assert value_of(read({"databricks.yml": text}), "a") == "7/plain"


@pytest.mark.parametrize(
    ("variables", "in_target", "flags", "fault"),
    [
        ("{a: {description: x}}", "{}", {}, "variable 'a' has no value"),
        ("{a: {default: x}}", "{b: y}", {}, "variable 'b' is given a value but not defined"),
        ("{a: {default: x}}", "{}", {"b": "y"}, "variable 'b' is given a value but not defined"),
        (
            "{a: {default: [x]}}",
            "{}",
            {},
            "variable 'a' is not of type complex, its value is a map or list",
        ),
        (
            "{a: {type: complex, default: x}}",
            "{}",
            {},
            "variable 'a' is of type complex, its value is a single value",
        ),
        (
            "{a: {type: complex, default: [x]}}",
            "{}",
            {"a": "y"},
            "variable 'a' is complex and cannot be set by --var a",
        ),
        (
            "{a: {lookup: {warehouse: main}}}",
            "{}",
            {},
            "variable 'a' is looked up in a workspace, and there is none here",
        ),
    ],
)
def test_variable_that_cannot_be_set(
    variables: str, in_target: str, flags: dict[str, str], fault: str, read: Read
) -> None:
    reading = read({"databricks.yml": root(variables, in_target)}, variables=flags)
    assert [d.summary for d in reading.diagnostics] == [fault]


def test_missing_value_says_how_to_set(read: Read) -> None:
    reading = read({"databricks.yml": root("{a: {description: x}}")})
    assert "--var a=..." in (reading.diagnostics[0].hint or "")
    assert "BUNDLE_VAR_a" in (reading.diagnostics[0].hint or "")


def test_looked_up_variable_takes_given_value(read: Read) -> None:
    text = root("{a: {lookup: {warehouse: main}}}")
    assert value_of(read({"databricks.yml": text}, variables={"a": "id"}), "a") == "id"
