"""Rows are counted in the bytes as Spark counts them, by other means."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc
from pyspark.sql import SparkSession

from dlt_stub.accounting.counting import rows_in

CSV = '\ufeffid,name\r\n\r\n1,a\r2,"b\n c"\n \t \n3,c'


@pytest.mark.parametrize("multi_line", ["false", "true"])
def test_csv_rows_are_those_spark_reads(
    spark: SparkSession, tmp_path: Path, multi_line: str
) -> None:
    text = CSV if multi_line == "false" else CSV.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace(" \t \n", "") if multi_line == "true" else text
    plain, packed = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    plain.write_text(text, encoding="utf-8", newline="")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for header in ("true", "false"):
        options = {"header": header, "multiLine": multi_line, "escape": '"'}
        read = spark.read.options(**options).csv(str(tmp_path)).count()
        assert rows_in(str(plain), "csv", options) == read / 2
        assert rows_in(str(packed), "csv", options) == read / 2


def test_other_formats_are_counted_or_left(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2, 3]})
    pq.write_table(table, tmp_path / "a.parquet")
    orc.write_table(table, tmp_path / "a.orc")
    (tmp_path / "a.json").write_text("\n".join(json.dumps({"id": n}) for n in (1, 2, 3)) + "\n\n")
    (tmp_path / "a.text").write_text("1\n\n3")
    found = {
        file.suffix[1:]: rows_in(str(file), file.suffix[1:], {}) for file in tmp_path.iterdir()
    }
    assert found == {"parquet": 3, "orc": 3, "json": 3, "text": 3}
    assert rows_in(str(tmp_path / "a.json"), "binaryFile", {}) == 1
    assert rows_in(str(tmp_path / "a.json"), "json", {"multiLine": "true"}) is None
    assert rows_in(str(tmp_path / "a.json"), "xml", {}) is None
    assert rows_in(str(tmp_path / "a.text"), "parquet", {}) is None
    assert rows_in(str(tmp_path / "a.text"), "csv", {"comment": "#"}) is None


def test_broken_compression_is_unknown(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(b"id\n1\n")[:-8])
    assert rows_in(str(file), "csv", {"header": "true"}) is None
    assert rows_in(str(tmp_path / "a.csv.zst"), "csv", {}) is None
