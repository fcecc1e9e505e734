"""``create_sink`` and ``foreach_batch_sink``: where append flows write outside the pipeline.

Source: docs "create_sink", "foreach_batch_sink" of the pipelines Python reference, 2026-11-24.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dlt_stub.declare.queries import called, name_of
from dlt_stub.declare.records import Dataset, DatasetKind, ExternalSink
from dlt_stub.declare.registry import active_registry, user_origin
from dlt_stub.engine.catalog import name_levels
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin

_SCHEME = re.compile(r"([A-Za-z][\w+.-]*):")
_PATH, _TABLE = "path", "tableName"


def create_sink(name: str, format: str, options: Mapping[str, str] | None = None) -> None:
    """Declare a Delta table outside the pipeline that append flows write into.

    Raises:
        NotEmulatedError: the format is kafka, or another that needs a service elsewhere.
        DefinitionError: the options name no table, or two.
    """
    origin = user_origin()
    if str(format).lower() != "delta":
        raise NotEmulatedError(
            f"dlt.create_sink(format={format!r}) is not run locally: there is no service to write "
            "to",
            origin=origin,
            hint='format="delta", or a foreach_batch_sink that writes where a test can look',
        )
    sink = ExternalSink(format="delta", options=_delta_options(name, options or {}, origin))
    active_registry("create_sink").add_dataset(
        Dataset(name=name, kind=DatasetKind.SINK, origin=origin, sink=sink)
    )


def foreach_batch_sink(
    batch_handler: Any = None, name: str | None = None
) -> Any:  # a decorator, or the decorated function when called with one
    """Declare a sink whose function is called with each micro-batch and its number."""
    origin = user_origin()
    word = "foreach_batch_sink"
    if isinstance(batch_handler, str):  # @foreach_batch_sink("name")
        batch_handler, name = None, batch_handler

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        called(handler, word, origin)
        active_registry(word).add_dataset(
            Dataset(
                name=name or name_of(handler, origin),
                kind=DatasetKind.SINK,
                origin=origin,
                sink=ExternalSink(format="foreachBatch", handler=handler),
            )
        )
        return handler

    return declare if batch_handler is None else declare(batch_handler)


def _delta_options(name: str, given: Mapping[str, Any], origin: Origin) -> dict[str, str]:
    known = {each.lower(): each for each in (_PATH, _TABLE)}
    options: dict[str, str] = {}
    for key, value in given.items():
        if key.lower() not in known:
            raise NotEmulatedError(
                f"option {key!r} of Delta sink '{name}' is not run locally",
                origin=origin,
                hint=f"documented are {_PATH} and {_TABLE}",
            )
        options[known[key.lower()]] = str(value)
    if len(options) != 1:
        raise DefinitionError(
            f"Delta sink '{name}' names {'a path and a table' if options else 'no table'}; "
            f"allowed: one of {_PATH}, {_TABLE}",
            origin=origin,
            hint=f'options={{"{_TABLE}": "catalog.schema.table"}}',
        )
    scheme = _SCHEME.match(options.get(_PATH, ""))
    if scheme is not None and scheme[1].lower() != "dbfs":
        raise NotEmulatedError(
            f"Delta sink '{name}' writes to {options[_PATH]!r}: storage of elsewhere is not "
            "written locally",
            origin=origin,
            hint="a path below /Volumes is a folder of the local workspace",
        )
    table = options.get(_TABLE)
    if table is not None and len(name_levels(table) or ()) != 3:
        raise DefinitionError(
            f"{_TABLE} of sink '{name}' is {table!r}; allowed: catalog.schema.table",
            origin=origin,
            hint="table names of sinks are fully qualified",
        )
    return options
