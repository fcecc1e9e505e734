"""Keeps secrets out of all that is printed, logged and stored: the one place that hides them.

A secret is the value of an environment variable whose name begins with ``DLT_STUB_SECRET_``,
whether anybody has asked for it or not. What is hidden is the value as it is, at the ends stripped,
line by line, and as JSON, Python and URLs write it. It is seen when it is printed in pieces, in
base64, or turned into something else, and when it is shorter than four characters.

Source: docs "Secret management", "Use a secret in a Spark configuration property or environment
variable", 2026-11-24. Assumed: the forms that are hidden.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import lru_cache
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus

PREFIX = "DLT_STUB_SECRET_"
REDACTED = "[REDACTED]"
JVM_PATTERN = "DLT_STUB_REDACT"  # what log4j2.properties looks for
_SHORTEST = 4
_LINE = 8
_NOTHING = re.compile(r"(?!)")
# What events and runs are found by: hiding a name that happens to be a secret's value would lose
# them. Below the others, keys are a user's own and say nothing.
_NAMES = frozenset(
    {"name", "dataset", "dataset_type", "flow_type", "output_dataset", "output_sink", "format"}
    | {"status", "state", "cause", "action", "language", "data_type", "refresh_selection"}
    | {"full_refresh_selection", "refresh_flow_selection", "reset_checkpoint_selection"}
    | {"job_key", "run_name", "task_key", "kind", "life_cycle", "result", "run_if", "type"}
    | {"depends_on", "outcome", "class_name", "declaring_class", "method_name", "file_name"}
)
_USERS_OWN = frozenset({"options", "values", "details", "parameters"})


def redact(text: str) -> str:
    """Return ``text`` with every secret replaced by ``[REDACTED]``."""
    return _pattern().sub(REDACTED, text)


def redact_values(value: Any) -> Any:  # Any: JSON
    """Return JSON with every secret in its texts replaced; keys and names are left alone."""
    return value if _pattern() is _NOTHING else _hidden(value, _NAMES)


def _hidden(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: each
            if key in names and not isinstance(each, dict)
            else _hidden(each, frozenset() if key in _USERS_OWN else names)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_hidden(item, names) for item in value]
    return value


@contextmanager
def redacting() -> Iterator[None]:
    """Keep secrets from being printed inside the block, by any thread.

    One piece of output is looked at, at a time: a secret printed letter by letter is seen, there
    as here.
    """
    out, err = cast("TextIO", _Redacted(sys.stdout)), cast("TextIO", _Redacted(sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield


def redact_streams() -> None:
    """Keep secrets from being printed until this process ends, its last traceback included."""
    sys.stdout = cast("TextIO", _Redacted(sys.stdout))
    sys.stderr = cast("TextIO", _Redacted(sys.stderr))


def jvm_pattern() -> str:
    """Return a regular expression for Java that finds every secret, of no character but ASCII."""
    forms = _forms_of(_secrets())
    return "|".join("".join(f"\\u{unit:04x}" for unit in _utf16(form)) for form in forms)


class _Redacted:
    """A text stream that replaces secrets in what is written to it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact(text))
        return len(text)

    def writelines(self, lines: Any) -> None:  # whatever the stream takes
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # whatever else a stream has
        return getattr(self._stream, name)


def _pattern() -> re.Pattern[str]:
    return _compiled(_secrets())


def _secrets() -> tuple[str, ...]:
    return tuple(value for name, value in os.environ.items() if name.startswith(PREFIX))


@lru_cache(maxsize=8)
def _compiled(secrets: tuple[str, ...]) -> re.Pattern[str]:
    forms = _forms_of(secrets)
    return re.compile("|".join(map(re.escape, forms))) if forms else _NOTHING


def _forms_of(secrets: tuple[str, ...]) -> list[str]:
    """Return the texts to hide, the longest first: one may hold another."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return sorted((form for form in forms if len(form) >= _SHORTEST), key=lambda f: (-len(f), f))


def _forms(secret: str) -> Iterator[str]:
    lines = [line.strip() for line in secret.splitlines()]
    parts = lines if len(lines) > 1 else []
    for text in (secret, secret.strip(), *(line for line in parts if len(line) >= _LINE)):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield repr(text)[1:-1]
        yield quote(text, safe="")
        yield quote_plus(text)


def _utf16(text: str) -> Iterator[int]:
    encoded = text.encode("utf-16-be", "surrogatepass")
    return (int.from_bytes(encoded[at : at + 2]) for at in range(0, len(encoded), 2))
