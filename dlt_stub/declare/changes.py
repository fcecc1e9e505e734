"""``apply_changes`` and its like: flows that turn a source of changes into its target's state.

Source: docs "create_auto_cdc_flow", "create_auto_cdc_from_snapshot_flow", 2026-11-24, and
databricks-dlt 0.3.0. What the documents know and databricks-dlt lacks is keyword-only here.
"""

from collections.abc import Callable
from typing import Any

from pyspark.sql import Column

from dlt_stub.declare.arguments import plain
from dlt_stub.declare.columns import as_names, as_sql
from dlt_stub.declare.records import AutoCdcFlow, SnapshotFlow
from dlt_stub.declare.registry import active_registry, user_origin
from dlt_stub.errors import DefinitionError, NotEmulatedError, Origin

Columns = list[str] | list[Column]
SnapshotSource = str | Callable[[Any], Any]


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
    *,
    name: str | None = None,
    system_sequence_by: str | Column | None = None,
) -> None:
    """Declare a flow that keeps each key of ``source`` in ``target``.

    SCD type 1 keeps its latest state, SCD type 2 every version with its ``__START_AT`` and
    ``__END_AT``.
    """
    origin = user_origin()
    word = "apply_changes"
    if columns_to_update is not None:
        raise NotEmulatedError(
            f"dlt.{word}(columns_to_update=...) is not run locally: what its column must hold is "
            "not stated where we can read it",
            origin=origin,
            hint="ignore_null_updates_column_list=[...] says which NULLs leave a value as it is",
        )
    if system_sequence_by is not None or str(stored_as_scd_type).lower() == "bitemporal":
        raise NotEmulatedError(
            f"dlt.{word} into a bitemporal table is not run locally yet",
            origin=origin,
            hint="stored_as_scd_type=2 without system_sequence_by keeps one timeline",
        )
    if column_list is not None and except_column_list is not None:
        raise DefinitionError(
            "column_list and except_column_list exclude each other", origin=origin
        )

    active_registry(word).add_flow(
        AutoCdcFlow(
            name=name or flow_name or plain(target),
            target=plain(target),
            source=plain(source),
            keys=as_names(keys, word="keys", origin=origin),
            sequence_by=as_sql(sequence_by),
            origin=origin,
            where=None if where is None else as_sql(where),
            ignore_null_updates=bool(ignore_null_updates),
            apply_as_deletes=None if apply_as_deletes is None else as_sql(apply_as_deletes),
            apply_as_truncates=None if apply_as_truncates is None else as_sql(apply_as_truncates),
            column_list=_names(column_list, "column_list", origin),
            except_column_list=_names(except_column_list, "except_column_list", origin),
            scd_type=_scd_type(stored_as_scd_type, origin),
            track_history_column_list=_names(
                track_history_column_list, "track_history_column_list", origin
            ),
            track_history_except_column_list=_names(
                track_history_except_column_list, "track_history_except_column_list", origin
            ),
            ignore_null_updates_column_list=_names(
                ignore_null_updates_column_list, "ignore_null_updates_column_list", origin
            ),
            ignore_null_updates_except_column_list=_names(
                ignore_null_updates_except_column_list,
                "ignore_null_updates_except_column_list",
                origin,
            ),
            once=once,
        )
    )


