"""One event of a pipeline, in the shape Databricks' event log gives it.

Source: docs "Pipeline event log schema", 2026-11-24.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pyspark.sql.types import StructType


class Level(StrEnum):
    """How grave an event is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"
    METRICS = "METRICS"


class UpdateState(StrEnum):
    """The states of an update, as ``update_progress`` names them."""

    QUEUED = "QUEUED"
    CREATED = "CREATED"
    WAITING_FOR_RESOURCES = "WAITING_FOR_RESOURCES"
    INITIALIZING = "INITIALIZING"
    RESETTING = "RESETTING"
    SETTING_UP_TABLES = "SETTING_UP_TABLES"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class FlowStatus(StrEnum):
    """The states of a flow, as ``flow_progress`` names them."""

    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    STOPPED = "STOPPED"
    IDLE = "IDLE"
    EXCLUDED = "EXCLUDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the event log; ``details`` has one key, the event type."""

    id: str
    sequence_number: int
    timestamp: datetime
    event_type: str
    message: str
    level: Level = Level.INFO
    maturity_level: str = "STABLE"
    origin: Mapping[str, Any] = field(default_factory=dict)  # JSON, fields of ORIGIN below
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON, by event type
    error: Mapping[str, Any] | None = None  # JSON, fields of ERROR below

    @property
    def body(self) -> Mapping[str, Any]:
        """What ``details`` holds below the event type."""
        body = self.details.get(self.event_type, {})
        return body if isinstance(body, Mapping) else {}


_ORIGIN = """struct<cloud: string, region: string, org_id: bigint, pipeline_id: string,
pipeline_type: string, pipeline_name: string, cluster_id: string, update_id: string,
table_name: string, dataset_name: string, sink_name: string, flow_id: string,
flow_name: string, batch_id: bigint,
request_id: string, maintenance_id: string, materialization_name: string, host: string,
source_code_location: struct<path: string, line_number: int>>"""
_ERROR = """struct<fatal: boolean, exceptions: array<struct<class_name: string, message: string,
stack: array<struct<declaring_class: string, method_name: string, file_name: string,
line_number: int>>>>>"""
READ_MODE = "FAILFAST"  # Spark would make a row of NULLs of a line that is no event
EVENT_COLUMNS = f"""id string, sequence
struct<data_plane_id: struct<instance: string, seq_no: bigint>, control_plane_seq_no: bigint>,
origin {_ORIGIN}, timestamp timestamp, message string, level string,
maturity_level string, error {_ERROR}, details string, event_type string"""


def event_schema() -> StructType:
    """Return the event log's ten columns; needs a running Spark context."""
    schema = StructType.fromDDL(EVENT_COLUMNS)
    assert isinstance(schema, StructType)
    return schema
