"""The event log of a pipeline: its records, and the segments they are kept in."""

from dlt_stub.events.log import (
    EventLog,
    Listener,
    error_body,
    newest_in,
    read_events,
    read_latest_events,
)
from dlt_stub.events.records import (
    EVENT_COLUMNS,
    READ_MODE,
    Event,
    FlowStatus,
    Level,
    UpdateState,
    event_schema,
)
from dlt_stub.events.segments import MERGE_AT, UNMERGED, Merging, hold, listing, merge, settle

__all__ = [
    "EVENT_COLUMNS",
    "MERGE_AT",
    "READ_MODE",
    "UNMERGED",
    "Event",
    "EventLog",
    "FlowStatus",
    "Level",
    "Listener",
    "Merging",
    "UpdateState",
    "error_body",
    "event_schema",
    "hold",
    "listing",
    "merge",
    "newest_in",
    "read_events",
    "read_latest_events",
    "settle",
]
