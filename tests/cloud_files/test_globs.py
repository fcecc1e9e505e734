from pathlib import Path

import pytest

from dlt_stub.cloud_files.globs import has_pattern, literal_folder, prefix_pattern
from dlt_stub.errors import SourceError


# Source: Databricks, "Common data loading patterns" (its table of both globbers), 2026-11-24.
@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/*/c/", "/a/b/c/file.txt", True),
        ("/a/*/c/", "/a/b/c/d/file.txt", True),
        ("/a/*/d/", "/a/b/c/d/file.txt", True),
        ("/a/*/c/", "/a/b/x/y/c/file.txt", True),
        ("/a/*/c", "/a/b/c_file.txt", True),
        ("/a/*/c/", "/a/b/c_file.txt", True),
        ("/a/*/c", "/a/b/cookie/file.txt", True),
        ("/a/b*", "/a/b.txt", True),
        ("/a/b*", "/a/b/file.txt", True),
        ("/a/{0.txt,1.txt}", "/a/0.txt", True),
        ("/a/*/{0.txt,1.txt}", "/a/0.txt", False),
        ("/a/b/[cde-h]/i/", "/a/b/c/i/file.txt", True),
        ("/a/{ab,c{de,fh}}/", "/a/cfh/file.txt", True),
        ("/a/[^b]/", "/a/b/file.txt", False),
        ("/a/?.txt", "/a/bc.txt", False),
        (r"/a/\*", "/a/b", False),
    ],
)
def test_default_globber_matches_as_documented(pattern: str, path: str, matches: bool) -> None:
    assert bool(prefix_pattern(pattern, None).match(path)) is matches


def test_search_begins_at_the_literal_folder(tmp_path: Path) -> None:
    assert literal_folder("/a/b/c*/d") == "/a/b"
    assert literal_folder("/a/b") == "/a/b"
    assert literal_folder("gs://bucket/in/{a,b}") == "gs://bucket/in"
    odd = tmp_path / "x[1]"
    odd.mkdir()
    assert not has_pattern(str(odd))


@pytest.mark.parametrize("pattern", ["/a/[b", "/a/{b,c"])
def test_unclosed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(SourceError, match="is not closed"):
        prefix_pattern(pattern, None)
