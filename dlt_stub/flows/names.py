"""Where the datasets of one pipeline live, and which name means which."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dlt_stub.declare.reads import reads_or_none
from dlt_stub.declare.records import Dataset
from dlt_stub.declare.registry import user_origin
from dlt_stub.engine.names import SessionNames
from dlt_stub.engine.sql import relations
from dlt_stub.errors import NotEmulatedError
from dlt_stub.paths import WorkspacePaths, segment


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlace:
    """The catalog, schema and folders of one pipeline."""

    paths: WorkspacePaths
    pipeline_id: str
    catalog: str
    schema: str
    event_log_name: tuple[str, str, str] | None = None  # where the event log is published

    @property
    def event_log(self) -> Path:
        """The folder of the event log's segments."""
        return self.paths.pipeline(self.pipeline_id) / "event_log"

    @property
    def lock(self) -> Path:
        """The file whose lock an update holds."""
        return self.paths.pipeline(self.pipeline_id) / "lock"

    def flow(self, target: str, flow: str) -> Path:
        """Return the folder of one flow's checkpoint and sources."""
        return self.target(target) / segment(flow)

    def target(self, target: str) -> Path:
        """Return the folder that holds the state of every flow into ``target``."""
        return self.paths.pipeline(self.pipeline_id) / "flows" / segment(target)

    def reset_marker(self, target: str) -> Path:
        """Return the file that stands while a full refresh of ``target`` is being carried out."""
        return self.paths.pipeline(self.pipeline_id) / "resets" / segment(target)

    def full_name(self, dataset: str) -> tuple[str, str, str]:
        """Return the catalog, schema and table of a dataset name of one to three levels."""
        parts = split_name(dataset)
        return (
            (self.catalog, self.schema, *parts)[-3:]
            if len(parts) == 1
            else ((self.catalog, *parts) if len(parts) == 2 else (parts[0], parts[1], parts[2]))
        )

    def table(self, dataset: str) -> Path:
        """Return the folder of a dataset's Delta table."""
        return self.paths.table(*self.full_name(dataset))

    def auxiliary(self, dataset: str) -> Path:
        """Return the folder of the hidden Delta table that ``apply_changes`` keeps beside it."""
        catalog, schema, name = self.full_name(dataset)
        return self.paths.table(catalog, schema, f"__dlt_cdc_{name}")

    def dataset_called(self, name: str, datasets: Mapping[str, Dataset]) -> str | None:
        """Return the declared dataset that ``name`` means, whatever levels it is written with."""
        wanted = tuple(part.lower() for part in self.full_name(name))
        for declared in datasets:
            if tuple(part.lower() for part in self.full_name(declared)) == wanted:
                return declared
        return None

    def is_event_log(self, name: str) -> bool:
        """Return whether ``name`` is the table this pipeline publishes its event log as."""
        if self.event_log_name is None:
            return False
        wanted = tuple(part.lower() for part in self.event_log_name)
        return tuple(part.lower() for part in self.full_name(name)) == wanted


def split_name(name: str) -> tuple[str, ...]:
    """Return the levels of a dotted name without their quotes; ``LIVE`` is no level."""
    parts = [part.strip("`") for part in name.split(".")]
    return tuple(parts[1:] if parts[0].upper() == "LIVE" and len(parts) > 1 else parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineNames(SessionNames):
    """Names inside the source files of one pipeline."""

    place: PipelinePlace

    def sql(self, text: str) -> str:
        """Return ``text`` with Databricks' functions answered; outside tables are known.

        Raises:
            NotEmulatedError: it reads inside a query function, where the graph would not see it.
        """
        if reads_or_none() is not None and relations(self.session, text):
            raise NotEmulatedError(
                "spark.sql over tables inside a query function is not run locally yet",
                origin=user_origin(),
                hint="spark.read.table(name) or spark.readStream.table(name), then the "
                "DataFrame's own methods",
            )
        return SessionNames.sql(self, text)
