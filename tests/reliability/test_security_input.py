"""Hostile YAML, JSON and names: read as data, within bounds, and printed as text."""

import ast
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.text import Text

from dlt_stub.atomic import read_json
from dlt_stub.bundle import read_bundle
from dlt_stub.bundle.diagnostics import Report
from dlt_stub.bundle.yaml_nodes import read_yaml
from dlt_stub.cli.display import Display, console_on
from dlt_stub.cli.steering import visible
from dlt_stub.cli.tables import row_table
from dlt_stub.clock import SystemClock
from dlt_stub.errors import DefinitionError, StateError, UsageError
from dlt_stub.notebooks import read_notebook
from dlt_stub.testing.case import read_case

ROOT = Path(__file__).parents[2]
LAUGHS = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 20)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{b: [{', '.join([f'*a{n - 1}'] * 10)}], <<: *a{n - 1}}}\n" for n in range(1, 20)
)
DEEP = 100_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LAUGHS, "more than 100,000 values with its aliases written out"),
        (MERGES, "more than 100,000 values with its aliases written out"),
        ("a: " + "[" * DEEP + "]" * DEEP, "nested too deep"),
        ("a: " + "{b: " * 150 + "1" + "}" * 150, "nested more than 100 levels deep"),
        ("a: " + "9" * 5000, "is no number that can be read"),
        ("a: 0x_", "is no number that can be read"),
        ("a: !!python/object/apply:os.system [exit]", "is not allowed in a bundle"),
        ("a: !!python/object:subprocess.Popen {}", "is not allowed in a bundle"),
        ("a: !!binary aGk=", "is not allowed in a bundle"),
        ("a: !x 1", "is not allowed in a bundle"),
        ("? [a, b]\n: 1", "a key must be a string"),
        ("a: &a {<<: *a}", "an alias contains itself"),
        ("a: *gone", "found undefined alias"),
        ("%TAG ! tag:evil,2000:\n---\na: !x 1", "is not allowed in a bundle"),
    ],
)
def test_hostile_yaml_is_refused_at_once(text: str, said: str) -> None:
    report = Report()
    started = time.monotonic()
    read_yaml(text, "x.yml", report)
    assert time.monotonic() - started < 5
    assert any(said in each.summary for each in report.diagnostics), report.diagnostics[:3]


def test_tags_of_collections_run_nothing(tmp_path: Path) -> None:
    report = Report()
    mark = tmp_path / "owned"
    read_yaml(f"a: !!python/object/apply:pathlib.Path.touch [!!python/x {mark}]", "x.yml", report)
    assert not mark.exists()
    assert report.has_errors


def test_common_aliases_are_still_read() -> None:
    text = "base: &b {x: 1}\nall: [" + ", ".join(["*b"] * 5000) + "]\n"
    report = Report()
    assert read_yaml(text, "x.yml", report) is not None
    assert report.diagnostics == ()


VARIABLES = """
bundle: {{name: x}}
targets: {{t: {{}}}}
variables:
  v0: {{default: {first}}}
{more}
resources:
  pipelines:
    p: {{catalog: c, schema: s, configuration: {{k: "${{var.v12}}"}}, libraries: []}}
"""


@pytest.mark.parametrize("form", ['"{0}"', "[{0}]"])
def test_variable_bombs_are_refused(tmp_path: Path, form: str) -> None:
    joint = ", " if form[0] == "[" else ""
    first = form.format("abcdefghij")
    more = "\n".join(
        f"  v{n}: {{default: {form.format(joint.join([f'${{var.v{n - 1}}}'] * 10))}"
        + (", type: complex}" if joint else "}")
        for n in range(1, 13)
    )
    if joint:
        first += ", type: complex"
        more = more.replace("${", '"${').replace("}, ", '}", ').replace("}]", '}"]')
    text = VARIABLES.format(first=first, more=more)
    (tmp_path / "databricks.yml").write_text(text, encoding="utf-8")
    started = time.monotonic()
    reading = read_bundle(tmp_path)
    assert time.monotonic() - started < 10
    said = [each.summary for each in reading.diagnostics]
    assert any("characters" in each or "values, more than" in each for each in said), said


NESTED = "[" * DEEP


