"""``dbutils.secrets``: secrets from environment variables, kept out of what is printed.

``dbutils.secrets.get("my-scope", "db.password")`` is the environment variable
``DLT_STUB_SECRET_MY_SCOPE_DB_PASSWORD``: scope and key in capitals, anything that is no letter or
digit as an underscore.

Source: docs "Secret management", "Redaction of secrets", 2026-11-24.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from dlt_stub.dbutils.utility import Utility
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import UsageError

PREFIX = "DLT_STUB_SECRET_"
REDACTED = "[REDACTED]"


class SecretUtils(Utility):
    """Secrets by scope and key; it remembers what it handed out, to redact it."""

    _name = "dbutils.secrets"

    def __init__(self) -> None:
        self._handed_out: set[str] = set()

    def get(self, scope: str, key: str) -> str:
        """Return the secret.

        Raises:
            UsageError: its environment variable is not set.
        """
        name = variable_name(scope, key)
        value = os.environ.get(name)
        if value is None:
            raise UsageError(
                f"Secret does not exist with scope: {scope} and key: {key}",
                origin=user_origin(),
                hint=f"set the environment variable {name}",
            )
        if value:
            self._handed_out.add(value)
        return value

    def getBytes(self, scope: str, key: str) -> bytes:
        """Return the secret as bytes of UTF-8.

        Raises:
            UsageError: its environment variable is not set.
        """
        return self.get(scope, key).encode()

    def _redact(self, text: str) -> str:
        for value in sorted(self._handed_out, key=len, reverse=True):
            text = text.replace(value, REDACTED)
        return text


def variable_name(scope: str, key: str) -> str:
    """Return the environment variable that holds a secret."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{scope}_{key}".upper())


def redact(secrets: SecretUtils, text: str) -> str:
    """Return ``text`` with every secret that was handed out replaced."""
    return secrets._redact(text)


@contextmanager
def redacting(secrets: SecretUtils) -> Iterator[None]:
    """Keep what ``secrets`` hands out from being printed inside the block.

    One piece of output is looked at, at a time: a secret printed letter by letter is seen, there
    as here.
    """
    if not any(name.startswith(PREFIX) for name in os.environ):
        yield  # there is nothing to hide
        return
    out = cast("TextIO", _Redacted(sys.stdout, secrets))
    err = cast("TextIO", _Redacted(sys.stderr, secrets))
    with redirect_stdout(out), redirect_stderr(err):
        yield


class _Redacted:
    """A text stream that replaces secrets in what is written to it."""

    def __init__(self, stream: TextIO, secrets: SecretUtils) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        self._stream.write(redact(self._secrets, text))
        return len(text)

    def __getattr__(self, name: str) -> Any:  # whatever else a stream has
        return getattr(self._stream, name)
