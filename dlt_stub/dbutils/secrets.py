"""``dbutils.secrets`` and ``{{secrets/scope/key}}``: secrets from environment variables.

``dbutils.secrets.get("my-scope", "db.password")`` is the environment variable
``DLT_STUB_SECRET_MY_SCOPE_DB_PASSWORD``: scope and key in capitals, anything that is no letter or
digit as an underscore. ``dlt_stub.redaction`` keeps its value from being shown.

Source: docs "Secret management", "Use a secret in a Spark configuration property or environment
variable", 2026-11-24.
"""

import os
import re

from dlt_stub.dbutils.utility import Utility
from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError, UsageError
from dlt_stub.redaction import PREFIX

_REFERENCE = re.compile(r"\{\{secrets/([^/{}]+)/([^/{}]+)\}\}")
_LIKE_A_REFERENCE = re.compile(r"\{\{\s*secrets\s*/")


class SecretUtils(Utility):
    """Secrets by scope and key."""

    _name = "dbutils.secrets"

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
        return value

    def getBytes(self, scope: str, key: str) -> bytes:
        """Return the secret as bytes of UTF-8.

        Raises:
            UsageError: its environment variable is not set.
        """
        return self.get(scope, key).encode()


def variable_name(scope: str, key: str) -> str:
    """Return the environment variable that holds a secret."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", f"{scope}_{key}".upper())


def with_secret(value: str, *, what: str) -> str:
    """Return the secret that ``value`` refers to, or ``value`` itself if it refers to none.

    Args:
        value: A setting's value; ``{{secrets/<scope>/<key>}}`` is a reference.
        what: Which setting, in words, for the message.

    Raises:
        UsageError: the secret's environment variable is not set.
        NotEmulatedError: a reference has text around it, or is not written as documented.
    """
    if not _LIKE_A_REFERENCE.search(value):
        return value
    reference = _REFERENCE.fullmatch(value)
    if reference is None:
        raise NotEmulatedError(
            f"{what} is {value!r}: a reference to a secret is run only where it is the whole value",
            hint="write {{secrets/<scope>/<key>}}, without spaces, and join texts in the code",
        )
    scope, key = reference.groups()
    name = variable_name(scope, key)
    if name not in os.environ:
        raise UsageError(
            f"{what} refers to a secret that does not exist: scope {scope!r}, key {key!r}",
            hint=f"set the environment variable {name}",
        )
    return os.environ[name]
