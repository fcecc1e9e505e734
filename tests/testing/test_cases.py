"""How a case is read, and what is told when it does not hold."""

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import UsageError
from dlt_stub.testing import CaseFailure, read_case, run_case

ROOT = Path(__file__).parents[2]
HEAD = "says: It holds.\nsource: assumed\n"
DEFINITIONS = """
import dlt

@dlt.table
@dlt.expect("small", "id < 10")
def copied():
    return spark.readStream.table("given")
"""


def case_file(folder: Path, text: str) -> Path:
    (folder / "pipeline").mkdir(exist_ok=True)
    (folder / "pipeline" / "copied.py").write_text(DEFINITIONS, encoding="utf-8")
    file = folder / "case.yml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("says: x\nsource: y\n", "steps is missing"),
        (HEAD + "steps: [{expects: {}}]", r"(?s)steps\[0\].expects is no key.*mean 'expect'"),
        (HEAD + "steps: [{given: {tables: [a]}}]", r"given.tables is no mapping: \['a'\]"),
        (HEAD + "steps: [{given: {tables: {a: {rows: [1]}}}}]", r"rows\[0\] is no row: '1'"),
        (HEAD + "steps: [{given: {files: {a: {copy: no}}}}]", "names no file: no"),
        (
            HEAD + "steps: [{pipeline: other}]",
            r"steps\[0\].pipeline names no file or folder: other",
        ),
        (HEAD + "steps: [{expect: {error: '('}}]", "error is not a regular expression"),
        (HEAD + "steps: [{expect: {tables: {a: {}}}}]", "tables.a expects nothing"),
        (HEAD + "steps: [{expect: {expectations: {a: {r: {passed: 1}}}}}]", "r.failed is not"),
        (HEAD + "steps: [\n", "case.yml:4: the case is no YAML"),
    ],
)
def test_wrong_case_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_case(case_file(tmp_path, text))


def test_scalars_stay_what_is_written(tmp_path: Path) -> None:
    rows = "[[0012, NO, 1.50, null, ~, 'null', 2026-01-01 10:00:00]]"
    case = read_case(
        case_file(tmp_path, HEAD + f"steps: [{{given: {{tables: {{a: {{rows: {rows}}}}}}}}}]")
    )
    (table,) = case.steps[0].tables
    assert table.rows == (["0012", "NO", "1.50", None, None, "null", "2026-01-01 10:00:00"],)


FAILING = (
    HEAD
    + """
steps:
  - given:
      tables:
        given: {schema: 'id INT, name STRING', rows: [[1, Ann], [20, Bob]]}
      files: {in/a.csv: id}
    expect:
      state: FAILED
      tables:
        copied: [[1, Amy], [20, Bob]]
        given: {schema: id INT}
        other: []
      flows:
        copied: {num_output_rows: 3, dropped_records: 1}
        gone: COMPLETED
      expectations: {copied: {small: {passed: 2, failed: 0}}}
      events: [{event_type: update_progress, level: ERROR}]
      queries: [{sql: SELECT count(*) AS n FROM copied, rows: [[1]]}]
      files: {in/*.csv: {count: 2}, in/a.csv: {text: x}, b: present}
"""
)


def test_every_fault_is_told_at_once(tmp_path: Path, spark: SparkSession) -> None:
    case = read_case(case_file(tmp_path, FAILING))
    with pytest.raises(CaseFailure) as failure:
        run_case(case, storage=tmp_path / "workspace", spark=spark)
    lines = str(failure.value).splitlines()
    assert re.fullmatch(r"test_every_\w+, step 1 of 1: It holds\.", lines[0])
    told = "\n".join(lines)
    for fault in (
        "the update is COMPLETED, expected FAILED",
        "row id='1': name is 'Ann', expected 'Amy'",
        "table 'given' has columns struct<id:int,name:string>, expected struct<id:int>",
        "table 'other' is not there",
        "flow 'copied' has metrics {'num_output_rows': 2}, expected {'num_output_rows': 3}",
        "flow 'copied' dropped 0 records, expected 1",
        "no flow 'gone' ran; there were: copied",
        "expectation 'small' counted 1 passed and 1 failed, expected 2 passed and 0 failed",
        '0 events match {"event_type": "update_progress", "level": "ERROR"}',
        "missing row:    n='1'",
        "files 'in/*.csv': found ['in/a.csv'], expected 2",
        "file in/a.csv holds 'id', expected 'x'",
        "files 'b': found none, expected at least one",
    ):
        assert fault in told


def test_conformance_cases_name_their_source() -> None:
    files = sorted((ROOT / "tests" / "conformance").glob("*/*/case.yml"))
    assert len(files) > 5
    for file in files:
        case = read_case(file)
        assert re.search("docs |measured|assumed|error condition", case.source), file
        assert re.search(r"\d{4}-\d{2}-\d{2}", case.source), file
        assert case.says.endswith("."), file
