"""The same changes give the same table, however they are ordered, doubled and cut."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.cdc.random_suite import SHAPES, check_seeds, deal

SEEDS = list(range(10))


@pytest.mark.parametrize("shape", SHAPES)
def test_any_dealing_gives_the_models_table(
    spark: SparkSession, tmp_path: Path, shape: str
) -> None:
    check_seeds(spark, tmp_path, SEEDS, shape)


def test_seeds_bring_ties_nulls_and_truncates() -> None:
    dealt = [change for batch in deal(SEEDS, has_truncates=True) for change in batch]
    assert {change.op for change in dealt} == {"UPSERT", "DELETE", "TRUNCATE"}
    assert any(change.key is None for change in dealt)
    assert any(change.seq is None for change in dealt)
    places = {(change.key, change.seq) for change in set(dealt)}
    assert len(places) < len(set(dealt)) * 0.9
