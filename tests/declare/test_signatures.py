import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlt_stub.declare.api import EXPORTED, exported
from tests.declare.signatures import DEPRECATED, SIGNATURES

PRINT_SIGNATURES = """
import inspect, json, sys, dlt
def text(function):
    found = inspect.signature(function).parameters.values()
    return " ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in found)
print(json.dumps({name: text(getattr(dlt, name)) for name in json.loads(sys.argv[1])}))
"""


def text_of(function: Callable[..., Any]) -> str:
    """Return the parameters in order; keyword-only are those the package does not know."""
    parameters = inspect.signature(function).parameters.values()
    return " ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.kind is not p.KEYWORD_ONLY
    )


def test_signatures_are_those_of_databricks() -> None:
    assert {name: text_of(f) for name, f in exported().items()} == SIGNATURES | DEPRECATED


def test_exported_names_are_sorted_and_complete() -> None:
    assert list(EXPORTED) == sorted(SIGNATURES | DEPRECATED)


@pytest.mark.slow
def test_signatures_agree_with_the_package(tmp_path: Path) -> None:
    # Installed apart: it takes the name dlt, and dltHub's users have that name taken.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    installed = subprocess.run(
        [*pip, str(tmp_path), "databricks-dlt==0.3.0"], capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        pytest.skip(f"databricks-dlt cannot be installed here: {installed.stderr[-200:]}")
    script = tmp_path / "print_signatures.py"
    script.write_text(PRINT_SIGNATURES, encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, str(script), json.dumps(sorted(SIGNATURES))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(printed.stdout) == SIGNATURES
