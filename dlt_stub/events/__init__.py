"""The event log of a pipeline: its records, and the segments they are kept in."""

from dlt_stub.events.log import EventLog, Listener, error_body, read_events
from dlt_stub.events.records import (
    EVENT_COLUMNS,
    Event,
    FlowStatus,
    Level,
    UpdateState,
    event_schema,
)

__all__ = [
    "EVENT_COLUMNS",
    "Event",
    "EventLog",
    "FlowStatus",
    "Level",
    "Listener",
    "UpdateState",
    "error_body",
    "event_schema",
    "read_events",
]
