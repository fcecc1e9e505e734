import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyspark.pipelines
import pytest

from dlt_stub.declare.api import NAMES, REFUSED
from tests.declare.signatures import DEPRECATED, SIGNATURES

PRINT_SIGNATURES = """
import inspect, json, sys, dlt
def text(function):
    found = inspect.signature(function).parameters.values()
    return " ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in found)
print(json.dumps({name: text(getattr(dlt, name)) for name in json.loads(sys.argv[1])}))
"""
OF_APACHE = {name: getattr(pyspark.pipelines, name) for name in pyspark.pipelines.__all__}


def text_of(function: Callable[..., Any]) -> str:
    """Return the parameters in order; keyword-only are those the package does not know."""
    parameters = inspect.signature(function).parameters.values()
    return " ".join(
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.kind is not p.KEYWORD_ONLY
    )


def test_signatures_are_those_of_databricks() -> None:
    known = SIGNATURES | DEPRECATED
    assert known.keys() <= NAMES["dlt"].keys()
    assert {name: text_of(NAMES["dlt"][name]) for name in known} == known


def test_modules_offer_and_refuse_all_names() -> None:
    dlt, pipelines = NAMES["dlt"], NAMES["pyspark.pipelines"]
    assert dlt.keys() - pipelines.keys() == {"create_table"}  # elsewhere a managed table, in Beta
    assert pipelines.keys() < dlt.keys()
    for module, names in NAMES.items():
        assert list(names)[:-1] == sorted(names)[:-1] or module == "dlt"
        assert not names.keys() & REFUSED[module].keys()
        assert OF_APACHE.keys() <= names.keys() | REFUSED[module].keys()


@pytest.mark.parametrize("name", sorted(OF_APACHE.keys() & NAMES["pyspark.pipelines"].keys()))
def test_calls_of_apache_spark_fit(name: str) -> None:
    ours = inspect.signature(NAMES["pyspark.pipelines"][name])
    theirs = inspect.signature(OF_APACHE[name]).parameters.values()
    ours.bind(**{parameter.name: None for parameter in theirs})  # every parameter, by its name
    required = [p.name for p in theirs if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
    ours.bind(*required)


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
