import bz2
import gzip
import json
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cloud_files.conftest import Landing

# Each is read as each type, by us and by Spark's own reader.
SAMPLES = (
    *("7", " 7 ", "-0", "+7", "007", "7.0", "7.5", "1e3", "1,234.50", "$9", "0x1F", "x", "''"),
    *("2147483648", "9223372036854775808", "99999999.999", "NaN", "inf", "Inf", "-Infinity"),
    *("true", "TRUE", "yes", "1", "t", "null", "NULL", " ", "2026-01-02", "2026-1-2", "01/02/2026"),
    *("2026-02-30", "2026-01-02 03:04:05", "2026-01-02T03:04:05.678Z", "2026-01-02 25:00:00"),
    *("2026-01-02T03:04:05+02:00", "1996-07-04 00:00:00.000", "infinity", "12:30", "1970"),
)
TYPES = (
    *("BOOLEAN", "TINYINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL(10,2)", "DATE"),
    *("TIMESTAMP", "TIMESTAMP_NTZ", "STRING"),
)


def rescued(text: str | None) -> dict[str, str]:
    found = json.loads(text) if text else {}
    found.pop("_file_path", None)
    return dict(found)


def test_every_type_agrees_with_spark(landing: "Landing", tmp_path: "Path") -> None:
    names = [f"c{position}" for position in range(len(TYPES))]
    lines = [",".join([f'"{sample}"'] * len(TYPES)) for sample in SAMPLES]
    landing.land("a.csv", "\n".join([",".join(names), *lines]))
    landing.options["cloudFiles.schemaHints"] = ", ".join(
        f"{name} {kind}" for name, kind in zip(names, TYPES, strict=True)
    )
    ours = landing.ingest()
    assert len(ours) == len(SAMPLES)
    one_column = tmp_path / "one.csv"
    one_column.write_text("\n".join(f'"{sample}"' for sample in SAMPLES))
    for name, kind in zip(names, TYPES, strict=True):
        reader = landing.spark.read.schema(f"v {kind}, bad STRING")
        theirs = reader.csv(str(one_column), columnNameOfCorruptRecord="bad").collect()
        assert [str(row[name]) for row in ours] == [str(row.v) for row in theirs], kind
        for sample, row, reference in zip(SAMPLES, ours, theirs, strict=True):
            lost = rescued(row._rescued_data).get(name)
            assert lost == (sample if reference.bad is not None else None), (kind, sample)


