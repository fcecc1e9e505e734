import glob
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pyspark import cloudpickle

from dlt_stub.paths import WorkspacePaths
from dlt_stub.volume_files import finding_volumes

FOLDER = "/Volumes/main/shop/landing"


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Path]:
    """The local folder of a volume that holds ``a.csv`` and ``in/b.json``, with volumes found."""
    paths = WorkspacePaths.at(tmp_path / "ws")
    local = Path(paths.to_local(FOLDER))
    (local / "in").mkdir(parents=True)
    (local / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    (local / "in" / "b.json").write_text('{"k": [1]}', encoding="utf-8")
    with finding_volumes(paths.to_local):
        yield local


def test_files_are_opened_by_any_reader(landing: Path) -> None:
    with open(f"{FOLDER}/a.csv", encoding="utf-8") as content:  # noqa: PTH123 - what users write
        assert content.read() == "x,y\n1,2\n"
    with io.open(f"{FOLDER}/in/b.json", encoding="utf-8") as content:  # noqa: UP020 - as users do
        assert json.load(content) == yaml.safe_load('{"k": [1]}') == {"k": [1]}
    assert Path(f"{FOLDER}/a.csv").read_text("utf-8").startswith("x,y")
    assert pd.read_csv(f"{FOLDER}/a.csv").to_dict("records") == [{"x": 1, "y": 2}]
    assert pd.read_json(f"{FOLDER}/in/b.json", orient="records").k.tolist() == [1]
    with zipfile.ZipFile(f"{FOLDER}/z.zip", "w") as packed:
        packed.write(f"{FOLDER}/a.csv", "a.csv")
    assert (landing / "z.zip").is_file()
    pd.DataFrame({"x": [3]}).to_csv(f"{FOLDER}/new.csv", index=False)
    assert (landing / "new.csv").read_text("utf-8") == "x\n3\n"


def test_folders_are_listed_by_their_volume_names(landing: Path) -> None:
    assert sorted(os.listdir(FOLDER)) == ["a.csv", "in"]  # noqa: PTH208 - what users write
    assert sorted(map(str, Path(FOLDER).iterdir())) == [f"{FOLDER}/a.csv", f"{FOLDER}/in"]
    assert [str(found) for found in Path(FOLDER).rglob("*.json")] == [f"{FOLDER}/in/b.json"]
    assert glob.glob(f"{FOLDER}/**/*.json", recursive=True) == [f"{FOLDER}/in/b.json"]  # noqa: PTH207
    assert [(top, files) for top, _, files in os.walk(FOLDER)] == [
        (FOLDER, ["a.csv"]),
        (f"{FOLDER}/in", ["b.json"]),
    ]
    with os.scandir(FOLDER) as entries:
        assert sorted((entry.path, entry.is_dir()) for entry in entries) == [
            (f"{FOLDER}/a.csv", False),
            (f"{FOLDER}/in", True),
        ]
    assert os.path.exists(FOLDER)  # noqa: PTH110 - what users write
    assert os.path.isfile(f"{FOLDER}/a.csv")  # noqa: PTH113 - what users write
    assert os.path.getsize(f"{FOLDER}/a.csv") == 8  # noqa: PTH202 - what users write
    assert not Path(f"{FOLDER}/none").exists()
    assert str(Path(FOLDER, "in").resolve()) == f"{FOLDER}/in"


def test_files_are_moved_copied_and_removed(landing: Path) -> None:
    os.makedirs(f"{FOLDER}/x/y")  # noqa: PTH103 - what users write
    shutil.copy(f"{FOLDER}/a.csv", f"{FOLDER}/x/y")
    shutil.move(f"{FOLDER}/x/y/a.csv", f"{FOLDER}/x/c.csv")
    Path(f"{FOLDER}/x/c.csv").rename(f"{FOLDER}/x/d.csv")
    shutil.copytree(f"{FOLDER}/x", f"{FOLDER}/z")
    assert sorted(str(f.relative_to(landing)) for f in landing.rglob("?.csv")) == [
        "a.csv",
        "x/d.csv",
        "z/d.csv",
    ]
    shutil.rmtree(f"{FOLDER}/x")
    Path(f"{FOLDER}/z/d.csv").unlink()
    assert not (landing / "x").exists()
    assert not (landing / "z" / "d.csv").exists()


def test_errors_name_the_volume(landing: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Path(f"{FOLDER}/none").read_text("utf-8")
    assert caught.value.filename == f"{FOLDER}/none"
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(FileNotFoundError) as caught:
        os.rename(f"{FOLDER}/none", f"{FOLDER}/other")  # noqa: PTH104 - what users write
    assert (caught.value.filename, caught.value.filename2) == (f"{FOLDER}/none", f"{FOLDER}/other")


def test_other_paths_are_left_alone(landing: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    assert sorted(os.listdir(tmp_path)) == ["plain", "ws"]  # noqa: PTH208 - what users write
    assert Path(landing / "a.csv").exists()  # a local path in a volume's folder
    with os.fdopen(os.open(tmp_path / "plain", os.O_RDONLY)) as content:
        assert content.read() == "x"


def test_functions_are_given_back() -> None:
    before = {name: vars(os)[name] for name in dir(os)}
    sets = [set(each) for each in (os.supports_dir_fd, os.supports_fd)]
    opened = open
    with finding_volumes(str.upper):
        assert open is not opened
        assert os.stat in os.supports_fd
    assert {name: vars(os)[name] for name in dir(os)} == before
    assert [set(each) for each in (os.supports_dir_fd, os.supports_fd)] == sets
    assert open is io.open is opened


def test_functions_reach_workers_as_they_are(landing: Path) -> None:
    from os import listdir  # what user code at the top of a file does

    sent = cloudpickle.dumps((open, listdir))  # type: ignore[no-untyped-call]
    with finding_volumes(str.upper):
        pass
    assert pickle.loads(sent) == (open, os.listdir)


def test_libraries_in_c_fail_aloud(landing: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pytest.raises((OSError, pa.ArrowException)):
        pq.read_table(f"{FOLDER}/a.parquet")
