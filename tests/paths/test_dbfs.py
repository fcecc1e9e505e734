from pathlib import Path

import pytest

from dlt_stub import UsageError
from dlt_stub.paths import WorkspacePaths


def test_dbfs_paths_lie_in_the_workspace(tmp_path: Path) -> None:
    paths = WorkspacePaths.at(tmp_path)

    assert paths.to_local("dbfs:/mnt/raw/a.csv") == f"{tmp_path}/dbfs/mnt/raw/a.csv"
    assert paths.to_local("dbfs:/Volumes/a/b/c/d") == f"{tmp_path}/volumes/a/b/c/d"
    with pytest.raises(UsageError, match=r"leaves its volume by '\.\.'"):
        paths.to_local("dbfs:/mnt/../../secret")


def test_bare_paths_are_local_unless_dbfs_has_them(tmp_path: Path) -> None:
    paths = WorkspacePaths.at(tmp_path)

    assert paths.to_local("/mnt/raw/") == "/mnt/raw/"
    paths.dbfs.joinpath("mnt").mkdir(parents=True)

    assert paths.to_local("/mnt/raw/") == f"{tmp_path}/dbfs/mnt/raw/"
    assert paths.to_local("/mntx/raw") == "/mntx/raw"
    assert paths.to_local("mnt/raw") == "mnt/raw"


def test_local_path_is_mapped_once(tmp_path: Path) -> None:
    paths = WorkspacePaths.at(tmp_path / "ws")
    first = tmp_path.parts[1]  # such as /tmp, which is a folder of DBFS too
    (paths.dbfs / first).mkdir(parents=True)
    local = paths.to_local("/Volumes/main/shop/landing")
    assert paths.to_local(local) == local
    assert paths.to_local(f"/{first}/x") == str(paths.dbfs / first / "x")
