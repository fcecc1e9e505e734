"""Whatever stands in a bundle, reading it ends in diagnostics, never in a traceback."""

import shutil
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlt_stub.bundle import Severity, read_bundle

BASE = Path(__file__).parent / "base"
FILES = ("databricks.yml", *sorted(f"resources/{f.name}" for f in BASE.glob("resources/*.yml")))
JUNK: tuple[Any, ...] = (
    None,
    {},
    True,
    "${var.schema}",
    "${resources.jobs.order_ingest}",
    ["x", None, {"a": {}}],
    {"name": [1], "x": None, "default": {}},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize("name", FILES)
def test_junk_anywhere_ends_in_diagnostics(name: str, tmp_path: Path) -> None:
    root = Path(shutil.copytree(BASE, tmp_path / "bundle"))
    document = yaml.safe_load((BASE / name).read_text())
    targets = cycle(("dev", "prod", "dev"))
    for path in places(document):
        for junk in JUNK:
            (root / name).write_text(yaml.safe_dump(replaced(document, path, junk)))
            target = next(targets)
            reading = read_bundle(root, target=target, user_name="ada@example.com")
            has_error = any(d.severity is Severity.ERROR for d in reading.diagnostics)
            assert (reading.bundle is None) == has_error, (target, path, junk)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "required section 'bundle' is missing"),
        (b"- a\n", "a bundle file must hold a mapping"),
        (b"a: \xff\n", "not UTF-8: invalid start byte"),
        (b"\xef\xbb\xbfbundle: {name: x}\ntargets: {a: {}}\ninclude: [gone.yml]\n",
         "include 'gone.yml' matches no file"),
        (b"bundle: {name: x}\ntargets: {a: {}}\ninclude: [folder.yml]\n",
         "cannot be read: Is a directory"),
        (b"bundle: {name: x}\ntargets: {a: {}}\ninclude: ['*.txt']\n",
         "include matches 'notes.txt', which is neither YAML nor JSON"),
        (b"bundle: {name: x}\ntargets: {a: {}}\ninclude: [/etc/hosts]\n",
         "include '/etc/hosts' must be relative"),
    ],
)  # fmt: skip
def test_odd_root_file_is_told(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "databricks.yml").write_bytes(content)
    (tmp_path / "folder.yml").mkdir()
    (tmp_path / "notes.txt").touch()
    reading = read_bundle(tmp_path)
    assert said in [d.summary for d in reading.diagnostics]


def test_folder_without_bundle_is_told(tmp_path: Path) -> None:
    reading = read_bundle(tmp_path)
    assert [d.hint for d in reading.diagnostics] == ["run this in the folder of a bundle"]
