from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F

from dlt_stub.errors import NotEmulatedError, SourceError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


def test_text_gives_one_row_per_line(landing: "Landing") -> None:
    landing.options["cloudFiles.format"] = "text"
    assert landing.columns() == "value string"
    landing.land("a b.txt", "one\ntwo\r\n\nfour é")
    theirs = landing.spark.read.text(str(landing.folder)).collect()
    assert [row.value for row in landing.ingest()] == [row.value for row in theirs]
    assert landing.ingest() == []


def test_text_can_be_a_whole_file(landing: "Landing") -> None:
    landing.options |= {"cloudFiles.format": "text", "wholetext": "true"}
    landing.land("a.txt", "one\ntwo\n")
    landing.land("none.txt", "")
    assert [row.value for row in landing.ingest()] == ["one\ntwo\n"]


def test_text_follows_its_separator(landing: "Landing") -> None:
    landing.options |= {"cloudFiles.format": "text", "lineSep": ";"}
    landing.land("a.txt", "é;ü")
    assert [row.value for row in landing.ingest()] == ["é", "ü"]
    landing.options["encoding"] = "ISO-8859-1"
    with pytest.raises(NotEmulatedError, match="encoding = 'ISO-8859-1' is not emulated"):
        landing.ingest()


def test_binary_file_is_one_row(landing: "Landing") -> None:
    landing.options |= {"cloudFiles.format": "binaryFile", "pathGlobFilter": "*.png"}
    assert landing.columns() == (
        "path string, modificationTime timestamp, length bigint, content binary"
    )
    landing.land("a b.png", b"\x00\xff\x01")
    landing.land("none.png", b"")
    landing.land("c.txt", b"x")
    batch, empty = landing.plan()
    assert ([file.size for file in empty.files], empty.is_empty) == ([0], True)
    frame = landing.source.read(landing.spark, landing.state, batch)
    assert landing.source.probe(landing.spark, landing.state).schema == frame.schema
    ours = frame.orderBy("path").select("*", "_metadata.file_name").collect()
    reader = landing.spark.read.format("binaryFile").option("pathGlobFilter", "*.png")
    theirs = reader.load(str(landing.folder)).orderBy("path")
    assert ours == theirs.select("*", "_metadata.file_name").collect()
    assert [(row.length, bytes(row.content)) for row in ours] == [(3, b"\x00\xff\x01")]
    times = frame.select(F.unix_millis("modificationTime").alias("at")).collect()
    assert [datetime.fromtimestamp(row.at / 1000, UTC).year for row in times] == [2023]


@pytest.mark.parametrize("kind", ["text", "binaryFile"])
def test_fixed_columns_need_no_options(landing: "Landing", kind: str) -> None:
    landing.options["cloudFiles.format"] = kind
    landing.schema = "other STRING"
    with pytest.raises(SourceError, match=f"is not what {kind} files hold"):
        landing.columns()
    landing.options["cloudFiles.schemaHints"] = "n INT"
    with pytest.raises(SourceError, match=f"does not go with cloudFiles.format '{kind}'"):
        landing.columns()
