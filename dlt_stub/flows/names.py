"""Where the datasets of one pipeline live, and which name means which."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dlt_stub.declare.records import Dataset
from dlt_stub.declare.registry import user_origin
from dlt_stub.engine.catalog import name_levels
from dlt_stub.errors import DefinitionError
from dlt_stub.paths import WorkspacePaths, segment


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlace:
    """The catalog, schema and folders of one pipeline."""

    paths: WorkspacePaths
    pipeline_id: str
    catalog: str
    schema: str
    event_log_name: tuple[str, str, str] | None = None  # where the event log is published
    pipeline_key: str = "PIPELINE"  # what the command line calls it

    def command(self, option: str, names: Iterable[str]) -> str:
        """Return the command that updates the pipeline with ``option`` of ``names``."""
        return f"dlt-stub run {self.pipeline_key} {option} {','.join(names)}"

    @property
    def event_log(self) -> Path:
        """The folder of the event log's segments."""
        return self.paths.pipeline(self.pipeline_id) / "event_log"

    @property
    def lock(self) -> Path:
        """The file whose lock an update holds."""
        return self.paths.pipeline(self.pipeline_id) / "lock"

    @property
    def flows(self) -> Path:
        """The folder that holds, by target, the state of every flow."""
        return self.paths.pipeline(self.pipeline_id) / "flows"

    def flow(self, target: str, flow: str) -> Path:
        """Return the folder of one flow's checkpoint and sources."""
        return self.target(target) / segment(flow)

    def target(self, target: str) -> Path:
        """Return the folder that holds the state of every flow into ``target``."""
        return flows_folder(self.paths, self.pipeline_id, self.full_name(target))

    def reset_marker(self, target: str) -> Path:
        """Return the file that stands while a full refresh of ``target`` is being carried out."""
        name = ".".join(self.full_name(target))
        return self.paths.pipeline(self.pipeline_id) / "resets" / segment(name)

    def full_name(self, dataset: str) -> tuple[str, str, str]:
        """Return the catalog, schema and table of a dataset name of one to three levels.

        Raises:
            DefinitionError: it is no such name.
        """
        parts = split_name(dataset)
        if len(parts) == 1:
            return self.catalog, self.schema, parts[0]
        return (self.catalog, *parts) if len(parts) == 2 else (parts[0], parts[1], parts[2])

    def table(self, dataset: str) -> Path:
        """Return the folder of a dataset's Delta table."""
        return self.paths.table(*self.full_name(dataset))

    def key(self, dataset: str) -> tuple[str, ...]:
        """Return what two names of one table have in common."""
        return tuple(part.lower() for part in self.full_name(dataset))

    def auxiliary(self, dataset: str) -> Path:
        """Return the folder of the hidden Delta table that ``apply_changes`` keeps beside it."""
        catalog, schema, name = self.full_name(dataset)
        return self.paths.table(catalog, schema, f"__dlt_cdc_{name}")

    def dataset_called(self, name: str, datasets: Mapping[str, Dataset]) -> str | None:
        """Return the declared dataset that ``name`` means, whatever levels it is written with."""
        return self.name_among(name, datasets)

    def name_among(self, name: str, known: Iterable[str]) -> str | None:
        """Return the one of ``known`` that ``name`` means, whatever levels it is written with."""
        levels = name_levels(name)
        if levels is None or len(levels) > 3:
            return None
        wanted = self.key(name)
        return next((each for each in known if self._is_called(each, wanted)), None)

    def _is_called(self, name: str, wanted: tuple[str, ...]) -> bool:
        levels = name_levels(name)  # a flow's name need be no table's
        return levels is not None and len(levels) <= 3 and self.key(name) == wanted

    def is_event_log(self, name: str) -> bool:
        """Return whether ``name`` is the table this pipeline publishes its event log as."""
        if self.event_log_name is None:
            return False
        wanted = tuple(part.lower() for part in self.event_log_name)
        return tuple(part.lower() for part in self.full_name(name)) == wanted


def split_name(name: str) -> tuple[str, ...]:
    """Return the levels of a dotted name without their quotes; ``LIVE`` is no level.

    Raises:
        DefinitionError: it is no name of one to three levels.
    """
    parts = name_levels(name)
    if parts is not None and len(parts) > 1 and parts[0].upper() == "LIVE":
        parts = parts[1:]
    if parts is None or len(parts) > 3:
        raise DefinitionError(
            f"{name!r} is no name of a dataset; allowed: name, schema.name, catalog.schema.name",
            origin=user_origin(),
            hint="other characters stand in backticks: `my-table`",
        )
    return parts


def flows_folder(paths: WorkspacePaths, pipeline_id: str, table: tuple[str, str, str]) -> Path:
    """Return the folder that holds the state of every flow into ``table``."""
    return paths.pipeline(pipeline_id) / "flows" / segment(".".join(table))
