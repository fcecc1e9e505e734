from collections.abc import Callable
from pathlib import Path

import pytest

from dlt_stub.bundle import BundleReading, pipeline_source_files
from dlt_stub.errors import BundleError

Read = Callable[..., BundleReading]
NOTEBOOK = "# Databricks notebook source\n"


def pipeline(libraries: str) -> dict[str, str]:
    text = f"resources: {{pipelines: {{sales: {{catalog: main, schema: shop, {libraries}}}}}}}\n"
    return {"resources/sales.yml": text, "src/deep/b.sql": "", "src/note.py": NOTEBOOK}


def sources(reading: BundleReading, root: Path) -> list[str]:
    assert reading.bundle is not None, [str(d) for d in reading.diagnostics]
    files = pipeline_source_files(reading.bundle.pipelines["sales"])
    return [str(file.relative_to(root)) for file in files]


@pytest.mark.parametrize(
    ("library", "found"),
    [
        ("glob: {include: ../src/**}", ["src/deep/b.sql", "src/note.py", "src/sales.py"]),
        ("glob: {include: ../src/sales.py}", ["src/sales.py"]),
        ("glob: {include: '${workspace.file_path}/src/deep/**'}", ["src/deep/b.sql"]),
        ("file: {path: ../src/sales.py}", ["src/sales.py"]),
        ("file: {path: ../src/s*.py}", ["src/sales.py"]),
        ("notebook: {path: ../src/note.py}", ["src/note.py"]),
    ],
)
def test_libraries_become_source_files(
    library: str, found: list[str], read: Read, tmp_path: Path
) -> None:
    files = pipeline(f"libraries: [{{{library}}}]")
    files |= {"src/__pycache__/x.py": "", "src/.hidden/y.py": "", "src/README.md": ""}
    assert sources(read(files), tmp_path) == found


@pytest.mark.parametrize(
    ("library", "fault"),
    [
        ("file: {path: ../src/gone.py}", "file '../src/gone.py' does not exist"),
        (
            "file: {path: ../src/note.py}",
            "'../src/note.py' is a notebook, a plain file is expected",
        ),
        (
            "notebook: {path: ../src/sales.py}",
            "'../src/sales.py' is a plain file, a notebook is expected",
        ),
        ("notebook: {path: ../src/note}", "notebook '../src/note' does not exist"),
        ("file: {path: ../../x.py}", "'../../x.py' lies outside the bundle and is not deployed"),
        ("glob: {include: ../src}", "glob '../src' has a form Databricks rejects"),
        ("glob: {include: '../**/x.py'}", "glob '../**/x.py' has a form Databricks rejects"),
        ("glob: {}", "required field 'include' is missing"),
        (
            "file: {path: ../src/sales.py}, jar: x.jar",
            "a library is exactly one of glob, file, notebook, jar, maven, whl: found file and jar",
        ),
    ],
)
def test_library_that_cannot_be_used(library: str, fault: str, read: Read) -> None:
    reading = read(pipeline(f"libraries: [{{{library}}}]"))
    assert [d.summary for d in reading.diagnostics] == [fault]


def test_reference_is_relative_to_place_of_use(read: Read, tmp_path: Path) -> None:
    root = (
        "bundle: {name: shop}\ninclude: [resources/*.yml]\ntargets: {plain: {}}\n"
        "variables: {code: {default: ../src/sales.py}}\n"
    )
    files = pipeline("libraries: [{file: {path: '${var.code}'}}]") | {"databricks.yml": root}
    assert sources(read(files), tmp_path) == ["src/sales.py"]


def test_workspace_path_is_warned_of(read: Read) -> None:
    reading = read(pipeline("libraries: [{notebook: {path: /Shared/note}}]"))
    assert [str(d.severity) for d in reading.diagnostics] == ["warning"]
    assert reading.bundle is not None
    spec = reading.bundle.pipelines["sales"]
    assert spec.libraries is not None
    assert spec.libraries[0].notebook is not None
    assert spec.libraries[0].notebook.path == "/Shared/note"


def test_pipeline_without_local_source_is_refused(read: Read) -> None:
    reading = read(pipeline("libraries: [{maven: {coordinates: a:b:1}}]"))
    assert reading.bundle is not None
    with pytest.raises(BundleError, match="has no source file on this machine"):
        pipeline_source_files(reading.bundle.pipelines["sales"])
