"""Names a pipeline's source files find without importing them."""

from typing import Any, NoReturn

from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError


class Dbutils:
    """Stands for ``dbutils``, none of which runs in a pipeline's source here yet."""

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse aloud.

        Raises:
            NotEmulatedError: always.
        """
        raise NotEmulatedError(
            f"dbutils.{name} is not run locally yet",
            origin=user_origin(),
            hint="read settings with spark.conf.get",
        )


def display(*args: Any, **kwargs: Any) -> None:  # whatever a notebook shows
    """Show nothing: a pipeline's source has no output to show it in (assumed)."""
