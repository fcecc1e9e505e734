"""The fixtures do what docs/testing.md says, starting with its own example."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import dlt_stub.testing
from dlt_stub import ExpectationViolation, UsageError
from dlt_stub.testing import (
    MakePipeline,
    MakeWorkspace,
    PipelineUnderTest,
    RowsDiffer,
    read_case,
    run_case,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
PAID_ORDERS = """
import dlt
from shop.names import PAID

@dlt.table
@dlt.expect_or_drop("has_id", "id IS NOT NULL")
def paid_orders():
    return spark.readStream.table("orders").where(f"status = '{PAID}'")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder as its author has it: definitions, a helper package, a case."""
    files = {
        "pipelines/paid_orders.py": PAID_ORDERS,
        "shop/__init__.py": "",
        "shop/names.py": "PAID = 'PAID'\n",
        "tests/paid_orders.dlt.yml": example("yaml"),
    }
    for name, text in files.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text, encoding="utf-8")
    return tmp_path / "project"


def example(language: str) -> str:
    """Return the page's first example in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_documented_example_is_short_and_runs(dlt_pipeline: MakePipeline, project: Path) -> None:
    text = example("python")
    assert len(text.splitlines()) < 10
    namespace: dict[str, Any] = {}
    exec(text, namespace)
    test: Callable[[MakePipeline], None] = namespace["test_only_paid_orders_stay"]
    made: list[PipelineUnderTest] = []

    def in_project(*source: str, **more: Any) -> PipelineUnderTest:
        made.append(dlt_pipeline(*source, root=project, **more))
        return made[-1]

    test(in_project)  # type: ignore[arg-type]  # whatever the example calls it with
    (pipeline,) = made
    with pytest.raises(RowsDiffer, match=r"table 'paid_orders'.*\n.*status is 'PAID', expected"):
        pipeline.assert_rows("paid_orders", [(1, "PAYED")])
    with pytest.raises(UsageError, match=r"(?s)no expectation 'has_ids'.*did you mean 'has_id'"):
        pipeline.expectation("paid_orders", "has_ids")
    with pytest.raises(UsageError, match="is made by a pipeline and cannot be fed"):
        pipeline.feed("paid_orders", [(1, "PAID")])
    with pytest.raises(UsageError, match="rows need a schema"):
        pipeline.feed("customers", [(1, "Ann")])
    pipeline.feed("orders", [{"id": "7", "status": "PAID"}])
    update = pipeline.update()
    assert update is pipeline.last_update
    assert update.flows["paid_orders"].metrics == {"num_output_rows": 1}


def test_documented_case_holds(project: Path, tmp_path: Path) -> None:
    case = read_case(project / "tests" / "paid_orders.dlt.yml")
    assert case.name == "paid_orders"
    run_case(case, storage=tmp_path / "workspace")


FILES = """
import dlt

@dlt.table
@dlt.expect_or_fail("has_id", "id IS NOT NULL")
def landed():
    files = spark.readStream.format("cloudFiles").option("cloudFiles.format", "csv")
    return files.schema("id INT, name STRING").load(spark.conf.get("landing") + "in")
"""


def test_files_land_and_failures_raise(dlt_pipeline: MakePipeline, tmp_path: Path) -> None:
    (tmp_path / "landed.py").write_text(FILES, encoding="utf-8")
    landing = {"landing": "/Volumes/main/sales/landing/"}
    pipeline = dlt_pipeline(tmp_path / "landed.py", schema="sales", configuration=landing)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    file = pipeline.put("in/a.csv", "1,Ann\n", modified_at=at)
    assert file == pipeline.landing / "in" / "a.csv"
    assert file.stat().st_mtime == at.timestamp()
    pipeline.put("/Volumes/main/sales/landing/in/gone.csv", "2,Bob\n")
    pipeline.remove("in/gone.csv")
    pipeline.update()
    pipeline.assert_rows("landed", [("Ann",)], columns=["name"])
    pipeline.put("in/b.csv", ",Nobody\n")
    with pytest.raises(ExpectationViolation, match="Violated expectations: 'has_id'"):
        pipeline.update()
    assert pipeline.last_update is not None
    assert pipeline.last_update.flows["landed"].status == "FAILED"
    rows = pipeline.sql("SELECT count(*) AS n FROM main.sales.landed")
    dlt_stub.testing.assert_rows(rows, [[1]])


def test_bundle_runs_in_the_kit(dlt_workspace: MakeWorkspace) -> None:
    workspace = dlt_workspace()
    with pytest.raises(UsageError, match="did you mean 'landing'"):
        workspace.volume("landings")
    workspace.put(
        f"{workspace.volume('landing')}/source/a.csv",
        "order_id,updated_at,status\nA1,2026-01-01T10:00:00Z,PAID\n",
    )
    pipeline = workspace.pipeline("orders")
    pipeline.update(refresh=["orders_stage"])
    pipeline.assert_rows("orders_stage", [("A1", "PAID")], columns=["order_id", "status"])
    assert pipeline.expectation("orders_stage", "status_known").passed_records == 1
    assert workspace.folder("orders_stage", pipeline="orders").is_dir()


def test_our_bundles_tests_use_only_the_kit() -> None:
    imported = set()
    for file in sorted((ROOT / "tests" / "pipelines").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlt_stub"):
                imported |= {(file.name, node.module, alias.name) for alias in node.names}
    errors = {name for name in dlt_stub.__all__ if name.endswith(("Error", "Violation"))}
    others = {
        each
        for each in imported
        if each[1] != "dlt_stub.testing" and not (each[1] == "dlt_stub" and each[2] in errors)
    }
    assert others == set()
    assert len(imported) > 5


def test_public_names_are_there() -> None:
    for name in dlt_stub.testing.__all__:
        assert getattr(dlt_stub.testing, name).__name__ == name
    assert sorted(dlt_stub.testing.__all__) == dlt_stub.testing.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dlt_stub.testing.nothing


def test_documented_methods_exist() -> None:
    table = PAGE[PAGE.index("| of a pipeline |") : PAGE.index("From `dlt_stub.testing`")]
    named = set(re.findall(r"`(\w+)\(", table))
    methods = {name for name, _ in inspect.getmembers(PipelineUnderTest, inspect.isfunction)}
    assert len(named) > 8
    assert named <= methods
    assert textwrap.dedent(example("yaml")).startswith("says:")
