from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlt_stub.bundle.diagnostics import Report, YamlPath
from dlt_stub.bundle.references import (
    REFERENCE,
    Missing,
    Resolver,
    navigate,
    parse_reference,
)
from dlt_stub.bundle.yaml_nodes import Node, read_yaml, scalar, to_plain

VALUES = """\
flag: true
count: 60
name: orders
list: [a, b]
map: {inner: {deep: 7}}
chained: ${var.name}_${var.count}
"""


def resolve(text: str) -> tuple[Any, list[str]]:
    report = Report()
    values = read_yaml(VALUES, "values.yml", report)
    assert values is not None

    def lookup(resolver: Resolver, path: YamlPath) -> Node | Missing:
        found = navigate(values, path[1:], "var")
        return found if isinstance(found, Missing) else resolver.resolve(found, path)

    resolved = Resolver(lookup, ("var",), report).resolve(scalar(text), ("key",))
    return to_plain(resolved), [d.summary for d in report.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${var.flag}", True),
        ("${var.count}", 60),
        ("${var.list}", ["a", "b"]),
        ("${var.list[1]}", "b"),
        ("${var.map.inner.deep}", 7),
        ("${var.flag}!", "true!"),
        ("a ${var.name} b ${var.count}", "a orders b 60"),
        ("${var.chained}", "orders_60"),
        ("{{job.start_time.iso_datetime}}", "{{job.start_time.iso_datetime}}"),
        ("{{secrets/scope/key}}", "{{secrets/scope/key}}"),
        ("${resources.jobs.x.id}/${var.name}", "${resources.jobs.x.id}/orders"),
        ("$${var.name}", "$orders"),
        ("${spark.x}", "${spark.x}"),
    ],
)
def test_references_keep_type_or_interpolate(text: str, value: object) -> None:
    assert resolve(text) == (value, [])


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("${var.nme}", "reference ${var.nme} does not exist"),
        ("${var.list[5]}", "reference ${var.list[5]} does not exist"),
        ("a${var.list}", "${var.list} is a list: it cannot stand inside a longer string"),
        ("a${var.map}", "${var.map} is a mapping: it cannot stand inside a longer string"),
        ("${vars.name}", "${vars.name} names no section of the bundle, and stays plain text"),
        ("${var.name-}", "'${var.name-}' holds a malformed reference, which stays plain text"),
    ],
)
def test_bad_references_are_told(text: str, summary: str) -> None:
    assert resolve(text)[1] == [summary]


def test_long_unclosed_reference_is_fast() -> None:
    text = "${" + "a" * 20_000 + "!"
    assert resolve(text) == (text, [])


@given(st.text())
def test_text_without_reference_stays(text: str) -> None:
    if not REFERENCE.search(text):
        assert resolve(text)[0] == text


def test_reference_parses_into_path() -> None:
    assert parse_reference("var.a[0][1].b-c") == ("var", "a", 0, 1, "b-c")
