import importlib
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark import cloudpickle
from pyspark.sql import SparkSession

from dlt_stub import DefinitionError
from dlt_stub.declare.user_code import load_declarations, user_world

State = tuple[dict[str, Any], list[str], Any, Any, Any, set[str]]


def state() -> State:
    statics = vars(SparkSession)
    return (
        dict(sys.modules),
        list(sys.path),
        statics["_instantiatedSession"],
        statics["getActiveSession"],
        vars(pyspark).get("pipelines"),
        cloudpickle.list_registry_pickle_by_value(),  # type: ignore[no-untyped-call]
    )


@pytest.fixture
def dlthub() -> Iterator[types.ModuleType]:
    """Another distribution's ``dlt``, imported already."""
    module = types.ModuleType("dlt")
    sys.modules["dlt"] = module
    yield module
    del sys.modules["dlt"]


def run(spark: SparkSession, root: Path, source: str) -> None:
    file = root / "main.py"
    file.write_text(source, encoding="utf-8")
    with user_world(spark, root=root):
        load_declarations([file], root=root, user_globals={})


def test_world_is_given_back_exactly(
    spark: SparkSession, tmp_path: Path, dlthub: types.ModuleType
) -> None:
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "shared.py").write_text("value = 1\n", encoding="utf-8")
    before = state()
    run(spark, tmp_path, "import dlt, sys\nfrom helpers import shared\nsys.path.append('x')\n")
    assert state() == before
    assert sys.modules["dlt"] is dlthub


def test_apache_sparks_own_module_is_given_back(spark: SparkSession, tmp_path: Path) -> None:
    own = importlib.import_module("pyspark.pipelines")
    table = own.table
    source = """
from pyspark import pipelines as dp
import pyspark.pipelines, dlt
assert dp is pyspark.pipelines and dp.table is dlt.table and "expect" in dp.__all__
"""
    run(spark, tmp_path, source)
    assert sys.modules["pyspark.pipelines"] is own is vars(pyspark)["pipelines"]
    assert own.table is table
    assert "expect" not in own.__all__


def test_world_is_given_back_after_errors(spark: SparkSession, tmp_path: Path) -> None:
    before = state()
    with pytest.raises(DefinitionError, match="KeyError"):
        run(
            spark, tmp_path, "import dlt\nfrom pyspark.pipelines import __name__\nraise KeyError(1)"
        )
    assert state() == before
    assert "dlt" not in sys.modules


def test_changed_helper_is_read_again(spark: SparkSession, tmp_path: Path) -> None:
    helper = tmp_path / "helper_of_mine.py"
    told: list[int] = []
    sys.modules["told_of"] = types.ModuleType("told_of")
    vars(sys.modules["told_of"])["told"] = told
    try:
        for value in (1, 2):
            helper.write_text(f"value = {value}  # {'x' * value}\n", encoding="utf-8")
            run(
                spark,
                tmp_path,
                "import told_of, helper_of_mine\ntold_of.told.append(helper_of_mine.value)\n",
            )
    finally:
        del sys.modules["told_of"]
    assert told == [1, 2]


def test_module_imported_before_stays_itself(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "known_to_all.py").write_text("value = 1\n", encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        import known_to_all  # type: ignore[import-not-found]  # made two lines above

        known_to_all.value = 99
        run(spark, tmp_path, "import known_to_all\nassert known_to_all.value == 1\n")
        assert sys.modules["known_to_all"] is known_to_all
        assert known_to_all.value == 99
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["known_to_all"]


def test_module_of_the_same_name_elsewhere_is_hidden(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for folder, value in ((elsewhere, 1), (root, 2)):
        (folder / "twice_named").mkdir(parents=True)
        (folder / "twice_named" / "__init__.py").write_text("", "utf-8")
        (folder / "twice_named" / "value.py").write_text(f"VALUE = {value}", "utf-8")
    monkeypatch.syspath_prepend(str(elsewhere))
    outside = importlib.import_module("twice_named.value")
    with user_world(spark, root=root):
        assert importlib.import_module("twice_named.value").VALUE == 2
    assert sys.modules["twice_named.value"] is outside
    assert outside.VALUE == 1


def test_module_of_another_folder_hides_nothing(spark: SparkSession, tmp_path: Path) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    for folder, value in ((elsewhere, 1), (root, 2)):
        (folder / "rules_of_mine").mkdir(parents=True)
        (folder / "rules_of_mine" / "all.py").write_text(f"value = {value}\n", encoding="utf-8")
    sys.path.insert(0, str(elsewhere))
    try:
        importlib.import_module("rules_of_mine.all")

        before = state()
        run(spark, root, "from rules_of_mine.all import value\nassert value == 2, value\n")
        assert state() == before
        assert sys.modules["rules_of_mine.all"].value == 1
    finally:
        sys.path.remove(str(elsewhere))
        for name in ("rules_of_mine", "rules_of_mine.all"):
            sys.modules.pop(name, None)


def test_folders_without_init_come_and_go(spark: SparkSession, tmp_path: Path) -> None:
    inner = tmp_path / "flights_of_mine" / "transforms"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("", "utf-8")
    (inner / "first.py").write_text("value = 1\n", "utf-8")
    before = state()
    for _ in range(2):
        run(spark, tmp_path, "from flights_of_mine.transforms import first\nassert first.value")
        assert state() == before


def test_helpers_of_an_added_folder_are_gone_after(spark: SparkSession, tmp_path: Path) -> None:
    root, beside = tmp_path / "root", tmp_path / "beside"
    for folder in (root, beside):
        folder.mkdir()
    (beside / "shared_of_mine.py").write_text("def f():\n    return 1\n", "utf-8")
    before = state()
    run(
        spark,
        root,
        f"import sys\nsys.path.append({str(beside)!r})\nimport shared_of_mine\n"
        "assert shared_of_mine.f() == 1\n",
    )
    assert state() == before
