"""What every part of ``dbutils`` has in common."""

from typing import NoReturn

from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import NotEmulatedError


class Utility:
    """One part of ``dbutils``; a name it lacks is refused, and it stays in the driver."""

    _name = "dbutils"

    def help(self, method: str = "") -> None:
        """Print nothing: the help is in Databricks' documentation."""

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse aloud.

        Raises:
            NotEmulatedError: always, but for names with underscores in front.
        """
        if name.startswith("_"):
            raise AttributeError(f"{self._name} has no attribute {name!r}")
        raise NotEmulatedError(
            f"{self._name}.{name} is not run locally",
            origin=user_origin(),
            hint=f"{self._name} has here: {', '.join(self._offered())}",
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be sent to a worker, as on Databricks.

        Raises:
            NotEmulatedError: always.
        """
        raise NotEmulatedError(
            "dbutils was used within a Spark job: it lives in the driver, there as here",
            hint="read the value outside the UDF and hand it over",
        )

    def _offered(self) -> list[str]:
        members = {**vars(type(self)), **vars(self)}
        return sorted(name for name in members if not name.startswith("_"))
