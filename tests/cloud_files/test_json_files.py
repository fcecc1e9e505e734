import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from dlt_stub.errors import NotEmulatedError, RefusedFilesError, SourceError, UnknownFieldError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


@pytest.fixture
def landing(landing: "Landing") -> "Landing":
    landing.options["cloudFiles.format"] = "json"
    return landing


def lines(*records: object) -> str:
    return "".join(f"{json.dumps(record)}\n" for record in records)


def rescued(text: str | None) -> Any:  # Any: what JSON holds
    found = json.loads(text) if text else {}
    found.pop("_file_path", None)
    return found


def test_every_column_is_text_by_default(landing: "Landing") -> None:
    landing.land("a.json", '{"n":1,"d":1.10,"s":"x","o":{"k":[1,2]},"e":{},"z":null}\n')
    landing.land("b.json", '{"n":"2","extra":true}\n')
    assert landing.columns() == (
        "d string, e string, n string, o string, s string, z string, extra string, "
        "_rescued_data string"
    )
    first, second = sorted(landing.ingest(), key=lambda row: row.file_name)
    reader = landing.spark.read.schema("d STRING, e STRING, n STRING, o STRING, s STRING")
    (theirs,) = reader.json(f"{landing.folder}/a.json").collect()
    assert (first.d, first.e, first.n, first.o, first.s) == tuple(theirs)
    assert json.loads(first.o) == {"k": [1, 2]}
    assert (first.z, second.n, second.extra, second.o) == (None, "2", "true", None)
    assert first._rescued_data is None
    assert second._rescued_data is None


def test_files_of_other_keys_share_a_batch(landing: "Landing") -> None:
    for number in range(3):
        landing.land(f"{number}.json", lines({"id": number, f"k{number}": 1}))
    (batch,) = landing.plan()
    assert batch.header == ("id", "k0", "k1", "k2")
    assert sorted(row.id for row in landing.ingest()) == ["0", "1", "2"]
    assert landing.ingest() == []


def test_inferred_types_are_those_of_spark(landing: "Landing") -> None:
    landing.options["cloudFiles.inferColumnTypes"] = "true"
    landing.land("a.json", lines({"n": 1, "o": {"k": 1, "t": "x"}, "a": [{"q": 1}], "none": {}}))
    landing.land("b.json", lines({"n": 1.5, "o": {"k": 2, "u": True}, "b": False}))
    theirs = landing.spark.read.json(str(landing.folder))
    ours = landing.source.current_schema(landing.spark, landing.state)
    types = {field.name: field.dataType for field in ours}
    assert types.pop("none").simpleString() == "string"  # Spark leaves it out
    assert types.pop("_rescued_data").simpleString() == "string"
    assert types == {field.name: field.dataType for field in theirs.schema}
    found = sorted((row.n, row.o, row.a, row.b) for row in landing.ingest())
    assert found == sorted((row.n, row.o, row.a, row.b) for row in theirs.collect())


