"""``apply_changes`` and its like: flows that turn a source of changes into its target's state.

Source: docs "create_auto_cdc_flow", "create_auto_cdc_from_snapshot_flow", 2026-11-24.
"""

from collections.abc import Callable
from typing import Any

from pyspark.sql import Column

from dlt_stub.declare.arguments import plain, refuse
from dlt_stub.declare.columns import as_names, as_sql
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.declare.registry import active_registry, user_origin
from dlt_stub.errors import DefinitionError, NotEmulatedError

Columns = list[str] | list[Column]


def apply_changes(
    target: str,
    source: str,
    keys: Columns,
    sequence_by: str | Column,
    where: str | Column | None = None,
    ignore_null_updates: bool | None = None,
    apply_as_deletes: str | Column | None = None,
    apply_as_truncates: str | Column | None = None,
    column_list: Columns | None = None,
    except_column_list: Columns | None = None,
    stored_as_scd_type: str | int = "1",
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
    flow_name: str | None = None,
    once: bool = False,
    ignore_null_updates_column_list: Columns | None = None,
    ignore_null_updates_except_column_list: Columns | None = None,
    columns_to_update: str | Column | None = None,
) -> None:
    """Declare a flow that keeps each key of ``source`` in ``target``.

    SCD type 1 keeps its latest state, SCD type 2 every version with its ``__START_AT`` and
    ``__END_AT``.
    """
    origin = user_origin()
    word = "apply_changes"
    refuse(word, origin, ignore_null_updates=ignore_null_updates or None, once=once or None)
    refuse(
        word,
        origin,
        apply_as_truncates=apply_as_truncates,
        ignore_null_updates_column_list=ignore_null_updates_column_list,
        ignore_null_updates_except_column_list=ignore_null_updates_except_column_list,
        columns_to_update=columns_to_update,
    )
    if str(stored_as_scd_type) not in ("1", "2"):
        raise DefinitionError(
            f"stored_as_scd_type is {stored_as_scd_type!r}; allowed: 1, 2", origin=origin
        )
    if column_list is not None and except_column_list is not None:
        raise DefinitionError(
            "column_list and except_column_list exclude each other", origin=origin
        )

    def names(values: Columns | None, argument: str) -> tuple[str, ...] | None:
        return None if values is None else as_names(values, word=argument, origin=origin)

    active_registry(word).add_flow(
        AutoCdcFlow(
            name=flow_name or plain(target),
            target=plain(target),
            source=plain(source),
            keys=as_names(keys, word="keys", origin=origin),
            sequence_by=as_sql(sequence_by),
            origin=origin,
            where=None if where is None else as_sql(where),
            apply_as_deletes=None if apply_as_deletes is None else as_sql(apply_as_deletes),
            column_list=names(column_list, "column_list"),
            except_column_list=names(except_column_list, "except_column_list"),
            scd_type=int(stored_as_scd_type),
            track_history_column_list=names(track_history_column_list, "track_history_column_list"),
            track_history_except_column_list=names(
                track_history_except_column_list, "track_history_except_column_list"
            ),
        )
    )


def apply_changes_from_snapshot(
    target: str,
    source: str | None = None,
    keys: Columns | None = None,
    stored_as_scd_type: str | int | None = None,
    snapshot_and_version: Callable[..., Any] | None = None,
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
) -> None:
    """Refuse: snapshots are not compared yet."""
    raise NotEmulatedError(
        "apply_changes_from_snapshot is not run locally yet: snapshots are not compared",
        origin=user_origin(),
    )
