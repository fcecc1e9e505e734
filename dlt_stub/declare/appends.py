"""``append_flow``: one of several queries whose rows go into one target.

Source: docs "append_flow" of the pipelines Python reference, 2026-11-24.
"""

from collections.abc import Callable, Mapping

from dlt_stub.declare.arguments import conf, plain, refuse
from dlt_stub.declare.queries import called, name_of
from dlt_stub.declare.records import AppendFlow, Query
from dlt_stub.declare.registry import active_registry, user_origin
from dlt_stub.declare.rules import pending
from dlt_stub.errors import DefinitionError


def append_flow(
    name: str | None = None,
    target: str | None = None,
    comment: str | None = None,
    spark_conf: Mapping[str, object] | None = None,
    once: bool = False,
    *,
    depends_on: str | list[str] | None = None,
    import_checkpoint: str | None = None,
) -> Callable[[Query], None]:
    """Declare a flow that appends its rows to ``target``: one time only with ``once``."""
    origin = user_origin()
    word = "append_flow"
    refuse(word, origin, depends_on=depends_on, import_checkpoint=import_checkpoint)
    if target is None:
        raise DefinitionError("append_flow needs a target", origin=origin, hint='target="name"')
    settings = conf(spark_conf, word, origin)

    def declare(query: Query) -> None:
        called(query, word, origin)
        if pending(query):
            raise DefinitionError(
                f"expectations stand on a flow into '{target}'; allowed: on its target",
                origin=origin,
                hint="dlt.create_streaming_table(..., expect_all={...})",
            )
        active_registry(word).add_flow(
            AppendFlow(
                name=name or name_of(query, origin),
                target=plain(target),
                query=query,
                origin=origin,
                once=once,
                spark_conf=settings,
                comment=comment,
            )
        )

    return declare
