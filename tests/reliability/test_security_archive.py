"""The archive task and hostile names: nothing is overwritten, nothing leaves the archive."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.tasks import archive_files as task
from pipelines.tasks.archive_files import Known, Outcome, Version

HOSTILE = (
    "..%2f..%2fetc%2fpasswd.csv", "%2e%2e.csv", "-rf.csv", "[a].csv", "{a,b}.csv", "*.csv",
    "a?.csv", "$(touch x).csv", "`x`.csv", "${spark.x}.csv", "'; DROP TABLE t; --.csv",
    "a\nmoved  b -> c.csv", "\x1b[2J\x1b]0;owned\x07.csv", "\u202evsc.a", "a.csv.1.2",
    "a.csv.1.2.whole", "a.taken",
    "ü.csv", " .csv", "\\..\\x.csv", "~root.csv", "file:x.csv", "a" * 200 + ".csv",
)  # fmt: skip


class Folders:
    """A source and an archive whose files all count as committed, beside a folder ``outside``."""

    def __init__(self, root: Path) -> None:
        self.source, self.archived, self.outside = (
            root / name for name in ("source", "archive", "outside")
        )
        for folder in (self.source, self.archived, self.outside):
            folder.mkdir()

    def put(self, name: str, content: str = "id\n1\n") -> Path:
        file = self.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def run(self) -> list[Outcome]:
        """Do what the task does once Spark and the stage table have told what they know."""
        task.check_folders(self.source, self.archived)
        finished = task.finish_interrupted(self.source, self.archived)
        snapshot = task.snapshot_files(self.source)
        present = {
            path: Version(path, seen.st_size, seen.st_mtime_ns // 1_000_000)
            for path, seen in snapshot.items()
        }
        known = Known(present=present, committed=set(present.values()), run_started_ms=0)
        settled = [
            task.settle(self.source, self.archived, path, seen, known)
            for path, seen in snapshot.items()
        ]
        return finished + settled

    def listing(self) -> dict[str, str]:
        """Return path -> content of every file of the archive."""
        files = (file for file in sorted(self.archived.rglob("*")) if file.is_file())
        return {f.relative_to(self.archived).as_posix(): f.read_text("utf-8") for f in files}


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def no_links(*_args: object, **_keywords: object) -> None:
    raise OSError(errno.EPERM, "no links here")


@pytest.fixture(params=["links", "copies"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both kinds of file system: one with links, one without, as ``/Volumes`` is."""
    if request.param == "copies":
        monkeypatch.setattr(os, "link", no_links)
    return str(request.param)


def today() -> str:
    return f"{datetime.now(UTC):%Y/%m/%d}"


@pytest.mark.usefixtures("kind")
def test_hostile_names_are_names(folders: Folders) -> None:
    for name in HOSTILE:
        folders.put(name, name)
        folders.put(f"sub {name}/deep.csv", name)
    outcomes = folders.run()
    assert [each for each in outcomes if each.failed] == []
    assert folders.listing() == {
        **{f"{today()}/{name}": name for name in HOSTILE},
        **{f"{today()}/sub {name}/deep.csv": name for name in HOSTILE},
    }
    assert list(task.snapshot_files(folders.source)) == []
    for line in map(str, outcomes):
        assert line.isprintable(), line


@pytest.mark.usefixtures("kind")
def test_longest_names_are_archived(folders: Folders) -> None:
    folders.put("a.csv")
    folders.put("b" * 250)
    told = {outcome.path: outcome for outcome in folders.run()}
    assert [told[name].reason for name in ("a.csv", "b" * 250)] == ["committed"] * 2
    assert task.snapshot_files(folders.source) == {}
    assert {f.name for f in folders.archived.rglob("b*")} == {"b" * 250}


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("link", ["{0}", "{0:.4}", "{0:.7}", "{0}/sub"])
def test_links_in_the_archive_lead_nowhere(folders: Folders, link: str) -> None:
    where = folders.archived / link.format(today())
    where.parent.mkdir(parents=True, exist_ok=True)
    where.symlink_to(folders.outside)
    folders.put("sub/a.csv")
    (outcome,) = folders.run()
    assert outcome.failed
    assert "leads out of it by a symbolic link" in outcome.reason
    assert list(folders.outside.iterdir()) == []
    assert (folders.source / "sub" / "a.csv").is_file()


