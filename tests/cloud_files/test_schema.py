from typing import TYPE_CHECKING

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StructField, StructType

from dlt_stub.errors import NotEmulatedError, SourceError, UnknownFieldError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


def test_headers_of_all_files_are_merged(landing: "Landing") -> None:
    landing.land("a.csv", "id,x\n1,2\n")
    landing.land("b.csv", "y,ID,x\n1,2,3\n")
    assert landing.columns() == "id string, x string, y string, _rescued_data string"
    assert (landing.flow / "schemas" / "0000000000.json").exists()


def test_hints_give_types_and_columns(landing: "Landing") -> None:
    landing.land("a.csv", "id,x,at\n1,2,2026-01-01\n")
    landing.options["cloudFiles.schemaHints"] = "at TIMESTAMP, ID BIGINT, later DECIMAL(9,2)"
    assert landing.columns() == (
        "id bigint, x string, at timestamp, later decimal(9,2), _rescued_data string"
    )


def test_types_are_inferred_over_all_files(landing: "Landing") -> None:
    landing.options["cloudFiles.inferColumnTypes"] = "true"
    landing.land("a.csv", "n,d,t,s\n1,2026-01-01,1,x\n")
    landing.land("b.csv", "s,n,d,t\n1,1.5,2026-01-01 10:00:00,y\n")
    assert landing.columns() == "n double, d timestamp, t string, s string, _rescued_data string"


def test_empty_folder_without_hints_is_refused(landing: "Landing") -> None:
    with pytest.raises(SourceError, match="CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE"):
        landing.columns()


def test_empty_folder_with_hints_has_columns(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "id INT"
    assert landing.columns() == "id int, _rescued_data string"
    assert landing.ingest() == []


def test_new_column_stops_then_arrives(landing: "Landing") -> None:
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    landing.options["cloudFiles.schemaHints"] = "z INT"
    landing.land("b.csv", "id,y,z\n2,new,3\n")
    with pytest.raises(UnknownFieldError, match=r"b\.csv' holds columns .* lacks: y"):
        landing.ingest()
    assert landing.columns() == "id string, z int, y string, _rescued_data string"
    assert landing.state.pending == []
    (row,) = landing.ingest()
    assert (row.id, row.z, row.y, row._rescued_data) == ("2", 3, "new", None)


def test_new_columns_can_be_rescued(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    landing.land("b.csv", "new,id,void\nq,2,\n")
    (row,) = landing.ingest()
    path = f"file:{landing.folder}/b.csv"
    assert row._rescued_data == f'{{"new":"q","_file_path":"{path}"}}'
    assert landing.columns() == "id string, _rescued_data string"


def test_new_columns_can_fail_each_time(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "failOnNewColumns"
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    offending = landing.land("b.csv", "id,y\n2,new\n")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"b\.csv' holds columns .* lacks: y"):
            landing.ingest()
    offending.unlink()
    assert landing.ingest() == []


def test_mode_none_ignores_new_columns(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaEvolutionMode"] = "none"
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    landing.land("b.csv", "y,id\nnew,2\n")
    (row,) = landing.ingest()
    assert row.asDict() == {"id": "2", "file_name": "b.csv"}


def test_given_schema_matches_by_name(landing: "Landing") -> None:
    landing.schema = StructType([StructField("n", IntegerType(), nullable=False)])
    landing.options |= {"header": "true", "rescuedDataColumn": "rest"}
    landing.land("a.csv", "other,n\nq,7\n")
    (row,) = landing.ingest()
    assert row.n == 7
    assert row.rest == f'{{"other":"q","_file_path":"file:{landing.folder}/a.csv"}}'


def test_given_schema_without_header_is_positional(landing: "Landing") -> None:
    landing.schema = "n INT, s STRING"
    landing.land("a.csv", "7,x\n8\n")
    assert [(row.n, row.s) for row in landing.ingest()] == [(7, "x"), (8, None)]


def test_columns_without_header_are_numbered(landing: "Landing") -> None:
    landing.options["header"] = "false"
    landing.land("a.csv", "7,x\n8,y\n")
    assert landing.columns() == "_c0 string, _c1 string, _rescued_data string"
    assert [(row._c0, row._c1) for row in landing.ingest()] == [("7", "x"), ("8", "y")]


def test_column_of_other_case_is_rescued(landing: "Landing") -> None:
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    landing.land("b.csv", "ID\n2\n")
    (row,) = landing.ingest()
    assert row.id is None
    assert row._rescued_data == f'{{"ID":"2","_file_path":"file:{landing.folder}/b.csv"}}'
    landing.options["readerCaseSensitive"] = "false"
    landing.land("c.csv", "Id\n3\n")
    (row,) = landing.ingest()
    assert (row.id, row._rescued_data) == ("3", None)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ("id", "is not a list of columns with types"),
        ("id ARRAY<INT>", "which a CSV file cannot hold"),
        ("id INT, ID INT", "names column 'ID' twice"),
    ],
)
def test_wrong_hint_is_said(landing: "Landing", hints: str, message: str) -> None:
    landing.options["cloudFiles.schemaHints"] = hints
    with pytest.raises(SourceError, match=message):
        landing.columns()


def test_hint_inside_a_column_is_refused(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "a.b INT"
    with pytest.raises(NotEmulatedError, match=r"'a\.b INT'"):
        landing.columns()


def test_doubled_column_names_the_file(landing: "Landing") -> None:
    landing.land("a.csv", "id,x,id\n1,2,3\n")
    with pytest.raises(SourceError, match=r"a\.csv' has more than one column named 'id'"):
        landing.columns()


def test_probe_refuses_what_streams_cannot(landing: "Landing") -> None:
    landing.options["cloudFiles.schemaHints"] = "id INT"
    probe = landing.source.probe(landing.spark, landing.state)
    assert probe.isStreaming
    assert probe.schema == landing.source.current_schema(landing.spark, landing.state)
    assert probe.select("_metadata.file_path").columns == ["file_path"]
    with pytest.raises(AnalysisException, match="streaming"):
        probe.agg(F.count("*")).collect()
