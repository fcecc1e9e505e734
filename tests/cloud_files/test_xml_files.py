import json
from typing import TYPE_CHECKING, Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as F

from dlt_stub.errors import NotEmulatedError, SourceError, UnknownFieldError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing

# Each is read as each type, by us and by Spark's own parser.
SAMPLES = (
    *("7", " 7 ", "-0", "+7", "007", "7.5", "1e3", "1,234.50", "x &lt; y", "", " "),
    *("2147483648", "99999999.999", "NaN", "Inf", "true", "TRUE", "yes", "1", "0", "null"),
    *("2026-01-02", "2026-02-30", "2026-01-02 03:04:05", "2026-01-02T03:04:05.678Z", "1970"),
)
TYPES = ("BOOLEAN", "INT", "BIGINT", "DOUBLE", "DECIMAL(10,2)", "DATE", "TIMESTAMP", "STRING")


@pytest.fixture
def landing(landing: "Landing") -> "Landing":
    landing.options |= {"cloudFiles.format": "xml", "rowTag": "book"}
    return landing


def books(*inside: str) -> str:
    return f"<books>{''.join(f'<book {each}</book>' for each in inside)}</books>"


def rescued(text: str | None) -> Any:  # Any: what JSON holds
    found = json.loads(text) if text else {}
    found.pop("_file_path", None)
    return found


def test_elements_and_attributes_are_columns(landing: "Landing") -> None:
    landing.land("a.xml", books('id="bk103"><author>Corets, Eva</author><year>2000</year>'))
    landing.land("b.xml", books('id="bk104"><author/>', 'id="bk105"><n> 7 </n>'))
    landing.land("none.xml", "<books></books>")
    landing.land("empty.xml", "")
    assert landing.columns() == (
        "_id string, author string, year string, n string, _rescued_data string"
    )
    batches = landing.plan()
    assert [(len(batch.files), batch.is_empty) for batch in batches] == [(2, False), (2, True)]
    rows = sorted(landing.ingest(), key=lambda row: str(row._id))
    assert [(row._id, row.author, row.year, row.n) for row in rows] == [
        ("bk103", "Corets, Eva", "2000", None),
        ("bk104", "", None, None),
        ("bk105", None, None, "7"),
    ]
    assert {row._rescued_data for row in rows} == {None}
    assert landing.ingest() == []


def test_inferred_types_are_those_of_spark(landing: "Landing") -> None:
    landing.options["cloudFiles.inferColumnTypes"] = "true"
    landing.options["cloudFiles.schemaHints"] = "day STRING"
    landing.land("a.xml", books('id="1"><t>1</t><t>2</t><o><k>1</k></o><day>2026-01-02</day>'))
    assert landing.columns() == (
        "_id bigint, day string, o struct<k:bigint>, t array<bigint>, _rescued_data string"
    )
    (row,) = landing.ingest()
    assert (row._id, row.day, row.o.k, row.t) == (1, "2026-01-02", 1, [1, 2])
    landing.land("b.xml", books('id="2"><o><k>2</k><m>x</m></o>'))
    with pytest.raises(UnknownFieldError, match=r"lacks: o\.m"):
        landing.ingest()
    assert [(row._id, row.o.k, row.o.m) for row in landing.ingest()] == [(2, 2, "x")]


def test_new_element_stops_then_arrives(landing: "Landing") -> None:
    landing.land("a.xml", books('id="1">'))
    landing.ingest()
    landing.land("b.xml", books('id="2">'))
    landing.land("c.xml", books('id="3"><new>x</new>'))
    with pytest.raises(UnknownFieldError, match=r"c\.xml' holds columns .* lacks: new"):
        landing.ingest()
    found = sorted((row._id, row.new) for row in landing.ingest())
    assert found == [("2", None), ("3", "x")]