def test_staging_folder_is_no_link(folders: Folders) -> None:
    (folders.outside / "a.csv.5.6").write_text("precious", encoding="utf-8")
    (folders.archived / task.STAGING).symlink_to(folders.outside)
    with pytest.raises(ValueError, match="leads out of the archive"):
        folders.run()
    assert [f.name for f in folders.outside.iterdir()] == ["a.csv.5.6"]


def test_foreign_files_in_staging_are_told(folders: Folders) -> None:
    staging = folders.archived / task.STAGING
    staging.mkdir()
    (folders.outside / "secret").write_text("s", encoding="utf-8")
    names = ("notes.txt", "a.b.c", ".whole", "a.csv.1.x.taken", f"a.csv.1.{'9' * 30}.whole")
    for name in names:
        (staging / name).write_text("mine", encoding="utf-8")
    for name in ("link.1.2", "link.1.2.whole", "link.1.2.taken"):
        (staging / name).symlink_to(folders.outside / "secret")
    (staging / ".at-work-x").write_text("", encoding="utf-8")
    folders.put("a.csv")
    told = {outcome.path: outcome.reason for outcome in folders.run()}
    assert told.pop("a.csv") == "committed"
    assert set(told.values()) == {"this task did not put it there"}
    assert len(told) == len(names) + 3
    assert (folders.outside / "secret").read_text("utf-8") == "s"
    assert task.AtWork(staging / ".at-work-x").is_alive()  # until it is an hour old


@pytest.mark.usefixtures("kind")
def test_times_beyond_calendars_stop_one_file(folders: Folders) -> None:
    folders.put("a.csv")
    folders.put("b.csv")
    snapshot = task.snapshot_files(folders.source)
    strange = {path: Version(path, 5, 10**17) for path in snapshot}
    known = Known(present=strange, committed=set(strange.values()), run_started_ms=0)
    seen = snapshot["a.csv"]
    outcome = task.settle(folders.source, folders.archived, "a.csv", seen, known)
    assert outcome.failed
    assert "year" in outcome.reason
    assert len(folders.run()) == 2


def losing_once(look: Callable[..., bool], taken: Path) -> Callable[..., bool]:
    """Return a look after which a rival takes the name ``taken``."""

    def looked(name: str | Path) -> bool:
        found = look(name)
        if Path(name) == taken and not found:
            taken.parent.mkdir(parents=True, exist_ok=True)
            taken.write_text("rival", encoding="utf-8")
        return found

    return looked


def test_names_taken_meanwhile_are_not_overwritten(
    folders: Folders, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folders.put("a.csv", "mine")
    seen = file.lstat()
    version = Version("a.csv", 4, seen.st_mtime_ns // 1_000_000)
    names = task.archive_names(folders.archived, version)
    plain, stamped = next(names), next(names)
    if kind == "links":
        # The look finds the name free, then a rival takes it: the link is refused.
        monkeypatch.setattr(os.path, "lexists", losing_once(os.path.lexists, plain))
        assert task.move(file, folders.archived, version, seen) == stamped
    else:
        # A rival takes it between the copy and its name: the rename does not replace.
        whole = task.staging_name(folders.archived, version, task.WHOLE)
        file.rename(whole)
        plain.parent.mkdir(parents=True)
        plain.write_text("rival", encoding="utf-8")
        monkeypatch.setattr(os.path, "lexists", lambda _name: False)
        assert task.publish(whole, folders.archived, version) == stamped
    assert plain.read_text("utf-8") == "rival"
    assert stamped.read_text("utf-8") == "mine"
