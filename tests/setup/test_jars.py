import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dlt_stub.engine.jars import JAR_NAMES, broken_jars, delta_jars, jar_folder, require_disk
from dlt_stub.errors import SetupError
from dlt_stub.locks import exclusive


def write_jars(folder: Path, names: tuple[str, ...] = JAR_NAMES) -> None:
    folder.mkdir(parents=True)
    for name in names:
        with zipfile.ZipFile(folder / name, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "")


@pytest.mark.usefixtures("cache")
def test_cached_jars_are_used_as_they_are() -> None:
    write_jars(jar_folder())
    assert delta_jars() == tuple(jar_folder() / name for name in JAR_NAMES)


def test_half_a_jar_counts_as_broken(tmp_path: Path) -> None:
    write_jars(tmp_path / "jars")
    cut = tmp_path / "jars" / JAR_NAMES[0]
    cut.write_bytes(cut.read_bytes()[:40])
    assert broken_jars(tmp_path / "jars") == (JAR_NAMES[0],)


def test_folder_override_needs_no_network(tmp_path: Path) -> None:
    write_jars(tmp_path / "carried")
    environ = {"DLT_STUB_JARS": str(tmp_path / "carried"), "XDG_CACHE_HOME": str(tmp_path / "no")}
    assert delta_jars(environ) == tuple(tmp_path / "carried" / name for name in JAR_NAMES)
    assert not (tmp_path / "no").exists()


def test_incomplete_override_names_missing_jars(tmp_path: Path) -> None:
    write_jars(tmp_path / "carried", JAR_NAMES[1:])
    with pytest.raises(SetupError, match=f"lacks {JAR_NAMES[0]}") as incomplete:
        delta_jars({"DLT_STUB_JARS": str(tmp_path / "carried")})
    assert incomplete.value.exit_code == 2


def test_full_disk_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no room for Delta's jars .* MB free") as full:
        require_disk(tmp_path / "not" / "yet", needed_bytes=2**62)
    assert full.value.hint is not None
    assert "XDG_CACHE_HOME" in full.value.hint


def test_second_fetch_waits_for_the_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlt_stub.engine.jars._resolve", None)  # whoever fetches twice fails
    folder = jar_folder()
    with ThreadPoolExecutor() as threads:
        with exclusive(folder.with_name(f"{folder.name}.lock"), what="the first"):
            second = threads.submit(delta_jars)
            write_jars(folder)
        assert second.result() == tuple(folder / name for name in JAR_NAMES)


@pytest.mark.slow
def test_no_network_is_a_setup_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_end = " ".join(f"-D{s}.proxyHost=127.0.0.1 -D{s}.proxyPort=9" for s in ("http", "https"))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", dead_end)
    with pytest.raises(SetupError, match="cannot fetch Delta's jars") as offline:
        delta_jars()
    assert offline.value.hint is not None
    assert "DLT_STUB_JARS" in offline.value.hint
    assert [each.suffix for each in (cache / "jars").iterdir()] == [".lock"]
