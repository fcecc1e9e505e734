"""No path leads out of the workspace: not by ``..``, encoding, an absolute name or a link."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dlt_stub import volume_files
from dlt_stub.bundle import load_bundle, pipeline_source_files, read_bundle
from dlt_stub.dbutils import FileUtils
from dlt_stub.engine.catalog import TableEntry, TableRegistry
from dlt_stub.errors import DltStubError, NotEmulatedError, UsageError
from dlt_stub.paths import WorkspacePaths, object_name
from dlt_stub.volume_files import finding_volumes
from dlt_stub.workspace import Workspace

VOLUME = "/Volumes/main/shop/landing"
DEEP = "../../../../../../.."
SECRET = "what nobody may read"


class World:
    """A workspace beside a folder that nobody may read or write: ``outside``."""

    def __init__(self, root: Path) -> None:
        self.outside = root / "outside"
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(SECRET, encoding="utf-8")
        self.paths = WorkspacePaths.at(root / "ws")
        self.volume = Path(self.paths.to_local(VOLUME))
        self.volume.mkdir(parents=True)
        (self.volume / "a.csv").write_text("x\n1\n", encoding="utf-8")
        (self.volume / "folder").symlink_to(self.outside)
        (self.volume / "file.csv").symlink_to(self.outside / "secret.txt")
        (self.volume / "new.csv").symlink_to(self.outside / "new.txt")  # leads nowhere yet

    def check(self) -> None:
        """Hold that what lies outside is as it was."""
        assert [f.name for f in self.outside.iterdir()] == ["secret.txt"]
        assert (self.outside / "secret.txt").read_text("utf-8") == SECRET


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


OUT = (
    f"{VOLUME}/{DEEP}/etc/passwd",
    f"dbfs:{VOLUME}/../x",
    f"dbfs:///{VOLUME}/../x",
    "/Volumes/../x",
    "/Volumes/..",
    "dbfs:/../x",
    f"{VOLUME}/folder",
    f"{VOLUME}/folder/secret.txt",
    f"{VOLUME}/file.csv",
    f"{VOLUME}/new.csv",
    f"{VOLUME}/./folder//secret.txt",
)
INSIDE = ("..%2f..%2fx", "%2e%2e", "..\\..\\x", "...", "..a", "~", "$HOME", "file:x", "-rf", "*")


@pytest.mark.parametrize("path", OUT)
def test_paths_that_lead_out_are_refused(world: World, path: str) -> None:
    with pytest.raises(UsageError, match=r"leaves its volume by ('\.\.'|a symbolic link)"):
        world.paths.to_local(path)


@pytest.mark.parametrize("name", INSIDE)
def test_odd_names_stay_names(world: World, name: str) -> None:
    local = Path(world.paths.to_local(f"{VOLUME}/{name}"))
    assert local == world.volume / name
    local.write_text("x", encoding="utf-8")
    assert os.path.realpath(local).startswith(os.path.realpath(world.volume))


def test_three_slashes_are_one(world: World) -> None:
    assert world.paths.to_local(f"dbfs://{VOLUME}/a.csv") == str(world.volume / "a.csv")
    assert world.paths.to_local("dbfs:///x/y") == str(world.paths.dbfs / "x" / "y")


def test_volumes_own_folder_may_be_a_link(world: World, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    (world.volume.parent / "mounted").symlink_to(tmp_path / "bucket")
    found = world.paths.to_local("/Volumes/main/shop/mounted/a.csv")
    Path(found).write_text("x", encoding="utf-8")
    assert (tmp_path / "bucket" / "a.csv").read_text("utf-8") == "x"
    (tmp_path / "bucket" / "up").symlink_to(world.outside)
    with pytest.raises(UsageError, match="symbolic link"):
        world.paths.to_local("/Volumes/main/shop/mounted/up/x")


def test_links_below_a_read_folder_are_named(world: World) -> None:
    for link in ("folder", "file.csv", "new.csv"):
        (world.volume / link).rename(world.volume.parent / link)
    world.paths.check_links(str(world.volume))
    (world.volume / "in" / "deep").mkdir(parents=True)
    (world.volume / "here.csv").symlink_to(world.volume / "a.csv")  # stays in its volume
    world.paths.check_links(str(world.volume))
    (world.volume / "in" / "deep" / "x.csv").symlink_to(world.outside / "secret.txt")
    for path in (world.volume, world.volume / "*", world.volume / "i?" / "*.csv"):
        with pytest.raises(UsageError, match=rf"'{VOLUME}/in/deep/x\.csv' is a symbolic link"):
            world.paths.check_links(str(path))
    with pytest.raises(UsageError, match="leads out"):
        world.paths.check_links(str(world.volume / "in" / "deep" / "x.csv"))
    with pytest.raises(UsageError, match="leads out"):
        world.paths.check_links(f"{world.volume}/{DEEP}/etc")
    world.paths.check_links(str(world.outside))  # no volume: whoever names it may


Attack = Callable[[str], object]
READS: tuple[Attack, ...] = (
    lambda path: open(path, encoding="utf-8").read(),  # noqa: SIM115, PTH123 - an attack
    lambda path: Path(path).read_bytes(),
    lambda path: os.listdir(path),  # noqa: PTH208
    lambda path: list(os.scandir(path)),
    lambda path: os.stat(path),  # noqa: PTH116
    lambda path: shutil.copy(path, f"{VOLUME}/stolen.csv"),
    lambda path: os.link(path, f"{VOLUME}/stolen.csv"),
)
WRITES: tuple[Attack, ...] = (
    lambda path: Path(path).write_text("x", encoding="utf-8"),
    lambda path: os.truncate(path, 0),
    lambda path: shutil.copy(f"{VOLUME}/a.csv", path),
    lambda path: Path(path, "x").mkdir(),
)


@pytest.mark.parametrize("path", [path for path in OUT if path.startswith("/")])
def test_user_code_does_not_get_out(world: World, path: str) -> None:
    with finding_volumes(world.paths.to_local):
        for attack in READS + WRITES:
            with pytest.raises(UsageError, match="leaves its volume"):
                attack(path)
    world.check()
    assert not (world.volume / "stolen.csv").exists()


def test_links_can_be_looked_at_and_removed(world: World) -> None:
    with finding_volumes(world.paths.to_local):
        link = Path(f"{VOLUME}/folder")
        assert link.is_symlink()
        assert str(link.readlink()) == str(world.outside)
        link.rename(f"{VOLUME}/renamed")
        Path(f"{VOLUME}/renamed").unlink()
        Path(f"{VOLUME}/file.csv").unlink()
        with pytest.raises(UsageError, match="leaves its volume"):
            Path(f"{VOLUME}/{DEEP}/x").lstat()
    world.check()


def test_workers_do_not_get_out(world: World) -> None:
    state = vars(sys)
    state["_dlt_stub_volumes"] = str(world.paths.volumes)
    try:
        assert volume_files._in_worker(f"{VOLUME}/a.csv") == str(world.volume / "a.csv")
        for path in OUT:
            if path.startswith("/"):
                with pytest.raises(RuntimeError, match="leaves its volume"):
                    volume_files._in_worker(path)
    finally:
        del state["_dlt_stub_volumes"]


NAMES = ("", ".", "..", "a/b", "../x", "/etc", "a.b", "a b", "a\0", "a\nb", "a\x1b[2Jb", "\x7f")


@pytest.mark.parametrize("name", [*NAMES, "x" * 256])
def test_names_unity_catalog_refuses_are_refused(world: World, name: str) -> None:
    for full in ((name, "s", "t"), ("c", name, "t"), ("c", "s", name)):
        with pytest.raises(UsageError, match=r"cannot be the name of a .*\n.*up to 255"):
            world.paths.table(*full)
    assert not (world.paths.root / "tables").exists()


def test_other_names_are_folders_of_their_own(world: World) -> None:
    for name in ("%2e%2e", "a\\b", "'; DROP TABLE t; --", "ü", "ü", "-rf", "${x}"):
        if " " not in name:
            assert world.paths.table("c", "s", name).parent == world.paths.root / "tables/c/s"
    with pytest.raises(NotEmulatedError, match="has a backtick"):
        world.paths.table("c", "s", "a`; DROP TABLE t; --".replace(" ", "_"))
    with pytest.raises(NotEmulatedError, match="more than 200 bytes"):
        object_name("ü" * 101, "table")


@pytest.mark.parametrize("key", ["..", "../../x", "a/b", "/etc", "a\0b"])
def test_keys_do_not_name_folders_elsewhere(world: World, key: str) -> None:
    for find in (world.paths.pipeline, world.paths.job):
        with pytest.raises(UsageError, match="cannot be the name"):
            find(key)
    entry = TableEntry(catalog="c", schema=key, name="t", location="", kind="x", pipeline_id="p")
    with pytest.raises(UsageError, match="cannot be the name"):
        TableRegistry(world.paths).put(entry)


def bundle(root: Path, body: str) -> Path:
    (root / "bundle").mkdir(exist_ok=True)
    (root / "bundle" / "databricks.yml").write_text(
        f"bundle: {{name: shop}}\ntargets: {{plain: {{}}}}\n{body}\n", encoding="utf-8"
    )
    return root / "bundle"


@pytest.mark.parametrize("part", ["catalog_name", "schema_name", "name"])
@pytest.mark.parametrize("name", ["../../../../outside", "..", "/etc", "a/b"])
def test_volumes_of_bundles_stay_inside(world: World, tmp_path: Path, part: str, name: str) -> None:
    names = {"catalog_name": "c", "schema_name": "s", "name": "v", part: name}
    root = bundle(tmp_path, f"resources: {{volumes: {{v: {names}}}}}")
    with pytest.raises(DltStubError, match="cannot be a name in Unity Catalog"):
        Workspace(load_bundle(root), storage=tmp_path / "ws2")
    world.check()


def pipeline(fields: str) -> str:
    return f"resources: {{pipelines: {{p: {{catalog: c, schema: s, {fields}}}}}}}"


def library(fields: str) -> str:
    return pipeline(f"libraries: [{{{fields}}}]")


@pytest.mark.parametrize(
    "body",
    [
        library("file: {path: ../outside/secret.txt}"),
        library("glob: {include: ../outside/**}"),
        library("file: {path: ../outside/*}"),
        library("file: {path: link/secret.txt}"),
        library("file: {path: link.py}"),
        library("glob: {include: link/**}"),
        pipeline("root_path: ../outside, libraries: [{file: {path: a.py}}]"),
        pipeline("root_path: link, libraries: [{file: {path: a.py}}]"),
        "resources: {dashboards: {d: {display_name: d, file_path: link.py, warehouse_id: w}}}",
    ],
)
def test_bundles_do_not_reach_outside(world: World, tmp_path: Path, body: str) -> None:
    root = bundle(tmp_path, body)
    (world.outside / "y.py").write_text("", encoding="utf-8")
    (root / "a.py").write_text("", encoding="utf-8")
    (root / "link").symlink_to(world.outside)
    (root / "link.py").symlink_to(world.outside / "secret.txt")
    reading = read_bundle(root)
    assert reading.bundle is None
    said = [each.summary for each in reading.diagnostics]
    assert any("outside the bundle" in each or "symbolic link" in each for each in said), said


@pytest.mark.parametrize("target", ["../../outside", "/etc", "..", ""])
def test_targets_name_no_folder_elsewhere(world: World, tmp_path: Path, target: str) -> None:
    root = bundle(tmp_path, "resources: {}")
    text = (root / "databricks.yml").read_text("utf-8")
    (root / "databricks.yml").write_text(text.replace("plain", repr(target)), encoding="utf-8")
    (world.outside / "variable-overrides.json").write_text('{"x": 1}', encoding="utf-8")
    said = [each.summary for each in read_bundle(root, target=target).diagnostics]
    assert any("cannot be the name of a folder" in each for each in said), said
    said = [each.summary for each in read_bundle(root, target="../plain").diagnostics]
    assert any("is not defined" in each for each in said), said


def test_links_are_left_out_of_sources(world: World, tmp_path: Path) -> None:
    root = bundle(tmp_path, library("glob: {include: 'src/**'}"))
    (root / "src").mkdir()
    (root / "src" / "in.py").write_text("", encoding="utf-8")
    (root / "src" / "link.py").symlink_to(world.outside / "secret.txt")
    (root / "src" / "folder").symlink_to(world.outside)
    reading = read_bundle(root)
    assert [each.summary.partition(" is ")[0] for each in reading.diagnostics] == [
        "'src/folder'",
        "'src/link.py'",
    ]
    assert reading.bundle is not None
    assert pipeline_source_files(reading.bundle.pipelines["p"]) == (root / "src" / "in.py",)


def test_dbutils_does_not_get_out(world: World) -> None:
    fs = FileUtils(world.paths)
    attacks: list[Callable[[str], object]] = [
        fs.ls,
        fs.head,
        fs.mkdirs,
        lambda path: fs.put(path, "x", True),
        lambda path: fs.cp(path, f"{VOLUME}/stolen", True),
        lambda path: fs.cp(f"{VOLUME}/a.csv", path),
        lambda path: fs.mv(path, f"{VOLUME}/stolen", True),
        lambda path: fs.mv(f"{VOLUME}/a.csv", path),
    ]
    for path in (*OUT, "/../x", "//../x"):
        removes = [] if path.startswith((f"{VOLUME}/f", f"{VOLUME}/n")) else [fs.rm]
        for attack in attacks + removes:
            with pytest.raises(UsageError, match="leaves its volume"):
                attack(path)
    with pytest.raises(UsageError, match="leads out"):
        fs.cp(VOLUME, "/Volumes/main/shop/other", True)
    assert sorted(each.name for each in fs.ls(VOLUME)) == [
        "a.csv",
        "file.csv",
        "folder/",
        "new.csv",
    ]
    for link in ("folder", "file.csv", "new.csv"):
        assert fs.rm(f"{VOLUME}/{link}", True)
    world.check()
    assert [each.name for each in fs.ls(VOLUME)] == ["a.csv"]


def test_whole_volumes_are_not_removed(world: World) -> None:
    fs = FileUtils(world.paths)
    for path in ("/Volumes", "/Volumes/main", "/Volumes/main/shop/", VOLUME, f"dbfs:{VOLUME}/."):
        with pytest.raises(NotEmulatedError, match="is no file or folder in a volume"):
            fs.rm(path, True)
        with pytest.raises(NotEmulatedError, match="is no file or folder in a volume"):
            fs.mv(path, "/Volumes/main/shop/other/x", True)
    for target in (f"{VOLUME}/in", f"{VOLUME}/in/x"):
        fs.mkdirs(f"{VOLUME}/in")
        with pytest.raises(UsageError, match="lies in what is copied"):
            fs.cp(f"{VOLUME}/in", target, True)
    assert (world.volume / "a.csv").is_file()