@pytest.mark.parametrize(
    "text", [NESTED, '{"cells": ' + NESTED, "1", '{"cells": 1}', '{"cells": [1]}']
)
def test_hostile_json_is_refused(tmp_path: Path, text: str) -> None:
    notebook = tmp_path / "x.ipynb"
    notebook.write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match="is no notebook of nbformat 4"):
        read_notebook(notebook)
    if "cells" not in text:
        with pytest.raises(StateError, match="is not a JSON object"):
            read_json(notebook)


def test_hostile_cases_are_refused(tmp_path: Path) -> None:
    case = tmp_path / "case.yml"
    for text, said in (
        ("a: !!python/object/apply:os.getcwd []", "is no YAML"),
        ("a: " + "[" * DEEP, "nested too deep"),
    ):
        case.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=said):
            read_case(case)


# What runs text as a program, or makes objects of bytes. Each use is here, with its reason.
DANGEROUS = {
    "exec", "eval", "compile", "__import__", "pickle.load", "pickle.loads", "cloudpickle.load",
    "cloudpickle.loads", "marshal.loads", "shelve.open", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "os.system", "os.popen", "subprocess.getoutput", "runpy.run_path",
    "tempfile.mktemp", "hashlib.md5", "random.random",
}  # fmt: skip
ALLOWED = {
    ("dlt_stub/declare/notebook_sources.py", "exec"): "the user's own cells: running them is it",
    ("dlt_stub/declare/notebook_sources.py", "compile"): "the same",
    ("dlt_stub/declare/user_code.py", "exec"): "the user's own source files",
    ("dlt_stub/declare/user_code.py", "compile"): "the same",
    ("dlt_stub/workspace/scripts.py", "runpy.run_path"): "the user's own scripts",
    ("dlt_stub/testing/case.py", "yaml.load"): "with a loader that is SafeLoader and resolves less",
}


def calls_of(file: Path) -> list[tuple[str, ast.Call]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nothing_is_unpickled_or_evaluated() -> None:
    found = set()
    for folder in ("dlt_stub", "pipelines", "expectations", "samples"):
        for file in (ROOT / folder).rglob("*.py"):
            name = file.relative_to(ROOT).as_posix()
            for called, call in calls_of(file):
                if called in DANGEROUS:
                    found.add((name, called))
                for keyword in call.keywords:
                    is_shell = keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
                    assert not is_shell, f"{name}:{call.lineno} starts a shell"
    assert found == set(ALLOWED)


def test_loaders_of_yaml_are_safe() -> None:
    from dlt_stub.bundle import yaml_nodes
    from dlt_stub.testing import case

    for loader in (yaml_nodes._Loader, case._Loader):
        assert issubclass(loader, yaml.SafeLoader)
        assert not any("python" in str(tag) for tag in loader.yaml_constructors)
        assert not loader.yaml_multi_constructors


HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red][link=http://evil]y\x9b31m\u202e\r\bz"


def test_text_that_steers_terminals_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = visible(HOSTILE)
    assert shown.isprintable()
    assert "\\x1b[2J" in shown
    stream = io.StringIO()
    out = console_on(stream)
    display = Display(out, out, clock=SystemClock())
    display.say(HOSTILE, style="yellow")
    display.failure(HOSTILE, HOSTILE)
    display._line(HOSTILE, HOSTILE, HOSTILE)
    display.show(row_table([HOSTILE], [[HOSTILE]], title=HOSTILE))
    out.print(HOSTILE)
    out.print(Text(HOSTILE))
    said = stream.getvalue()
    assert re.sub(r"[ -~\n\u2500]", "", said) == ""
    assert "[red]x[/red][link=http://evil]y" in said


def test_rich_still_colours_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    out = console_on(stream)
    out._force_terminal = True
    out.print(Text("x\x1b[2J", style="red"))
    assert "\\x1b[2J" in stream.getvalue()


def test_json_lines_are_one_each(capsys: pytest.CaptureFixture[str]) -> None:
    from dlt_stub.cli.display import write_json

    stream = io.StringIO()
    record: dict[str, Any] = {"name": f"{HOSTILE}\n{{}}"}
    write_json(stream, record)
    assert json.loads(stream.getvalue()) == record
    assert stream.getvalue().count("\n") == 1
