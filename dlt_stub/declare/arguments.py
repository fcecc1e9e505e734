"""What the arguments of several functions of ``import dlt`` have in common."""

from dlt_stub.errors import NotEmulatedError, Origin


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
        raise NotEmulatedError(
            f"dlt.{word}({given[0]}=...) is not run locally yet: ignoring it could change results",
            origin=origin,
        )
