"""Writes docs/coverage.md from the code: every name is called, every case is read.

``python -m tests.docs.coverage`` writes the page; a test fails when it is stale.
"""

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlt_stub import DltStubError, NotEmulatedError
from dlt_stub.cloud_files import known_options
from dlt_stub.declare.api import NAMES, REFUSED
from dlt_stub.declare.registry import Registry, recording

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/coverage.md"
PIPELINES = ROOT / "docs/public_pipelines.md"
CASES = ROOT / "tests/conformance"
MODULES = ("dlt", "pyspark.pipelines")
_ALIASES = {"dlt": "dlt", "dp": "pyspark.pipelines"}
_USED = re.compile(r"\b(dlt|dp)\.(\w+)")
# What each function needs to be called at all.
_BASE: Mapping[str, Mapping[str, Any]] = {
    "append_flow": {"target": "t"},
    "create_sink": {"name": "s", "format": "delta", "options": {"path": "/Volumes/a/b/c/d"}},
    "create_streaming_table": {"name": "t"},
    "expect": {"name": "rule", "inv": "a > 0"},
    "expect_all": {"expectations": {"rule": "a > 0"}},
    "on_event_hook": {},
    "changes": {"target": "t", "source": "s", "keys": ["a"]},
}
# A value of each parameter that a caller would give; several where only some are refused.
_SAMPLES: Mapping[str, tuple[Any, ...]] = {
    "format": ("delta", "parquet"),
    "refresh_policy": ("auto", "full", "incremental", "incremental_strict"),
    "stored_as_scd_type": (1, 2, "bitemporal"),
    "once": (True,),
    "temporary": (True,),
    "private": (True,),
    "cluster_by_auto": (True,),
    "ignore_null_updates": (True,),
    "options": ({"path": "/Volumes/a/b/c/d"}, {"path": "/Volumes/a/b/c/d", "mergeSchema": "true"}),
    "spark_conf": ({"spark.sql.ansi.enabled": "true"},),
    "table_properties": ({"delta.appendOnly": "true"},),
    "expect_all": ({"rule": "a > 0"},),
    "expect_all_or_drop": ({"rule": "a > 0"},),
    "expect_all_or_fail": ({"rule": "a > 0"},),
    "expectations": ({"rule": "a > 0"},),
    "keys": (["a"],),
    "max_allowable_consecutive_failures": (3,),
    "schema": ("a INT",),
    "source": ("s",),
}
_LISTS = re.compile(r"column_list$|^(partition_cols|cluster_by)$")
# What is taken and changes nothing, and why that is right.
IGNORED: Mapping[str, str] = {
    "cluster_by_auto": "Databricks chooses the layout of the files; the rows are the same",
    "refresh_policy": "how a materialized view is computed changes none of its rows; here every "
    "update computes it whole",
}


def coverage_page() -> str:
    """Return the page."""
    cases = executing_cases()
    lines = [_INTRODUCTION, ""]
    lines += ["## Names", "", "| name | `dlt` | `pyspark.pipelines` | executed by |"]
    lines += ["| --- | --- | --- | --- |"]
    for name in sorted({*NAMES["dlt"], *REFUSED["dlt"], *REFUSED["pyspark.pipelines"]}):
        states = " | ".join(_state(module, name) for module in MODULES)
        lines.append(f"| `{name}` | {states} | {_cited(cases.get(name, []))} |")
    lines += ["", "## Parameters", ""]
    for name, function in NAMES["dlt"].items():
        lines += _parameters(name, function)
    lines += _cloud_files()
    if PIPELINES.exists():
        lines += ["", PIPELINES.read_text(encoding="utf-8").strip()]
    return "\n".join(lines).rstrip() + "\n"


def executing_cases() -> dict[str, list[str]]:
    """Return the conformance cases that use each name, by name; ``dlt`` and ``dp`` alike."""
    found: dict[str, list[str]] = {}
    for case in sorted(CASES.rglob("case.yml")):
        sources = sorted((case.parent / "pipeline").rglob("*.py"))
        text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
        for _, name in sorted(set(_USED.findall(text))):
            place = case.parent.relative_to(CASES).as_posix()
            if place not in found.setdefault(name, []):
                found[name].append(place)
    return found


