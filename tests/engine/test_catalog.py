from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import NotEmulatedError, Pipeline, UsageError
from dlt_stub.engine.catalog import TableEntry, TableRegistry
from dlt_stub.paths import WorkspacePaths


def entry(catalog: str, name: str, folder: Path) -> TableEntry:
    return TableEntry(
        catalog=catalog,
        schema="shop",
        name=name,
        location=str(folder / catalog / name),
        kind="STREAMING_TABLE",
        pipeline_id="one",
    )


def test_one_name_in_two_catalogs_is_refused(tmp_path: Path) -> None:
    registry = TableRegistry(WorkspacePaths.at(tmp_path))
    registry.put(entry("main", "orders", tmp_path))
    with pytest.raises(UsageError, match=r"other\.shop\.ORDERS cannot stand beside main\.shop"):
        registry.put(entry("other", "ORDERS", tmp_path))
    registry.put(entry("other", "lines", tmp_path))
    assert [each.full_name for each in registry.entries()] == [
        "main.shop.orders",
        "other.shop.lines",
    ]


def test_private_tables_are_found_by_their_pipeline(tmp_path: Path) -> None:
    registry = TableRegistry(WorkspacePaths.at(tmp_path))
    private = replace(entry("main", "orders", tmp_path), is_private=True)
    registry.put(private)
    where = {"catalog": "main", "schema": "shop"}
    assert registry.find("orders", **where, pipeline_id="one") == private
    assert registry.find("orders", **where) is None
    assert registry.find("orders", **where, pipeline_id="two") is None
    assert list(registry.entries()) == []
    with pytest.raises(UsageError, match="is already managed by pipeline one"):
        registry.check(replace(private, pipeline_id="two"))


def test_current_catalog_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text('spark.sql("SELECT current_catalog()")\n', encoding="utf-8")
    pipeline = Pipeline(
        source=[file], storage=tmp_path / "w", catalog="main", schema="shop", spark=spark
    )
    error = pipeline.update().error
    assert isinstance(error, NotEmulatedError)
    assert "spark_catalog for every catalog" in str(error)