def test_mismatch_is_rescued_as_written(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT, d DATE"
    landing.land("a b.csv", 'n,s,d\n$100,"q, ""r""",\n300,x,soon\n,,\n')
    first, second, third = landing.ingest()
    path = f"file:{landing.folder}/a%20b.csv"
    assert first._rescued_data == f'{{"n":"$100","_file_path":"{path}"}}'
    assert second._rescued_data == f'{{"d":"soon","_file_path":"{path}"}}'
    assert (first.n, second.n, second.s) == (None, 300, "x")
    assert third._rescued_data is None


def test_ragged_rows_lose_nothing(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "b INT"
    wide = ",".join(f"w{position}" for position in range(90))
    landing.land("a.csv", f'a,b\n1\n1,2\n1,2,3,"4,5"\n1,x,,6\n{wide}\n')
    rows = landing.ingest()
    assert [(row.a, row.b) for row in rows] == [
        *(("1", None), ("1", 2), ("1", 2), ("1", None), ("w0", None))
    ]
    assert [rescued(row._rescued_data) for row in rows[:4]] == [
        {},
        {},
        {"_c2": "3", "_c3": "4,5"},
        {"b": "x", "_c3": "6"},
    ]
    whole = rescued(rows[4]._rescued_data)
    assert whole["_corrupt_record"] == wide
    assert (whole["b"], whole["_c2"], whole["_c17"]) == ("w1", "w2", "w17")


def test_multi_line_fields_are_read(landing: "Landing") -> None:
    landing.options |= {"multiLine": "true", "cloudFiles.schemaHints": "n INT, `the\nnote` STRING"}
    landing.land("a.csv", 'n,"the\nnote"\n1,"x\ny"\n2,z,"e\nf"\nq,"v\r\nw"\n')
    rows = landing.ingest()
    assert [(row.n, row["the\nnote"]) for row in rows] == [(1, "x\ny"), (2, "z"), (None, "v\r\nw")]
    assert [rescued(row._rescued_data) for row in rows] == [{}, {"_c2": "e\nf"}, {"n": "q"}]


@pytest.mark.parametrize("multi_line", ["false", "true"])
def test_marks_and_line_ends_agree(landing: "Landing", multi_line: str) -> None:
    landing.options["multiLine"] = multi_line
    landing.land("a.csv", b"\xef\xbb\xbfid,\r\n1,2\r\n\r\n3,4\r\n")
    landing.land("b.csv", b"\nid,_c1\n5,6")
    found = sorted((row.id, row._c1) for row in landing.ingest())
    assert found == [("1", "2"), ("3", "4"), ("5", "6")]


def test_reader_options_shape_the_header(landing: "Landing") -> None:
    landing.options |= {"sep": "|", "quote": "'", "comment": "#", "encoding": "ISO-8859-1"}
    landing.options["ignoreLeadingWhiteSpace"] = "true"
    landing.land("a.csv", "# made by hand\nid| 'größe|cm'\n#x\n1| 2\n".encode("latin-1"))
    assert landing.columns() == "id string, größe|cm string, _rescued_data string"
    assert [tuple(row)[:2] for row in landing.ingest()] == [("1", "2")]


def test_other_line_separators_are_followed(landing: "Landing") -> None:
    landing.options["lineSep"] = ";"
    landing.land("a.csv", "id,x;1,2;3,4;")
    assert [(row.id, row.x) for row in landing.ingest()] == [("1", "2"), ("3", "4")]


def test_compressed_files_are_read(landing: "Landing") -> None:
    landing.land("a.csv.gz", gzip.compress(b"id\n1\n"))
    landing.land("b.csv.bz2", bz2.compress(b"id\n2\n"))
    landing.land("c.csv.gz", gzip.compress(b"id\n"))
    assert sorted(row.id for row in landing.ingest()) == ["1", "2"]


def test_query_may_use_metadata(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT"
    file = landing.land("a b.csv", "n\n1\nx\n3,4\n")
    (batch,) = landing.plan()
    frame = landing.source.read(landing.spark, landing.state, batch)
    seen = frame.where("n > 0 OR n IS NULL").select(
        "*", "_metadata.file_path", "_metadata.file_size", F.input_file_name().alias("name")
    )
    rows = seen.where("_rescued_data IS NOT NULL").collect()
    assert [(row.n, row.file_size) for row in rows] == [(None, 10), (3, 10)]
    assert {row.file_path for row in rows} == {f"file:{landing.folder}/a%20b.csv"}
    assert {row.name for row in rows} == {f"file://{landing.folder}/a%20b.csv"}
    assert file.stat().st_size == 10
    assert (frame.count(), frame.select("_rescued_data").count()) == (3, 3)
    assert frame.where("_rescued_data IS NOT NULL").count() == 2
    times = frame.select(F.unix_millis("_metadata.file_modification_time").alias("ms")).distinct()
    assert [row.ms for row in times.collect()] == [batch.files[0].modified_ms]


def test_file_column_named_as_rescued_data(landing: "Landing") -> None:
    landing.land("a.csv", "id,_rescued_data\n1,mine\n")
    (row,) = landing.ingest()
    assert rescued(row._rescued_data) == {"_rescued_data": "mine"}


def test_northwind_rows_are_all_there(landing: "Landing", northwind: "Path") -> None:
    landing.options["cloudFiles.schemaHints"] = (
        "orderID BIGINT, orderDate TIMESTAMP, shippedDate TIMESTAMP, freight DECIMAL(10,2)"
    )
    landing.land("orders.csv", northwind.read_bytes())
    lines = northwind.read_text().splitlines()
    rows = landing.ingest()
    assert len(rows) == len(lines) - 1 == 830
    kept = {row.orderID: rescued(row._rescued_data) for row in rows}
    assert len(kept) == 830
    shifted = {line.split(",")[0]: line.split(",")[14:] for line in lines[1:]}
    for order, extra in shifted.items():
        assert [kept[int(order)][f"_c{14 + n}"] for n in range(len(extra))] == extra
    assert sum(any(name.startswith("_c") for name in found) for found in kept.values()) == 176