def refusal(function: Callable[..., Any], name: str, parameter: str, value: object) -> str | None:
    """Return why ``function`` refuses ``value``, called as a source file would; None if it runs."""
    arguments = {**_base(name), parameter: value}
    arguments.pop("query_function", None)
    with recording(Registry()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = function(**arguments)
            if callable(made):
                made(_query)
        except NotEmulatedError as error:
            return error.message
        except DltStubError:
            return None  # it is understood, and something else is missing
    return None


def is_refused(name: str, function: Callable[..., Any]) -> str | None:
    """Return why every call of ``function`` is refused, or None."""
    base = _base(name)
    if not base:
        return None
    parameter, value = next(iter(base.items()))
    return refusal(function, name, parameter, value)


def _state(module: str, name: str) -> str:
    if name in REFUSED[module]:
        return f"refused: {REFUSED[module][name]}"
    function = NAMES[module][name]
    why = is_refused(name, function)
    return "runs" if why is None else f"refused: {_why(why)}"


def _parameters(name: str, function: Callable[..., Any]) -> Iterator[str]:
    same = getattr(function, "__wrapped__", None)
    if same is not None:
        yield f"**`{name}`**: deprecated name of `{same.__name__}`."
        yield ""
        return
    if is_refused(name, function) is not None:
        yield f"**`{name}`**: refused whole."
        yield ""
        return
    honoured, others = [], []
    for parameter in inspect.signature(function).parameters:
        said = _what_differs(name, function, parameter)
        if said is None:
            honoured.append(f"`{parameter}`")
        else:
            others.append(f"- `{parameter}`: {said}")
    yield f"**`{name}`** honours {', '.join(honoured)}."
    yield ""
    if others:
        yield from others
        yield ""


def _what_differs(name: str, function: Callable[..., Any], parameter: str) -> str | None:
    samples = _SAMPLES.get(parameter, (["a"] if _LISTS.search(parameter) else "a",))
    if (name, parameter) == ("create_sink", "format"):
        samples = ("delta", "kafka")
    refused = [(value, refusal(function, name, parameter, value)) for value in samples]
    whys = [(value, _why(said)) for value, said in refused if said is not None]
    if len(whys) == len(samples):
        return f"refused: {whys[0][1]}"
    said = [f"ignored: {IGNORED[parameter]}"] if parameter in IGNORED else []
    said += [f"`{value!r}` is refused: {why}" for value, why in whys]
    return "; ".join(said) or None


def _cloud_files() -> Iterator[str]:
    known = known_options()
    yield "## Options of `cloudFiles`"
    yield ""
    yield f"Honoured: {_list(known.honoured)}; and the options of Spark's own reader of the format."
    yield ""
    yield f"Ignored, for they change how files are found and no row: {_list(known.ignored)}."
    yield ""
    yield "Refused, as is every option Auto Loader does not know:"
    yield ""
    for option, (allowed, why) in known.refused.items():
        unless = f" unless {_list(allowed)}" if allowed else ""
        yield f"- `{option}`{unless}: {why}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _why(message: str) -> str:
    return message.partition(" locally: ")[2] or message


def _base(name: str) -> Mapping[str, Any]:
    if name in ("apply_changes", "create_auto_cdc_flow"):
        return {**_BASE["changes"], "sequence_by": "n"}
    if name.endswith(("snapshot", "snapshot_flow")):
        return {**_BASE["changes"], "stored_as_scd_type": 1}
    if name in ("table", "materialized_view", "view", "temporary_view", "foreach_batch_sink"):
        return {"name": "t"}
    if name.startswith("expect"):
        return _BASE["expect_all" if "_all" in name else "expect"]
    return _BASE.get(name, {})


def _cited(cases: list[str]) -> str:
    shown = ", ".join(f"`{case}`" for case in cases[:2])
    return f"{shown} and {len(cases) - 2} more" if len(cases) > 2 else shown


def _query(*_: object) -> None:
    """Stand for a query function, a sink's handler and an event hook."""


_INTRODUCTION = """# What runs

Generated from the code by `python -m tests.docs.coverage`: each function is called with each of
its parameters, and what it refuses is what stands here. `import dlt` and `from pyspark import
pipelines as dp` record into one pipeline. "Executed by" names cases below `tests/conformance`, and
these run on real Spark and Delta and can be deployed as they are. Known differences are in
[differences.md](differences.md)."""


if __name__ == "__main__":
    PAGE.write_text(coverage_page(), encoding="utf-8")
