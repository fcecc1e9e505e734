"""A table's state is read from its log, with or without Delta's checksum files."""

import shutil
from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub.engine.delta_log import TableState, read_table_state


def test_state_is_known_without_checksums(spark: SparkSession, tmp_path: Path) -> None:
    table, copy = str(tmp_path / "table"), str(tmp_path / "copy")
    rows = spark.range(3).coalesce(1)
    writer = rows.write.format("delta").option("txnAppId", "flow").option("txnVersion", 4)
    writer.save(table)
    shutil.copytree(table, copy)
    for checksum in (Path(copy) / "_delta_log").glob("*.crc"):
        checksum.unlink()
    size = sum(part.stat().st_size for part in Path(table).glob("*.parquet"))
    for path in (table, copy):
        state = read_table_state(spark, path, "flow")
        assert state == TableState(
            schema=spark.read.format("delta").load(path).schema,
            num_files=1,
            size_bytes=size,
            transactions={"flow": 4},
            transaction_version=4,
        )
        other = read_table_state(spark, path, "another")
        assert other is not None
        assert other.transaction_version is None
    assert read_table_state(spark, str(tmp_path / "none"), "flow") is None
    assert not (tmp_path / "none").exists()
