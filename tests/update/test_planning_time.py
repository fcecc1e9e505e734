import pytest
from pyspark.sql import SparkSession

from benchmarks.plan_hundred import CHAIN, FEEDS, plan_seconds

BOUND_SECONDS = 20  # twice what is promised of two cores: others share them


@pytest.mark.parametrize("source", [FEEDS, CHAIN], ids=["feeds", "chain"])
def test_hundred_datasets_are_planned_at_once(spark: SparkSession, source: str) -> None:
    assert plan_seconds(source, spark, rounds=1) < BOUND_SECONDS
