"""One round of maintenance, after an update and under its pipeline's lock."""

import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pyspark.sql import SparkSession

from dlt_stub.atomic import read_json, write_json
from dlt_stub.clock import Clock
from dlt_stub.cloud_files import FEW_SEGMENTS, CloudFilesState, is_ledger_long
from dlt_stub.engine.delta_log import TableUpkeep, read_table_upkeep
from dlt_stub.errors import StateError
from dlt_stub.events import MERGE_AT, EventLog, Level, error_body, merge, newest_in
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.progress import source_of_files
from dlt_stub.flows.sessions import private_session
from dlt_stub.graph import Graph
from dlt_stub.maintenance.readers import EventReaders
from dlt_stub.maintenance.table_logs import KEPT_COMMITS, cut_log
from dlt_stub.maintenance.tables import (
    FEW_FILES,
    SETTINGS,
    Kept,
    is_crowded,
    is_vacuum_due,
    optimize,
    vacuum,
    waits_for_reader,
)

MAINTENANCE: Final = "dlt_stub.maintenance"  # configuration; "false" switches all of it off
EVENTS_KEPT: Final = timedelta(days=60)
_FORMAT: Final = 1


@dataclass(slots=True, kw_only=True)
class Maintenance:
    """Keeps the tables and logs of one pipeline small; what fails is an event, never an error."""

    place: PipelinePlace
    spark: SparkSession
    log: EventLog
    clock: Clock
    few_files: int = FEW_FILES
    few_event_files: int = MERGE_AT
    few_ledger_files: int = FEW_SEGMENTS
    kept_commits: int = KEPT_COMMITS

    def run(self, graph: Graph) -> None:
        """Do what is due, and nothing where nothing is.

        The pipeline's lock must be held. Each step is harmless when it is cut short.
        """
        self._step("event log", self._events)
        self._step("tables", lambda: self._tables(graph))
        self._step("file ledgers", lambda: self._ledgers(graph))
        self.log.flush()

    def _step(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._tell(
                "FAILED",
                f"Maintenance of the {what} failed and is tried again after the next update: "
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                error=error,
            )

    def _events(self) -> None:
        folder = self.place.event_log
        if sum(1 for _ in folder.glob("[0-9]*.json")) < self.few_event_files:
            return
        readers = EventReaders.of(self.place.paths, folder)
        merge(
            folder,
            needs=readers.needs,
            keep_since=self.clock.now() - EVENTS_KEPT,
            newest_in=newest_in,
            merge_at=self.few_event_files,
        )
        readers.forget_gone()

    def _ledgers(self, graph: Graph) -> None:
        for dataset in graph.tables:
            for flow in dataset.flows:
                if flow.analysis.cloud_files is not None:
                    folder = source_of_files(self.place.flow(dataset.name, flow.flow.name))
                    if is_ledger_long(folder, self.few_ledger_files):  # before all of it is read
                        CloudFilesState(folder, self.clock).compact(self.few_ledger_files)

    def _tables(self, graph: Graph) -> None:
        remembered = self._remembered()
        known = dict(remembered)
        own = [each.name for each in graph.tables if not each.is_sink]
        session: SparkSession | None = None
        now = self.clock.now()
        hidden = ((name, self.place.auxiliary(name), True) for name in own)
        for name, path, is_hidden in itertools.chain(
            ((name, self.place.table(name), False) for name in own), hidden
        ):
            table = read_table_upkeep(self.spark, str(path)) if path.exists() else None
            if table is None:
                continue
            key = str(path.relative_to(self.place.paths.root))
            kept = known.get(key, Kept())
            if kept.vacuumed_at is None:
                kept = replace(kept, vacuumed_at=now)
            # The hidden table is compacted by whom it belongs to: its rows become fewer, too.
            if not is_hidden and is_crowded(table, kept, self.few_files):
                session = session or private_session(self.spark, SETTINGS)
                left = optimize(session, path)
                kept = replace(kept, num_files=left)
                self._tell(
                    "COMPLETED",
                    f"OPTIMIZE of '{name}': {table.num_files} files became {left}.",
                    operation="OPTIMIZE",
                    dataset=name,
                )
            if is_vacuum_due(kept, now):
                session = session or private_session(self.spark, SETTINGS)
                self._vacuum(session, name, path, table, now)
                kept = replace(kept, vacuumed_at=now)
            known[key] = kept
            cut_log(path, table, self.place.paths, self.kept_commits)
        if known != remembered:
            self._remember(known)

    def _vacuum(
        self, session: SparkSession, name: str, path: Path, table: TableUpkeep, now: datetime
    ) -> None:
        needed = waits_for_reader(path, table, self.place.paths, now)
        if needed is None:
            vacuum(session, path)
            hours = table.keeps_removed_seconds / 3600
            what = f"kept what was removed in the last {hours:.0f} hours."
        else:
            what = f"waits: a stream of this workspace has still to read from version {needed} on."
        self._tell("COMPLETED", f"VACUUM of '{name}' {what}", operation="VACUUM", dataset=name)

    def _tell(
        self,
        state: str,
        message: str,
        *,
        operation: str | None = None,
        dataset: str | None = None,
        error: Exception | None = None,
    ) -> None:
        """Emit one ``maintenance_progress``; its fields are assumed, as no document shows them."""
        body: dict[str, Any] = {"state": state}
        if operation:
            body["operation"] = operation
        origin: Mapping[str, Any] = {"maintenance_id": str(uuid.uuid4())}
        if dataset:
            origin = {**origin, "dataset_name": dataset, "table_name": dataset}
        self.log.emit(
            "maintenance_progress",
            message,
            body=body,
            origin=origin,
            level=Level.INFO if error is None else Level.WARN,
            maturity_level="EVOLVING",
            error=None if error is None else error_body(error, fatal=False),
        )

    @property
    def _file(self) -> Path:
        return self.place.paths.pipeline(self.place.pipeline_id) / "maintenance.json"

    def _remembered(self) -> dict[str, Kept]:
        if not self._file.exists():
            return {}
        try:
            found = read_json(self._file)
            if found.get("format") != _FORMAT:
                return {}
            return {
                name: Kept(
                    num_files=int(each["num_files"]),
                    vacuumed_at=datetime.fromisoformat(each["vacuumed_at"]),
                )
                for name, each in found["tables"].items()
            }
        except (StateError, KeyError, TypeError, ValueError, AttributeError):
            return {}  # it only says when to look again

    def _remember(self, known: Mapping[str, Kept]) -> None:
        tables = {
            name: {"num_files": each.num_files, "vacuumed_at": each.vacuumed_at.isoformat()}
            for name, each in known.items()
            if each.vacuumed_at is not None
        }
        write_json(self._file, {"format": _FORMAT, "tables": tables})