def create_auto_cdc_flow(
    target: str,
    source: str,
    keys: Columns,
    sequence_by: str | Column,
    *,
    system_sequence_by: str | Column | None = None,
    where: str | Column | None = None,
    ignore_null_updates: bool | None = False,
    ignore_null_updates_column_list: Columns | None = None,
    ignore_null_updates_except_column_list: Columns | None = None,
    columns_to_update: str | Column | None = None,
    apply_as_deletes: str | Column | None = None,
    apply_as_truncates: str | Column | None = None,
    column_list: Columns | None = None,
    except_column_list: Columns | None = None,
    stored_as_scd_type: str | int = "1",
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
    name: str | None = None,
    flow_name: str | None = None,
    once: bool = False,
) -> None:
    """Declare what ``apply_changes`` declares: its newer name.

    All but the first four are keyword-only: the documents, databricks-dlt's ``apply_changes`` and
    Apache Spark's function of this name give them three orders.
    """
    apply_changes(
        target,
        source,
        keys,
        sequence_by,
        where=where,
        ignore_null_updates=ignore_null_updates,
        apply_as_deletes=apply_as_deletes,
        apply_as_truncates=apply_as_truncates,
        column_list=column_list,
        except_column_list=except_column_list,
        stored_as_scd_type=stored_as_scd_type,
        track_history_column_list=track_history_column_list,
        track_history_except_column_list=track_history_except_column_list,
        flow_name=flow_name,
        once=once,
        ignore_null_updates_column_list=ignore_null_updates_column_list,
        ignore_null_updates_except_column_list=ignore_null_updates_except_column_list,
        columns_to_update=columns_to_update,
        name=name,
        system_sequence_by=system_sequence_by,
    )


def apply_changes_from_snapshot(
    target: str,
    source: SnapshotSource | None = None,
    keys: Columns | None = None,
    stored_as_scd_type: str | int | None = None,
    snapshot_and_version: Callable[[Any], Any] | None = None,
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
    *,
    name: str | None = None,
    once: bool = False,
) -> None:
    """Declare a flow that compares the snapshots of a source and applies what has changed.

    ``source`` is the name of a table or view that is looked at once an update, or a function that
    is given the version of the last snapshot applied, None at first, and returns the next snapshot
    and its version, or None where there is none. databricks-dlt calls the function
    ``snapshot_and_version``.
    """
    origin = user_origin()
    word = "apply_changes_from_snapshot"
    if once:
        raise NotEmulatedError(
            f"dlt.{word}(once=True) is not run locally yet: which snapshots it takes is not stated "
            "where we can read it",
            origin=origin,
            hint="a function that returns None after its first snapshot says the same",
        )
    if (source is None) == (snapshot_and_version is None) or keys is None:
        raise DefinitionError(
            f"dlt.{word} needs keys and one of source and snapshot_and_version", origin=origin
        )
    given = snapshot_and_version if source is None else source
    if not isinstance(given, str) and not callable(given):
        raise DefinitionError(
            f"source is {given!r}; allowed: the name of a table or view, or a function of the last "
            "version",
            origin=origin,
        )

    active_registry(word).add_flow(
        SnapshotFlow(
            name=name or plain(target),
            target=plain(target),
            source=plain(given) if isinstance(given, str) else given,
            keys=as_names(keys, word="keys", origin=origin),
            origin=origin,
            scd_type=_scd_type("1" if stored_as_scd_type is None else stored_as_scd_type, origin),
            track_history_column_list=_names(
                track_history_column_list, "track_history_column_list", origin
            ),
            track_history_except_column_list=_names(
                track_history_except_column_list, "track_history_except_column_list", origin
            ),
        )
    )


def create_auto_cdc_from_snapshot_flow(
    target: str,
    source: SnapshotSource,
    keys: Columns,
    stored_as_scd_type: str | int = "1",
    track_history_column_list: Columns | None = None,
    track_history_except_column_list: Columns | None = None,
    *,
    name: str | None = None,
    once: bool = False,
) -> None:
    """Declare what ``apply_changes_from_snapshot`` declares: its newer name."""
    apply_changes_from_snapshot(
        target,
        source,
        keys,
        stored_as_scd_type,
        track_history_column_list=track_history_column_list,
        track_history_except_column_list=track_history_except_column_list,
        name=name,
        once=once,
    )


def _scd_type(given: str | int, origin: Origin) -> int:
    if str(given) not in ("1", "2"):
        raise DefinitionError(f"stored_as_scd_type is {given!r}; allowed: 1, 2", origin=origin)
    return int(given)


def _names(values: Columns | None, argument: str, origin: Origin) -> tuple[str, ...] | None:
    return None if values is None else as_names(values, word=argument, origin=origin)