def test_hints_give_types_and_columns(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT, m MAP<STRING, INT>, at TIMESTAMP"
    landing.land("a.json", lines({"n": 1, "m": {"a": 1}}))
    assert landing.columns() == ("m map<string,int>, n int, at timestamp, _rescued_data string")
    (row,) = landing.ingest()
    assert (row.n, row.m, row.at) == (1, {"a": 1}, None)


def test_what_does_not_fit_is_rescued(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT, d DATE, o STRUCT<k: INT>"
    landing.land(
        "a b.json",
        lines(
            {"n": "one", "d": "soon", "s": "x"},
            {"n": 1, "d": None, "o": {"k": 1}},
            {"n": {"deep": [1]}, "o": {"k": "text"}},
        ),
    )
    one, two, three = landing.ingest()
    path = f"file:{landing.folder}/a%20b.json"
    assert json.loads(one._rescued_data) == {"n": "one", "d": "soon", "_file_path": path}
    assert (one.n, one.d, one.s) == (None, None, "x")
    assert (two.n, two.o.k, two._rescued_data) == (1, 1, None)
    assert rescued(three._rescued_data) == {"n": {"deep": [1]}, "o": {"k": "text"}}


def test_typed_values_agree_with_the_reader(landing: "Landing") -> None:
    types = ("INT", "BIGINT", "DOUBLE", "DECIMAL(6,2)", "DATE", "TIMESTAMP", "BOOLEAN", "STRING")
    values = (
        *("7", "7.0", "1e3", "-0", '"7"', '" 7 "', '""', "true", '"true"', "null", "{}", "[]"),
        *('"2026-01-02"', '"2026-01-02T03:04:05Z"', "1234.567", '"NaN"', "99999999999"),
    )
    names = [f"c{n}" for n in range(len(types))]
    hints = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
    landing.options["cloudFiles.schemaHints"] = hints
    text = "\n".join(
        "{" + ",".join(f'"{name}":{value}' for name in names) + "}" for value in values
    )
    landing.land("a.json", text)
    ours = landing.ingest()
    assert len(ours) == len(values)
    for name, kind in zip(names, types, strict=True):
        reader = landing.spark.read.schema(f"{name} {kind}, bad STRING")
        reader = reader.option("columnNameOfCorruptRecord", "bad")
        theirs = reader.json(f"{landing.folder}/a.json").collect()
        for value, row, reference in zip(values, ours, theirs, strict=True):
            assert str(row[name]) == str(reference[name]), (kind, value)
            has_lost = name in rescued(row._rescued_data)
            assert has_lost == (reference.bad is not None), (kind, value, row._rescued_data)


def test_record_that_is_not_json_is_kept(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT"
    landing.land("a.json", '{"n":1}\n{"n":2, broken\n\n{"n":3}\n"text"\n')
    landing.land("b.json", "not json at all\n")
    rows = landing.ingest()
    assert sorted(row.n for row in rows if row.n) == [1, 3]
    kept = [rescued(row._rescued_data).get("_corrupt_record") for row in rows]
    assert sorted(filter(None, kept)) == ['"text"', "not json at all", '{"n":2, broken']
    assert landing.ingest() == []


def test_arrays_at_the_top_are_records(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT"
    landing.land("a.json", '[{"n":1},{"n":2,"x":"y"}]\n{"n":3}\n')
    assert landing.columns() == "n int, x string, _rescued_data string"
    assert [(row.n, row.x) for row in landing.ingest()] == [(1, None), (2, "y"), (3, None)]


def test_multi_line_files_are_read(landing: "Landing") -> None:
    landing.options |= {"multiLine": "true", "cloudFiles.schemaHints": "n INT"}
    landing.land("a.json", '[{"n": 1,\n "x": "y"},\n {"n": 2}]')
    landing.land("b.json", '{\n "n": "three"\n}')
    rows = landing.ingest()
    assert sorted((row.n or 0, row.x or "") for row in rows) == [(0, ""), (1, "y"), (2, "")]
    assert [r for row in rows if (r := rescued(row._rescued_data))] == [{"n": "three"}]


def test_new_key_stops_then_arrives(landing: "Landing") -> None:
    landing.land("a.json", lines({"id": 1}))
    landing.ingest()
    landing.land("b.json", lines({"id": 2, "new": {"k": 1}}))
    with pytest.raises(UnknownFieldError, match=r"b\.json' holds columns .* lacks: new"):
        landing.ingest()
    assert landing.state.pending == []
    assert landing.columns() == "id string, new string, _rescued_data string"
    assert [(row.id, row.new) for row in landing.ingest()] == [("2", '{"k": 1}')]


def test_new_field_inside_arrives_too(landing: "Landing") -> None:
    landing.options |= {
        "cloudFiles.inferColumnTypes": "true",
        "cloudFiles.schemaHints": "o STRUCT<k: INT>",
    }
    landing.land("a.json", lines({"o": {"k": 1}, "a": [{"x": 1}]}))
    landing.ingest()
    landing.land("b.json", lines({"o": {"k": 2, "m": "t"}, "a": [{"x": 1, "y": 2}]}))
    with pytest.raises(UnknownFieldError, match=r"lacks: a\.element\.y, o\.m"):
        landing.ingest()
    (row,) = landing.ingest()
    assert (row.o.k, row.o.m, row.a[0].y) == (2, "t", 2)


def test_hints_reach_inside_columns(landing: "Landing") -> None:
    landing.options |= {
        "cloudFiles.inferColumnTypes": "true",
        "cloudFiles.schemaHints": "day DATE, user.born DATE, user.size.cm DECIMAL(5,1), "
        "all MAP<STRING, STRUCT<id: STRING, n: STRING>>, places.element.id INT, all.value.id INT, "
        "later.x INT, `a.b` SHORT",
    }
    landing.land(
        "a.json",
        lines(
            {
                "day": "2026-01-02",
                "user": {"born": "1990-01-02", "size": {"cm": 1.5}, "n": 1},
                "places": [{"id": 1}],
                "all": {"x": {"id": 7, "n": "8"}},
                "a.b": 1,
            }
        ),
    )
    assert landing.columns() == (
        "a.b smallint, all map<string,struct<id:int,n:string>>, day date, "
        "places array<struct<id:int>>, "
        "user struct<born:date,n:bigint,size:struct<cm:decimal(5,1)>>, _rescued_data string"
    )
    (row,) = landing.ingest()
    assert (row.user.born.year, row.places[0].id, row["all"]["x"].id) == (1990, 1, 7)
    landing.land("b.json", lines({"later": {"x": 1, "y": 2}, "user": {"m": 3}}))
    with pytest.raises(UnknownFieldError, match=r"lacks: later, user\.m"):
        landing.ingest()
    assert "later struct<x:int,y:bigint>" in landing.columns()
    landing.options["cloudFiles.schemaHints"] = "day.x INT"
    with pytest.raises(NotEmulatedError, match=r"'day\.x int' is for a field inside date"):
        landing.columns()


def test_new_field_of_nothing_is_not_new(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "o STRUCT<k: INT>"
    landing.land("a.json", lines({"o": {"k": 1}}))
    landing.ingest()
    landing.land("b.json", lines({"o": {"k": 2, "m": {}}}))
    (row,) = landing.ingest()
    assert (row.o.asDict(), row._rescued_data) == ({"k": 2}, None)


def test_new_field_inside_is_not_rescued(landing: "Landing") -> None:
    landing.options |= {
        "cloudFiles.schemaEvolutionMode": "rescue",
        "cloudFiles.schemaHints": "o STRUCT<k: INT>",
    }
    landing.land("a.json", lines({"o": {"k": 1}}))
    landing.ingest()
    landing.land("b.json", lines({"o": {"k": 2, "m": "t"}}))
    with pytest.raises(NotEmulatedError, match=r"lacks: o\.m; rescuing them is not emulated"):
        landing.ingest()


def test_new_keys_can_be_rescued(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    landing.land("a.json", lines({"id": 1}))
    landing.ingest()
    landing.land("b.json", lines({"id": 2, "o": {"k": [1.5, "é"]}, "n": 7, "z": None}, {"id": 3}))
    two, three = landing.ingest()
    path = f"file:{landing.folder}/b.json"
    assert json.loads(two._rescued_data) == {"o": {"k": [1.5, "é"]}, "n": 7, "_file_path": path}
    assert three._rescued_data is None


def test_key_of_other_case_is_rescued(landing: "Landing") -> None:
    landing.land("a.json", lines({"id": 1}))
    landing.ingest()
    landing.land("b.json", lines({"ID": 2}))
    landing.land("c.json", lines({"id": 3}))
    assert [batch.header for batch in landing.plan()] == [("ID",), ("id",)]
    two, three = landing.ingest()
    assert (two.id, rescued(two._rescued_data), three.id) == (None, {"ID": 2}, "3")
    landing.options["readerCaseSensitive"] = "false"
    landing.land("d.json", lines({"Id": 4}))
    assert [row.id for row in landing.ingest()] == ["4"]
    landing.land("e.json", lines({"id": 5, "Id": 6}))
    with pytest.raises(NotEmulatedError, match=r"e\.json' has columns .* case only"):
        landing.ingest()


def test_given_schema_reads_as_spark_does(landing: "Landing") -> None:
    landing.schema = "id INT, o STRUCT<k: INT>"
    landing.land("a.json", lines({"id": 1, "o": {"k": 2, "m": 3}, "x": 1}, {"ID": 5}))
    theirs = landing.spark.read.schema(landing.schema).json(f"{landing.folder}/a.json").collect()
    assert [(row.id, row.o) for row in landing.ingest()] == [(row.id, row.o) for row in theirs]


def test_given_schema_may_rescue(landing: "Landing") -> None:
    landing.schema = "id INT"
    landing.options["rescuedDataColumn"] = "rest"
    landing.land("a.json", lines({"id": "x", "more": 1}))
    (row,) = landing.ingest()
    assert (row.id, rescued(row.rest)) == (None, {"id": "x", "more": 1})


def test_keys_that_come_twice_are_seen(landing: "Landing") -> None:
    landing.land("a.json", '{"id":1,"id":2,"x":3}\n')
    reader = landing.spark.read.schema("id STRING, x STRING")
    (theirs,) = reader.json(f"{landing.folder}/a.json").collect()
    (row,) = landing.ingest()
    assert (row.id, row.x) == tuple(theirs)


def test_doubled_keys_inside_lose_nothing(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    landing.land("a.json", lines({"id": 1}))
    landing.ingest()
    record = '{"id":2,"o":{"k":1,"k":2}}'
    landing.land("b.json", record + "\n" + '[{"id":3,"id":4,"q":1}]' + "\n")
    (batch,) = landing.plan()
    assert batch.header == ("id", "o", "q")
    rows = landing.ingest()
    assert [row.id for row in rows] == ["2", "4"]
    assert rescued(rows[0]._rescued_data) == {"_corrupt_record": record}


def test_odd_keys_are_columns_too(landing: "Landing") -> None:
    landing.land("a.json", lines({"a.b": 1, "c d": 2, "`": 3, "é'\"": 4}))
    (row,) = landing.ingest()
    assert [row[name] for name in ("a.b", "c d", "`", "é'\"")] == ["1", "2", "3", "4"]
    landing.land("b.json", lines({"_metadata": 1}))
    with pytest.raises(NotEmulatedError, match=r"b\.json' has a column named '_metadata'"):
        landing.ingest()


def test_json_query_may_use_metadata(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "n INT"
    landing.land("a b.json", lines({"n": 1}, {"n": "x"}))
    landing.land("c.json", "broken\n")
    (batch,) = landing.plan()
    frame = landing.source.read(landing.spark, landing.state, batch)
    assert (frame.count(), frame.select("_rescued_data").count()) == (3, 3)
    lost = frame.where("_rescued_data IS NOT NULL").select("n", "_metadata.file_path").collect()
    assert {row.file_path for row in lost} == {
        f"file:{landing.folder}/{name}" for name in ("a%20b.json", "c.json")
    }
    assert frame.where(F.col("n") > 0).count() == 1
    probe = landing.source.probe(landing.spark, landing.state)
    assert probe.isStreaming
    assert probe.schema == frame.schema


def test_files_are_chosen_as_for_csv(landing: "Landing") -> None:
    landing.options["pathGlobFilter"] = "*.json*"
    landing.options["modifiedAfter"] = "2023-11-14T22:13:21"
    landing.land("old.json", lines({"id": 1}))
    landing.land("a.json.gz", gzip.compress(lines({"id": 2}).encode()))
    landing.land("b.txt", lines({"id": 3}))
    landing.land("none.json", "")
    landing.land("blank.json", " \n\n")
    batches = landing.plan()
    assert [(len(batch.files), batch.is_empty) for batch in batches] == [(1, False), (2, True)]
    assert [row.id for row in landing.ingest()] == ["2"]


def test_replaced_json_file_keeps_its_batch(landing: "Landing") -> None:
    landing.land("a.json", lines({"id": 1, "x": 1}))
    landing.plan()
    landing.land("a.json", lines({"id": 2}))
    assert [row.id for row in landing.ingest()] == ["2"]
    landing.land("b.json", lines({"id": 1}))
    landing.plan()
    landing.land("b.json", lines({"id": 1, "q": 1}))
    with pytest.raises(SourceError, match=r"b\.json' of batch 1 was replaced .* now id, q"):
        landing.ingest()


def test_options_of_csv_are_refused(landing: "Landing") -> None:
    landing.options["header"] = "true"
    with pytest.raises(SourceError, match=r"'header' does not go with cloudFiles\.format 'json'"):
        landing.plan()


def test_cut_file_holds_nobody_up(landing: "Landing") -> None:
    landing.land("a.json.gz", gzip.compress(lines({"n": 1}).encode())[:-9])
    landing.land("b.json.gz", gzip.compress(lines({"n": 2}).encode()))
    for _ in range(2):
        with pytest.raises(RefusedFilesError, match=r"a\.json\.gz' cannot be unpacked as gzip"):
            landing.ingest()
        assert sum(file.committed_at is not None for file in landing.state.files()) == 1
