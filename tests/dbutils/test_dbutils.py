import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import databricks.sdk
import pytest
from pyspark import cloudpickle

from dlt_stub.dbutils import Dbutils, NotebookExit
from dlt_stub.errors import NotEmulatedError, UsageError
from dlt_stub.jobs import TaskValues
from dlt_stub.paths import WorkspacePaths
from dlt_stub.redaction import redacting

VOLUME = "/Volumes/main/shop/landing"


@pytest.fixture
def utils(tmp_path: Path) -> Dbutils:
    """``dbutils`` over a workspace with one volume that holds ``a.csv`` and ``in/b.csv``."""
    paths = WorkspacePaths.at(tmp_path / "ws")
    local = Path(paths.to_local(VOLUME))
    (local / "in").mkdir(parents=True)
    (local / "a.csv").write_text("x\n1\n", encoding="utf-8")
    (local / "in" / "b.csv").write_text("x\n2\n", encoding="utf-8")
    return Dbutils(paths, parameters={"day": "monday"})


def names(utils: Dbutils, path: str) -> list[str]:
    return [each.name for each in utils.fs.ls(path)]


def test_ls_lists_files_and_folders(utils: Dbutils) -> None:
    file, folder = utils.fs.ls(VOLUME)
    assert (file.path, file.name, file.size) == (f"dbfs:{VOLUME}/a.csv", "a.csv", 4)
    assert (folder.path, folder.name, folder.size) == (f"dbfs:{VOLUME}/in/", "in/", 0)
    assert file.isFile()
    assert folder.isDir()
    assert file.modificationTime > 1_700_000_000_000
    assert utils.fs.ls(folder.path) == utils.fs.ls(f"dbfs:{VOLUME}/in")
    assert utils.fs.ls(f"{VOLUME}/a.csv") == [file]
    with pytest.raises(UsageError, match=r"java\.io\.FileNotFoundException: .*/landing/none"):
        utils.fs.ls(f"{VOLUME}/none")


def test_files_are_written_and_read(utils: Dbutils, capsys: pytest.CaptureFixture[str]) -> None:
    fs = utils.fs
    assert fs.put(f"{VOLUME}/new/c.txt", "grün")
    with pytest.raises(UsageError, match=r"FileAlreadyExists.*\n.*overwrite=True"):
        fs.put(f"{VOLUME}/new/c.txt", "blue")
    assert fs.put(f"{VOLUME}/new/c.txt", "blue", True)
    assert fs.head(f"{VOLUME}/new/c.txt") == "blue"
    assert fs.head(f"{VOLUME}/new/c.txt", 2) == "bl"
    assert capsys.readouterr().out.splitlines() == [
        "Wrote 5 bytes.",
        "Wrote 4 bytes.",
        "[Truncated to first 2 bytes]",
    ]
    with pytest.raises(UsageError, match="it is a folder"):
        fs.head(f"{VOLUME}/new")


def test_files_are_copied_moved_and_removed(utils: Dbutils) -> None:
    fs = utils.fs
    assert fs.mkdirs(f"{VOLUME}/out/deep")
    assert fs.cp(f"{VOLUME}/a.csv", f"{VOLUME}/out")
    assert fs.mv(f"{VOLUME}/out/a.csv", f"{VOLUME}/out/renamed.csv")
    assert names(utils, f"{VOLUME}/out") == ["deep/", "renamed.csv"]
    with pytest.raises(UsageError, match=r"is a folder\n.*recurse=True"):
        fs.cp(f"{VOLUME}/in", f"{VOLUME}/copy")
    assert fs.cp(f"{VOLUME}/in", f"{VOLUME}/copy", recurse=True)
    assert names(utils, f"{VOLUME}/copy") == ["b.csv"]
    with pytest.raises(UsageError, match=r"not empty\n.*recurse=True"):
        fs.rm(f"{VOLUME}/copy")
    assert fs.rm(f"{VOLUME}/copy", True)
    assert fs.rm(f"{VOLUME}/out/deep")
    assert not fs.rm(f"{VOLUME}/copy")
    assert names(utils, VOLUME) == ["a.csv", "in/", "out/"]


def test_dbfs_and_local_paths_are_told_apart(utils: Dbutils, tmp_path: Path) -> None:
    utils.fs.put("/tmp/x/a.txt", "1")
    (found,) = utils.fs.ls("dbfs:/tmp/x")
    assert found.path == "dbfs:/tmp/x/a.txt"
    (tmp_path / "here").write_text("2", encoding="utf-8")
    assert utils.fs.head(f"file:{tmp_path}/here") == "2"
    assert utils.fs.ls(f"file:{tmp_path}")[0].path == f"file:{tmp_path}/here"
    assert [each.path for each in utils.fs.ls("/")] == ["dbfs:/tmp/"]
    with pytest.raises(UsageError, match=r"No such file.*\n.*file:.* is this machine's"):
        utils.fs.ls(str(tmp_path))
    with pytest.raises(NotEmulatedError, match=r"dbutils\.fs on s3:// is not run locally"):
        utils.fs.ls("s3://bucket/x")
    with pytest.raises(NotEmulatedError, match="lies in a workspace"):
        utils.fs.ls("/Workspace/Users/me")


