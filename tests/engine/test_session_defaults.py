from pathlib import Path

import pytest
from pyspark.errors import ArithmeticException, NumberFormatException
from pyspark.sql import SparkSession

from dlt_stub.engine.session import SESSION_DEFAULTS, start_session


def test_ansi_division_by_zero_fails(spark: SparkSession) -> None:
    with pytest.raises(ArithmeticException, match="DIVIDE_BY_ZERO"):
        spark.sql("SELECT 1 / 0").collect()


def test_ansi_cast_of_text_fails(spark: SparkSession) -> None:
    with pytest.raises(NumberFormatException, match="CAST_INVALID_INPUT"):
        spark.sql("SELECT CAST('seven' AS INT)").collect()


def test_session_time_zone_is_utc(spark: SparkSession) -> None:
    row = spark.sql("SELECT current_timezone(), CAST(TIMESTAMP '2024-07-01 12:00:00Z' AS STRING)")
    assert tuple(row.collect()[0]) == ("Etc/UTC", "2024-07-01 12:00:00")


def test_time_parser_is_the_corrected_one(spark: SparkSession) -> None:
    # LEGACY reads it as 1 January; the open-source default EXCEPTION refuses to choose
    row = spark.sql("SELECT try_to_timestamp('2024-1-1', 'yyyy-MM-dd')").collect()[0]
    assert row[0] is None


def test_input_splits_are_as_documented(spark: SparkSession) -> None:
    assert spark.conf.get("spark.sql.files.maxPartitionBytes") == "134217728b"


def test_running_session_is_returned_again(spark: SparkSession, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    again = start_session(warehouse=tmp_path)
    assert again is spark
    for key, value in SESSION_DEFAULTS.items():
        assert again.conf.get(key) == value


def test_plain_tables_are_delta_tables(spark: SparkSession, tmp_path: Path) -> None:
    spark.range(2).write.format("delta").save(str(tmp_path / "t"))
    assert spark.read.format("delta").load(str(tmp_path / "t")).count() == 2
    assert (tmp_path / "t" / "_delta_log").is_dir()
