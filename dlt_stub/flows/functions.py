"""Databricks' table functions over what the workspace keeps: event logs and file ledgers."""

import uuid

from pyspark.sql import SparkSession
from pyspark.sql.readwriter import DataFrameReader

from dlt_stub.cloud_files import CloudFilesState, IngestedFile
from dlt_stub.engine.catalog import TableEntry, TableRegistry
from dlt_stub.engine.names import CLOUD_FILES_STATE, EVENT_LOG, table_argument
from dlt_stub.engine.sql import TableFunctionCall
from dlt_stub.errors import NotEmulatedError
from dlt_stub.events import READ_MODE, event_schema, listing
from dlt_stub.flows.names import flows_folder
from dlt_stub.flows.progress import source_of_files
from dlt_stub.paths import WorkspacePaths

FILES_COLUMNS = """path string, size bigint, create_time timestamp, discovery_time timestamp,
processed_time timestamp, commit_time timestamp, archive_time timestamp, archive_mode string,
move_location string, source_id string, flow_name string"""


class WorkspaceFunctions:
    """Answers ``event_log(...)`` and ``cloud_files_state(...)`` with temporary views."""

    def __init__(
        self, paths: WorkspacePaths, registry: TableRegistry, *, catalog: str, schema: str
    ) -> None:
        self._paths = paths
        self._registry = registry
        self._catalog = catalog
        self._schema = schema

    def __call__(self, session: SparkSession, call: TableFunctionCall) -> str | None:
        """Return the name of a view that holds what ``call`` returns, or None for Spark's own.

        Raises:
            UsageError: the table is not one of this workspace.
        """
        name = call.name[-1].lower()
        if name == EVENT_LOG:
            return self._event_log(session, table_argument(call))
        if name == CLOUD_FILES_STATE:
            return self._cloud_files_state(session, table_argument(call))
        return None

    def _event_log(self, session: SparkSession, argument: str) -> str:
        pipeline = self._paths.pipeline(argument) if "." not in argument else None
        if pipeline is None or not pipeline.exists():
            pipeline = self._paths.pipeline(self._entry(argument).pipeline_id)
        log = pipeline / "event_log"
        with listing(log):
            reader = DataFrameReader(session).schema(event_schema())
            frame = reader.json(str(log), mode=READ_MODE)
        view = f"__dlt_event_log_{uuid.uuid4().hex[:8]}"
        frame.createOrReplaceTempView(view)
        return view

    def _cloud_files_state(self, session: SparkSession, argument: str) -> str:
        """Make a view of the files that flows into a table have found.

        Databricks leaves the times from ``processed_time`` on empty in runtimes below 18.2 unless
        ``cleanSource`` is on; here they are always there. ``create_time`` is the time the file was
        last written, which is all that a file system tells.

        Source: Databricks, "cloud_files_state table-valued function", checked 2026-11-24.
        """
        if "/" in argument:
            raise NotEmulatedError(
                f"cloud_files_state('{argument}') of a checkpoint's path is not emulated",
                hint="cloud_files_state(TABLE(catalog.schema.table))",
            )
        entry = self._entry(argument)
        table = (entry.catalog, entry.schema, entry.name)
        flows = flows_folder(self._paths, entry.pipeline_id, table)
        states = [
            (flow.name, CloudFilesState(source_of_files(flow)))
            for flow in flows.glob("*")
            if source_of_files(flow).exists()
        ]
        rows = [
            self._file_row(file, flow)
            for flow, state in sorted(states, key=lambda each: each[0])
            # A path stands there once, as the last of its versions that was found.
            for file in {file.path: file for file in state.files()}.values()
        ]
        view = f"__dlt_cloud_files_state_{uuid.uuid4().hex[:8]}"
        session.createDataFrame(rows, FILES_COLUMNS).createOrReplaceTempView(view)
        return view

    def _file_row(self, file: IngestedFile, flow: str) -> dict[str, object]:
        return {
            "path": self._paths.to_volume(file.path),
            "size": file.size,
            "create_time": file.modified_at,
            "discovery_time": file.discovered_at,
            "processed_time": file.committed_at,
            "commit_time": file.committed_at,
            "archive_time": file.archived_at,
            "archive_mode": file.archive_mode,
            "move_location": file.move_location and self._paths.to_volume(file.move_location),
            "source_id": "0",
            "flow_name": flow,
        }

    def _entry(self, table: str) -> TableEntry:
        entry = self._registry.find(table, catalog=self._catalog, schema=self._schema)
        if entry is None:
            raise self._registry.unknown(table)
        return entry
