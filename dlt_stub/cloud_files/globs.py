"""Patterns in a source path: Auto Loader's own way of matching, and where a search begins."""

import re
from pathlib import Path
from typing import Final

from dlt_stub.errors import Origin, SourceError

_GLOB: Final = frozenset("*?[]{}")


def has_pattern(path: str) -> bool:
    """Return whether ``path`` is a pattern; a local path that exists is none, whatever its name."""
    return literal_folder(path) != path


def literal_folder(path: str) -> str:
    """Return the deepest folder of ``path`` above its first pattern; a plain path as it is.

    A local folder that exists is no pattern, whatever its name.
    """
    parts = path.split("/")
    for count, part in enumerate(parts, start=1):
        if not _GLOB & set(part):
            continue
        if path.startswith("/") and Path("/".join(parts[:count])).exists():
            continue
        return "/".join(parts[: count - 1]) or "/"
    return path


def prefix_pattern(path: str, origin: Origin | None) -> re.Pattern[str]:
    r"""Return what a path must begin with to match ``path`` by Auto Loader's default globber.

    A ``*`` goes across folders, slashes at the end count for nothing, and the pattern is that of a
    prefix: ``/a/*/c`` takes ``/a/b/x/c/f``, ``/a/b/c_f`` and ``/a/b/cookie/f``. Whether ``?`` and
    ``[...]`` match a slash is not documented; here they do not (assumed).

    Source: Databricks, "Common data loading patterns", checked 2026-11-24.

    Raises:
        SourceError: a bracket or a brace is not closed.
    """
    folder = literal_folder(path)
    parts = [re.escape(folder)]
    depth, position, text = 0, len(folder), path.rstrip("/")
    while position < len(text):
        letter = text[position]
        position += 1
        match letter:
            case "\\" if position < len(text):
                parts.append(re.escape(text[position]))
                position += 1
            case "*":
                parts.append(".*")
            case "?":
                parts.append("[^/]")
            case "[":
                end = text.find("]", position + 1)
                if end < 0:
                    raise _unclosed(path, "[", origin)
                inside = text[position:end].replace("\\", "\\\\").replace("[", "\\[")
                is_negated = inside[0] in "!^"
                parts.append(f"(?!/)[{'^' + inside[1:] if is_negated else inside}]")
                position = end + 1
            case "{":
                parts.append("(?:")
                depth += 1
            case "}" if depth:
                parts.append(")")
                depth -= 1
            case "," if depth:
                parts.append("|")
            case _:
                parts.append(re.escape(letter))
    if depth:
        raise _unclosed(path, "{", origin)
    return re.compile("".join(parts), re.DOTALL)


def _unclosed(path: str, bracket: str, origin: Origin | None) -> SourceError:
    return SourceError(f"the pattern {path!r} has a {bracket!r} that is not closed", origin=origin)