def test_parameters_win_over_widget_defaults(utils: Dbutils) -> None:
    widgets = utils.widgets
    widgets.text("day", "sunday")
    widgets.dropdown("size", "s", ["s", "m"])
    widgets.combobox("free", "a", ["a"], "label")
    widgets.multiselect("some", "a", ["a", "b"])
    assert (widgets.get("day"), widgets.get("size")) == ("monday", "s")
    assert widgets.getAll() == {"day": "monday", "size": "s", "free": "a", "some": "a"}
    assert widgets.getArgument("other", "default") == "default"
    widgets.remove("size")
    with pytest.raises(UsageError, match="No input widget named size is defined"):
        widgets.get("size")
    widgets.removeAll()
    assert widgets.getAll() == {"day": "monday"}
    with pytest.raises(UsageError, match=r"is none of its choices\n.*choices: s, m"):
        widgets.dropdown("size", "xl", ["s", "m"])
    with pytest.raises(UsageError, match="a widget's value is text"):
        widgets.text("number", 1)  # type: ignore[arg-type]  # what users write


def test_run_notebooks_have_their_own_defaults(utils: Dbutils) -> None:
    widgets = utils.widgets
    widgets.text("env", "dev")
    with widgets.passing({"day": "tuesday"}):
        widgets.text("day", "sunday")
        widgets.text("inner", "x")
        widgets.text("env", "dev")
        assert widgets.get("day") == "tuesday"
        with pytest.raises(NotEmulatedError, match=r"'env' has the value 'dev'.*\n.*\$env=\"dev\""):
            widgets.text("env", "prod")
    assert widgets.getAll() == {"day": "monday", "env": "dev", "inner": "x"}


def test_secrets_come_from_the_environment(
    utils: Dbutils, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DLT_STUB_SECRET_MY_SCOPE_DB_PASSWORD", "pa55")
    with redacting():
        secret = utils.secrets.get("my-scope", "db.password")
        sys.stdout.write(f"jdbc:x?password={secret}")
    assert secret == "pa55"
    assert utils.secrets.getBytes("my-scope", "db.password") == b"pa55"
    assert capsys.readouterr().out == "jdbc:x?password=[REDACTED]"
    with pytest.raises(UsageError, match=r"scope: a and key: b\n.*DLT_STUB_SECRET_A_B"):
        utils.secrets.get("a", "b")


class Values:
    """The task values of a run, as one task sees them."""

    def __init__(self) -> None:
        self.all = TaskValues()

    def set(self, key: str, value: Any) -> None:  # Any: JSON
        self.all.set("me", key, value)

    def get(self, task_key: str, key: str) -> Any:  # Any: JSON
        return self.all.get(task_key, key)


def test_task_values_are_those_of_the_run(tmp_path: Path) -> None:
    values = Dbutils(WorkspacePaths.at(tmp_path), task_values=Values()).jobs.taskValues
    values.set(key="rows", value=3)
    assert values.get(taskKey="me", key="rows", debugValue=9) == 3
    assert values.get(taskKey="me", key="other", default=0) == 0
    with pytest.raises(ValueError, match="has not set the task value 'other'"):
        values.get(taskKey="me", key="other")


def test_task_values_outside_a_job(utils: Dbutils) -> None:
    values = utils.jobs.taskValues
    values.set(key="rows", value=3)
    assert values.get(taskKey="me", key="rows", default=1, debugValue=9) == 9
    with pytest.raises(TypeError, match="outside of a job"):
        values.get(taskKey="me", key="rows", default=1)


def test_notebooks_end_with_text(tmp_path: Path, utils: Dbutils) -> None:
    ran: list[tuple[str, Mapping[str, str]]] = []

    def run(path: str, arguments: Mapping[str, str]) -> str:
        ran.append((path, arguments))
        return "done"

    notebook = Dbutils(
        WorkspacePaths.at(tmp_path), run_notebook=run, is_notebook_task=True
    ).notebook
    assert notebook.run("./other", 0, {"a": "b"}) == "done"
    assert ran == [("./other", {"a": "b"})]
    with pytest.raises(NotebookExit) as ended:
        notebook.exit("7")
    assert ended.value.value == "7"
    with pytest.raises(UsageError, match=r"a notebook returns text\n.*json\.dumps"):
        notebook.exit(7)  # type: ignore[arg-type]  # what users write
    with pytest.raises(NotEmulatedError, match="in notebook tasks only"):
        utils.notebook.run("./x", 0)
    with pytest.raises(NotEmulatedError, match="in notebook tasks only"):
        utils.notebook.exit("1")


def test_what_is_missing_is_refused_by_name(utils: Dbutils) -> None:
    with pytest.raises(NotEmulatedError, match=r"dbutils\.fs\.mount is not run.*\n.*cp, head"):
        utils.fs.mount("s3://x", "/mnt/x")
    with pytest.raises(NotEmulatedError, match=r"dbutils\.credentials is not run locally"):
        _ = utils.credentials
    with pytest.raises(NotEmulatedError, match="it lives in the driver"):
        cloudpickle.dumps(utils)  # type: ignore[no-untyped-call]


def test_signatures_are_those_of_the_sdk(utils: Dbutils) -> None:
    place = Path(databricks.sdk.__file__).parent / "runtime" / "dbutils_stub.py"
    spec = importlib.util.spec_from_file_location("dbutils_stub", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)  # its package asks for a workspace
    spec.loader.exec_module(module)
    parts = {"fs": utils.fs, "widgets": utils.widgets, "secrets": utils.secrets}
    parts |= {"notebook": utils.notebook, "library": utils.library}
    pairs = [(getattr(module.dbutils, name), part) for name, part in parts.items()]
    pairs.append((module.dbutils.jobs.taskValues, utils.jobs.taskValues))
    compared = 0
    for theirs, ours in pairs:
        for name in vars(theirs):
            if name in dir(type(ours)) and not name.startswith("_"):
                wanted = list(inspect.signature(getattr(theirs, name)).parameters)
                found = list(inspect.signature(getattr(ours, name)).parameters)
                assert found == [p for p in wanted if p != "self"], name
                compared += 1
    assert compared >= 22
