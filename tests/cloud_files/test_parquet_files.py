import json
import shutil
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlt_stub.errors import NotEmulatedError, SourceError, UnknownFieldError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


@pytest.fixture
def landing(landing: "Landing") -> "Landing":
    landing.options["cloudFiles.format"] = "parquet"
    return landing


def land(landing: "Landing", name: str, **columns: pa.Array) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    landing.land(name, sink.getvalue().to_pybytes())


def ints(*values: int, kind: str = "int32") -> pa.Array:
    return pa.array(values, kind)


def test_columns_have_the_types_of_files(landing: "Landing") -> None:
    when = pa.array([1_700_000_000_000_000], pa.timestamp("us", tz="UTC"))
    nested = pa.array([{"k": 1, "l": ["a"]}])
    land(landing, "a.parquet", id=ints(1), at=when, o=nested)
    assert landing.columns() == (
        "id int, at timestamp, o struct<k:bigint,l:array<string>>, _rescued_data string"
    )
    (row,) = landing.ingest()
    (theirs,) = landing.spark.read.parquet(str(landing.folder)).collect()
    assert (row.id, row.at, row.o) == (theirs.id, theirs.at, theirs.o)
    assert row._rescued_data is None


def test_widest_type_of_all_files_counts(landing: "Landing") -> None:
    land(landing, "a.parquet", n=ints(1), x=pa.array(["x"]))
    land(landing, "b.parquet", y=ints(5), n=ints(2**40, kind="int64"))
    assert landing.columns() == "n bigint, x string, y int, _rescued_data string"
    assert sorted((row.n, row.x, row.y) for row in landing.ingest()) == [
        (1, "x", None),
        (2**40, None, 5),
    ]


def test_types_with_nothing_in_common_stop(landing: "Landing") -> None:
    land(landing, "a.parquet", n=ints(1))
    land(landing, "b.parquet", n=pa.array(["x"]))
    with pytest.raises(SourceError, match="'n' is int in one file and string in another"):
        landing.columns()
    landing.options["cloudFiles.schemaHints"] = "n STRING"
    one, two = landing.ingest()
    path = f"file:{landing.folder}/a.parquet"
    assert (one.n, json.loads(one._rescued_data)) == (None, {"n": 1, "_file_path": path})
    assert (two.n, two._rescued_data) == ("x", None)


def test_new_column_stops_then_arrives(landing: "Landing") -> None:
    land(landing, "a.parquet", id=ints(1))
    landing.ingest()
    land(landing, "b.parquet", id=ints(2), new=ints(7, kind="int64"))
    with pytest.raises(UnknownFieldError, match=r"b\.parquet' holds columns .* lacks: new"):
        landing.ingest()
    assert landing.columns() == "id int, new bigint, _rescued_data string"
    assert [(row.id, row.new) for row in landing.ingest()] == [(2, 7)]


def test_new_field_inside_arrives_too(landing: "Landing") -> None:
    land(landing, "a.parquet", o=pa.array([{"k": 1}]))
    landing.ingest()
    land(landing, "b.parquet", o=pa.array([{"k": 2, "m": "t"}]))
    with pytest.raises(UnknownFieldError, match=r"lacks: o\.m"):
        landing.ingest()
    assert [(row.o.k, row.o.m) for row in landing.ingest()] == [(2, "t")]
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    land(landing, "c.parquet", o=pa.array([{"k": 2, "z": 1}]))
    with pytest.raises(NotEmulatedError, match=r"lacks: o\.z; rescuing them is not emulated"):
        landing.ingest()


def test_other_types_and_cases_are_rescued(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    land(landing, "a.parquet", id=ints(1), s=pa.array(["x"]))
    landing.ingest()
    land(landing, "b.parquet", ID=ints(2), s=ints(3), new=pa.array([1.5]))
    land(landing, "c.parquet", id=ints(2**40, kind="int64"))
    two, three = landing.ingest()
    path = f"file:{landing.folder}/b.parquet"
    expected = {"ID": 2, "s": 3, "new": 1.5, "_file_path": path}
    assert (two.id, two.s, json.loads(two._rescued_data)) == (None, None, expected)
    assert (three.id, json.loads(three._rescued_data)["id"]) == (None, 2**40)


@pytest.mark.parametrize(
    ("kind", "wanted", "expected"),
    [
        ("int32", "BIGINT", "7"),
        ("int32", "DOUBLE", "7.0"),
        ("int32", "DECIMAL(12,2)", "7.00"),
        ("int16", "INT", "7"),
        ("int64", "DECIMAL(20,0)", "7"),
        ("float32", "DOUBLE", "7.0"),
    ],
)
def test_schema_may_be_wider(landing: "Landing", kind: str, wanted: str, expected: str) -> None:
    landing.schema = f"n {wanted}"
    land(landing, "a.parquet", n=pa.array([7], kind), other=ints(1))
    assert [(str(row.n), len(row)) for row in landing.ingest()] == [(expected, 2)]


@pytest.mark.parametrize(("kind", "wanted"), [("int64", "INT"), ("int32", "SMALLINT")])
def test_narrower_schema_is_refused(landing: "Landing", kind: str, wanted: str) -> None:
    landing.schema = f"n {wanted}"
    land(landing, "a.parquet", n=ints(1, kind=kind))
    with pytest.raises(SourceError, match=r"column 'n' of the files is .* cannot be read as"):
        landing.ingest()


def test_parquet_files_are_chosen_as_csv(landing: "Landing") -> None:
    landing.options["pathGlobFilter"] = "*.parquet"
    land(landing, "a b.parquet", id=ints(1))
    land(landing, "none.parquet", id=pa.array([], "int32"))
    landing.land("c.txt", "x")
    batches = landing.plan()
    assert [(len(batch.files), batch.is_empty) for batch in batches] == [(1, False), (1, True)]
    frame = landing.source.read(landing.spark, landing.state, batches[0])
    assert [row.file_path for row in frame.select("_metadata.file_path").collect()] == [
        f"file:{landing.folder}/a%20b.parquet"
    ]
    assert landing.source.probe(landing.spark, landing.state).schema == frame.schema
    assert [row.id for row in landing.ingest()] == [1]
    landing.land("broken.parquet", "not parquet")
    shutil.copy(landing.folder / "a b.parquet", landing.folder / "c.parquet")
    with pytest.raises(SourceError, match=r"footer of file .*broken\.parquet' cannot be read"):
        landing.ingest()
    (landing.folder / "broken.parquet").unlink()
    assert landing.ingest() == []  # c.parquet waited for nothing