def test_new_elements_can_be_rescued(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    landing.land("a.xml", books("><n>1</n>"))
    landing.ingest()
    landing.land("b.xml", books("><n>2</n><new>x</new>", "><N>3</N>"))
    landing.land("c.xml", books("><N>4</N><new>y</new>"))
    with pytest.raises(NotEmulatedError, match=r"b\.xml' has columns 'n' and 'N'|'N' and 'n'"):
        landing.ingest()
    (landing.folder / "b.xml").unlink()
    (row,) = landing.ingest()
    path = f"file:{landing.folder}/c.xml"
    assert (row.n, json.loads(row._rescued_data)) == (
        None,
        {"N": "4", "new": "y", "_file_path": path},
    )


def test_what_would_be_lost_is_refused(landing: "Landing") -> None:
    landing.land("a.xml", books("><t>1</t><t>2</t>"))
    with pytest.raises(NotEmulatedError, match=r"element 't' is array<string>: what its column is"):
        landing.columns()
    landing.options["cloudFiles.schemaHints"] = "t ARRAY<STRING>, n INT"
    assert [row.t for row in landing.ingest()] == [["1", "2"]]
    landing.land("b.xml", books("><n>1</n><n>2</n>"))
    with pytest.raises(NotEmulatedError, match=r"element 'n' is array<string> in new files"):
        landing.ingest()


def test_values_agree_with_spark_or_are_rescued(landing: "Landing") -> None:
    names = [f"c{position}" for position in range(len(TYPES))]
    landing.options["cloudFiles.schemaHints"] = ", ".join(
        f"{name} {kind}" for name, kind in zip(names, TYPES, strict=True)
    )
    each = ["".join(f"<{name}>{text}</{name}>" for name in names) for text in SAMPLES]
    landing.land("a.xml", books(*(f'id="{n}">{inside}' for n, inside in enumerate(each))))
    ours = sorted(landing.ingest(), key=lambda row: int(row._id))
    frame = landing.spark.createDataFrame([(text,) for text in SAMPLES], "text STRING").coalesce(1)
    for name, kind in zip(names, TYPES, strict=True):
        parsed = F.from_xml(
            F.concat(F.lit("<r><v>"), "text", F.lit("</v></r>")),
            f"v {kind}, bad STRING",
            {"rowTag": "r", "columnNameOfCorruptRecord": "bad"},
        )
        theirs = frame.select(parsed.alias("p")).select("p.*").collect()
        for sample, row, reference in zip(SAMPLES, ours, theirs, strict=True):
            assert str(row[name]) == str(reference.v), (kind, sample)
            is_lost = rescued(row._rescued_data).get(name) is not None
            assert is_lost == (reference.bad is not None), (kind, sample)
    assert rescued(ours[SAMPLES.index("x &lt; y")]._rescued_data)["c1"] == "x < y"


def test_value_inside_of_other_type_fails(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "o STRUCT<n: INT>"
    landing.land("a.xml", books("><o><n>x</n></o>"))
    with pytest.raises(Py4JJavaError, match=r"error while reading file .*a\.xml"):
        landing.ingest()


def test_broken_file_is_named(landing: "Landing") -> None:
    landing.land("a.xml", books("><n>1<</n>"))
    with pytest.raises(SourceError, match=r"is not XML: .*a\.xml"):
        landing.columns()


def test_given_schema_reads_as_spark_does(landing: "Landing") -> None:
    landing.schema = "_id INT, o STRUCT<k: INT>"
    landing.land("a.xml", books('id="1"><o><k>2</k></o><x>1</x>', 'id="3">'))
    theirs = landing.spark.read.schema(landing.schema).xml(str(landing.folder), rowTag="book")
    assert [row[:2] for row in landing.ingest()] == [tuple(row) for row in theirs.collect()]


def test_row_tag_is_needed(landing: "Landing") -> None:
    del landing.options["rowTag"]
    with pytest.raises(SourceError, match="needs the option 'rowTag'"):
        landing.plan()
