from pathlib import Path

import pytest

from dlt_stub import DltStubError
from tests.sql_sources.conftest import SqlPipeline
from tests.update.tables import land, rows

FILES = """
CREATE OR REFRESH STREAMING TABLE typed AS
SELECT * EXCEPT (_rescued_data), _metadata.file_name AS file
FROM STREAM read_files("/Volumes/main/shop/landing/in", format => 'csv', header => true,
                       schemaHints => concat('name ', 'STRING'), maxFilesPerTrigger => 1);

CREATE STREAMING TABLE given AS SELECT * FROM STREAM(read_files(
  '/Volumes/main/shop/landing/in/*.csv', schema => 'id STRING', header => 'true')) AS f;

CREATE INCREMENTAL LIVE TABLE strings AS
SELECT id, name FROM cloud_files("/Volumes/main/shop/landing/in", "csv",
                                 map("header", "true", "cloudFiles.maxFilesPerTrigger", "5"));

CREATE MATERIALIZED VIEW now AS
SELECT id, files.name, files._metadata.file_name AS file
FROM read_files('${landing}/in', format => 'csv', header => true) AS files;

CREATE MATERIALIZED VIEW direct AS SELECT count(*) AS n FROM csv.`/Volumes/main/shop/landing/in`;

CREATE STREAMING TABLE latest FLOW AUTO CDC
FROM STREAM read_files('${landing}/in', format => 'csv', header => true)
KEYS (id) SEQUENCE BY name COLUMNS (id, name);
"""


def test_files_are_read_as_sql_says(sql_pipeline: SqlPipeline, tmp_path: Path) -> None:
    folder = tmp_path / "workspace/volumes/main/shop/landing/in"
    land(folder, "a.csv", "id,name", "1,10")
    land(folder, "b.csv", "id,name", "2,20")
    pipeline = sql_pipeline(FILES, configuration={"landing": "/Volumes/main/shop/landing"})
    pipeline.update().raise_for_failure()
    assert rows(pipeline, "typed") == [(1, "10", "a.csv"), (2, "20", "b.csv")]
    assert [row[0] for row in rows(pipeline, "given")] == ["1", "2"]
    assert rows(pipeline, "strings") == [("1", "10"), ("2", "20")]
    assert rows(pipeline, "now") == [(1, 10, "a.csv"), (2, 20, "b.csv")]
    assert rows(pipeline, "direct") == [(4,)]
    land(folder, "a.csv", "id,name", "1,11", "3,30")
    pipeline.update().raise_for_failure()
    assert [row[0] for row in rows(pipeline, "typed")] == [1, 2]
    assert rows(pipeline, "now") == [(1, 11, "a.csv"), (2, 20, "b.csv"), (3, 30, "a.csv")]
    assert rows(pipeline, "latest") == [(1, 10), (2, 20)]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("STREAM read_files('/x/y')", "leaves the format to be found out"),
        ("STREAM read_files('/x/*.csv', 'csv')", "argument 'csv' of read_files has no name"),
        ("STREAM read_files('/x/*.csv', headers => true)", "unknown option 'headers'"),
        ("read_files('/x/*.csv', maxFilesPerTrigger => 1)", "goes with STREAM read_files only"),
        ("cloud_files('/x')", "found 1 arguments"),
        ("STREAM range(3)", "STREAM range(...) is not a stream"),
    ],
)
def test_file_function_is_refused_aloud(sql_pipeline: SqlPipeline, call: str, said: str) -> None:
    sql = f"CREATE STREAMING TABLE t AS\nSELECT * FROM {call}"
    error = sql_pipeline(sql).update(validate_only=True).error
    assert isinstance(error, DltStubError)
    assert said in str(error)
    assert "main.sql:1: " in str(error)
