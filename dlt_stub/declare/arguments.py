"""What the arguments of several functions of ``import dlt`` have in common."""

from collections.abc import Mapping
from types import MappingProxyType

from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin

# Why an argument is refused wherever it is given: the coverage page says it too.
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "path": "Unity Catalog pipelines take no storage location (docs: Use Unity Catalog with "
        "your pipelines)",
        "row_filter": "local tables know no row filters: every reader would see every row",
        "refresh_policy": "'incremental_strict' fails where Databricks cannot refresh "
        "incrementally, which only Databricks can say",
        "format": "the tables of a pipeline are Delta tables",
        "spark_conf": "a view runs inside the flows that read it: set it on those",
        "depends_on": "flows are ordered by what they read only (preview on Databricks)",
        "import_checkpoint": "a checkpoint of elsewhere names files this machine does not have",
    }
)


def plain(name: str) -> str:
    """Return ``name`` without the virtual schema LIVE, which means this pipeline's own."""
    return name[5:] if name[:5].upper() == "LIVE." else name


def refuse(word: str, origin: Origin, **arguments: object) -> None:
    """Do nothing if no argument of ``dlt.<word>`` is given a value.

    Raises:
        NotEmulatedError: one is.
    """
    given = [name for name, value in arguments.items() if value is not None and value != {}]
    if given:
        why = REASONS.get(given[0], "ignoring it could change results")
        raise NotEmulatedError(
            f"dlt.{word}({given[0]}=...) is not run locally: {why}", origin=origin
        )


def conf(given: Mapping[str, object] | None, word: str, origin: Origin) -> Mapping[str, str]:
    """Return the Spark settings of ``dlt.<word>(spark_conf=...)`` as text.

    Raises:
        DefinitionError: it is no dictionary.
    """
    if given is None:
        return {}
    if not hasattr(given, "items"):
        raise DefinitionError(
            f"dlt.{word}(spark_conf=...) is a dictionary, found {given!r}", origin=origin
        )
    return {
        str(key): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in given.items()
    }
