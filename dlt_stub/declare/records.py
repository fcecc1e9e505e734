"""What a pipeline's source files declare, as frozen records: declaring runs no query."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from dlt_stub.errors import Origin

Query = Callable[[], DataFrame]
START_AT = "__START_AT"  # what SCD type 2 adds to its target
END_AT = "__END_AT"
NOTHING: Mapping[str, str] = MappingProxyType({})


class DatasetKind(StrEnum):
    """What a dataset is declared as; ``TABLE`` becomes one of the other two when it is resolved."""

    TABLE = "TABLE"  # @dlt.table: a streaming query makes it a streaming table
    STREAMING_TABLE = "STREAMING_TABLE"
    MATERIALIZED_VIEW = "MATERIALIZED_VIEW"
    VIEW = "VIEW"  # temporary: seen inside the pipeline only
    SINK = "SINK"  # outside the pipeline: written by append flows, read by none of them


class Action(StrEnum):
    """What happens to a row that does not meet an expectation."""

    WARN = "WARN"
    DROP = "DROP"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One rule of a dataset: ``constraint`` is a SQL boolean over its columns."""

    name: str
    constraint: str
    action: Action
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSink:
    """Where a sink writes: a Delta table that ``options`` name, or the function ``handler``."""

    format: str
    options: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    handler: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A table, view or sink; its rows come from the flows that name it as their target."""

    name: str
    kind: DatasetKind
    origin: Origin
    comment: str | None = None
    schema: StructType | str | None = None
    table_properties: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    partition_columns: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    expectations: tuple[Expectation, ...] = ()
    is_private: bool = False  # not published: only this pipeline reads it
    spark_conf: Mapping[str, str] = field(default_factory=lambda: NOTHING)  # of its flows
    sink: ExternalSink | None = None  # of a dataset of kind SINK


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendFlow:
    """A query whose rows go into ``target``: appended when streaming, else the whole content."""

    name: str
    target: str
    query: Query
    origin: Origin
    once: bool = False
    spark_conf: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoCdcFlow:
    """A stream of changes applied to ``target`` (``apply_changes``).

    ``sequence_by``, ``apply_as_deletes``, ``apply_as_truncates`` and ``where`` are SQL text; a
    ``col()`` or ``struct()`` given by the user has been turned into SQL text when declared. The
    ``track_history_`` lists belong to SCD type 2: a change outside them makes no new version.
    """

    name: str
    target: str
    source: str
    keys: tuple[str, ...]
    sequence_by: str
    origin: Origin
    where: str | None = None
    ignore_null_updates: bool = False  # of every column; the lists below say of which
    apply_as_deletes: str | None = None
    apply_as_truncates: str | None = None
    column_list: tuple[str, ...] | None = None
    except_column_list: tuple[str, ...] | None = None
    scd_type: int = 1
    track_history_column_list: tuple[str, ...] | None = None
    track_history_except_column_list: tuple[str, ...] | None = None
    ignore_null_updates_column_list: tuple[str, ...] | None = None
    ignore_null_updates_except_column_list: tuple[str, ...] | None = None
    once: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFlow:
    """A sequence of snapshots applied to ``target`` (``apply_changes_from_snapshot``).

    ``source`` is the name of a dataset that is looked at once an update, or a function that is
    given the version of the last snapshot applied (None at first) and returns the next one with
    its version, or None where there is none.
    """

    name: str
    target: str
    source: str | Callable[[Any], Any]
    keys: tuple[str, ...]
    origin: Origin
    scd_type: int = 1
    track_history_column_list: tuple[str, ...] | None = None
    track_history_except_column_list: tuple[str, ...] | None = None
    once: bool = False


Flow = AppendFlow | AutoCdcFlow | SnapshotFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHook:
    """A function called with each event; disabled after ``max_failures`` in a row, if not None."""

    name: str
    function: Callable[..., Any]
    origin: Origin
    max_failures: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """Everything the source files of one pipeline declare, in the order they do."""

    datasets: tuple[Dataset, ...] = ()
    flows: tuple[Flow, ...] = ()
    notes: tuple[str, ...] = field(default=())
    hooks: tuple[EventHook, ...] = ()
