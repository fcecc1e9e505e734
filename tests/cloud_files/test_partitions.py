from datetime import date
from typing import TYPE_CHECKING

import pytest

from dlt_stub.errors import NotEmulatedError, SourceError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


def test_folders_give_columns_when_inferring(landing: "Landing") -> None:
    landing.land("event=click/day=2026-04-01/a.csv", "id\n1\n")
    landing.land("event=a b+é%3A1/day=__HIVE_DEFAULT_PARTITION__/a x.csv", "id\n2\n")
    assert landing.columns() == "id string, event string, day string, _rescued_data string"
    rows = landing.ingest()
    assert [(row.id, row.event, row.day) for row in rows] == [
        ("1", "click", "2026-04-01"),
        ("2", "a b+é:1", None),
    ]
    assert [row._rescued_data for row in rows] == [None, None]
    landing.land("b.csv", "id,new\n3,4\n")  # below no such folder
    landing.options["cloudFiles.schemaEvolutionMode"] = "rescue"
    (row,) = landing.ingest()
    assert (row.id, row.event, row.day) == ("3", None, None)


def test_folder_types_are_inferred_on_demand(landing: "Landing") -> None:
    landing.options["cloudFiles.inferColumnTypes"] = "true"
    landing.land("day=2026-04-01/n=7/a.csv", "id\n1\n")
    landing.land("day=2026-04-02/n=x/a.csv", "id\n2\n")
    assert landing.columns() == "id int, day date, n string, _rescued_data string"
    assert [(row.day, row.n) for row in landing.ingest()] == [
        (date(2026, 4, 1), "7"),
        (date(2026, 4, 2), "x"),
    ]


def test_hints_type_columns_of_folders(landing: "Landing") -> None:
    landing.options |= {"cloudFiles.format": "json", "cloudFiles.schemaHints": "day DATE"}
    landing.land("day=2026-04-01/a.json", '{"id": 1}')
    assert landing.columns() == "id string, day date, _rescued_data string"
    assert [(row.id, row.day) for row in landing.ingest()] == [("1", date(2026, 4, 1))]


def test_conflicting_folders_give_no_column(landing: "Landing") -> None:
    landing.land("year=2026/week=1/a.csv", "id\n1\n")
    landing.land("year=2026/month=2/day=3/b.csv", "id\n2\n")
    assert landing.columns() == "id string, _rescued_data string"


def test_new_keys_of_folders_are_left_out(landing: "Landing") -> None:
    landing.land("a.csv", "id\n1\n")
    landing.ingest()
    landing.land("day=1/b.csv", "id\n2\n")
    (row,) = landing.ingest()
    assert row.asDict() == {"id": "2", "_rescued_data": None, "file_name": "b.csv"}


def test_named_columns_are_null_where_missing(landing: "Landing") -> None:
    landing.options["cloudFiles.partitionColumns"] = "year,month, day"
    landing.land("year=2022/week=1/file1.csv", "id\n1\n")
    landing.land("year=2022/month=2/day=3/file2.csv", "id\n2\n")
    landing.land("year=2022/month=2/day=4/file3.csv", "id\n3\n")
    assert landing.columns() == (
        "id string, year string, month string, day string, _rescued_data string"
    )
    found = sorted((row.id, row.year, row.month, row.day) for row in landing.ingest())
    assert found[1:] == [("2", "2022", "2", "3"), ("3", "2022", "2", "4")]
    assert found[0] == ("1", "2022", None, None)


def test_empty_list_leaves_folders_alone(landing: "Landing") -> None:
    landing.options["cloudFiles.partitionColumns"] = ""
    landing.land("day=1/a.csv", "id,day\n1,7\n")
    assert [row.asDict() for row in landing.ingest()] == [
        {"id": "1", "day": "7", "_rescued_data": None, "file_name": "a.csv"}
    ]


def test_given_schema_names_the_folders(landing: "Landing") -> None:
    landing.schema = "day DATE, n INT"
    landing.land("day=2026-04-01/a.csv", "7\n8\n")
    landing.land("b.csv", "2026-04-02,9\n")
    assert [(row.day.day, row.n) for row in landing.ingest()] == [(1, 7), (1, 8), (2, 9)]


def test_column_in_file_and_folder_is_refused(landing: "Landing") -> None:
    landing.land("day=1/a.csv", "id,Day\n1,7\n")
    with pytest.raises(NotEmulatedError, match=r"a\.csv' has a column 'Day', and lies in a folder"):
        landing.columns()


@pytest.mark.parametrize("kind", ["text", "binaryFile"])
def test_fixed_formats_have_folders_too(landing: "Landing", kind: str) -> None:
    landing.options["cloudFiles.format"] = kind
    landing.land("day=2026-04-01/a.txt", "x")
    assert landing.columns().endswith(", day date")
    assert [row.day for row in landing.ingest()] == [date(2026, 4, 1)]
    landing.schema = "value STRING, day DATE"
    with pytest.raises(SourceError, match="is not what"):
        landing.columns()


def test_folders_below_a_pattern_are_named(landing: "Landing") -> None:
    landing.land("x1/day=1/a.csv", "id\n1\n")
    whole = landing.folder
    landing.folder = whole / "x*"
    with pytest.raises(NotEmulatedError, match=r"key=value folder below the pattern"):
        landing.columns()
    landing.options["cloudFiles.partitionColumns"] = "day"
    assert [(row.id, row.day) for row in landing.ingest()] == [("1", "1")]


def test_odd_names_above_are_taken_as_written(landing: "Landing") -> None:
    landing.folder = landing.folder / "a+b%20 [c]{d} é"
    landing.land("x1/day=1+%2F/a.csv", "id\n1\n")
    landing.land("x2/day=2/a.csv", "id\n2\n")
    landing.options["cloudFiles.partitionColumns"] = "day"
    whole = landing.folder
    assert sorted((row.id, row.day) for row in landing.ingest()) == [("1", "1+/"), ("2", "2")]
    landing.flow = landing.flow / "pattern"
    landing.folder = whole / "x[1]"
    assert [(row.id, row.day) for row in landing.ingest()] == [("1", "1+/")]


def test_pattern_reaches_deeper_unless_strict(landing: "Landing") -> None:
    for name in ("x/a/c.csv", "x/a/b/c.csv", "x/a/c.csv.bak", "y/c.csv"):
        landing.land(name, "id\n1\n")
    whole = landing.folder
    landing.folder = whole / "{x,z}/*/c.csv"
    found = [file.path.removeprefix(str(whole)) for batch in landing.plan() for file in batch.files]
    assert found == ["/x/a/c.csv", "/x/a/b/c.csv", "/x/a/c.csv.bak"]
    landing.flow = landing.flow / "strict"
    landing.options["cloudFiles.useStrictGlobber"] = "true"
    found = [file.path.removeprefix(str(whole)) for batch in landing.plan() for file in batch.files]
    assert found == ["/x/a/c.csv"]
