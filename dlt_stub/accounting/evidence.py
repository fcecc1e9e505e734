"""Asks each side what it knows of a cloudFiles flow's files: ledger, disk, tables, record."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from dlt_stub.accounting.places import archived_below, books_of, files_below, notes_below
from dlt_stub.accounting.records import (
    Evidence,
    FoundFile,
    LedgerFile,
    Recorded,
    RowCounts,
    Version,
)
from dlt_stub.cloud_files import CloudFilesState, Refused
from dlt_stub.cloud_files.globs import has_pattern, literal_folder
from dlt_stub.cloud_files.listing import list_files, local_path
from dlt_stub.cloud_files.options import CleanMode
from dlt_stub.declare.records import Action, AutoCdcFlow
from dlt_stub.engine.catalog import quote
from dlt_stub.errors import NotEmulatedError
from dlt_stub.flows.file_batches import source_of
from dlt_stub.flows.progress import generation, source_of_files
from dlt_stub.graph import Graph, ResolvedDataset, ResolvedFlow
from dlt_stub.paths import decode_file_path
from dlt_stub.update.pipeline import Pipeline
from dlt_stub.workspace import Workspace

# Columns that say which delivery a row came from, as pipelines name them.
_VERSION_COLUMNS = (
    ("source_file", "source_file_size", "source_file_modified_at"),
    ("file_path", "file_size", "file_modification_time"),
)
_COUNTS_COLUMNS = ("source_file", "source_file_size", "modified_at", "rows", "accepted")
_RESCUED = "_rescued_data"
_VERSION = ("__path", "__size", "__modified_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One cloudFiles flow of a pipeline, its format and its evidence."""

    file_format: str
    options: Mapping[str, str]
    evidence: Evidence


def collect(workspace: Workspace, key: str, *, since: datetime | None = None) -> list[Source]:
    """Return what is known of the files of every cloudFiles flow of pipeline ``key``.

    With ``since`` only of deliveries last modified then or later: Delta skips the older rows.

    Raises:
        UsageError: there is no such pipeline.
        NotEmulatedError: the files are not on this machine.
        DefinitionError: the pipeline's definitions are wrong.
        StateError: a ledger cannot be trusted.
    """
    pipeline = workspace.pipeline(key)
    graph = pipeline.resolve()
    return [
        _Collector(workspace, pipeline, graph, dataset, flow, since).source()
        for dataset in graph.tables
        for flow in dataset.flows
        if flow.analysis.cloud_files is not None
    ]


class _Collector:
    def __init__(
        self,
        workspace: Workspace,
        pipeline: Pipeline,
        graph: Graph,
        dataset: ResolvedDataset,
        flow: ResolvedFlow,
        since: datetime | None,
    ) -> None:
        assert flow.analysis.cloud_files is not None
        self.workspace, self.pipeline, self.graph = workspace, pipeline, graph
        self.dataset, self.flow, self.since = dataset, flow, since
        self.request = flow.analysis.cloud_files
        self.columns = _version_columns(dataset.schema.names)
        self.notes: list[str] = []
        self.folder = ""  # that all files of the source lie in

    def source(self) -> Source:
        root = local_path(self.request.path)
        if root is None:
            raise NotEmulatedError(
                f"the files of {self.request.path!r} are not on this machine",
                hint="dlt-stub reconcile compares files with tables where both are local",
            )
        root = os.path.normpath(root)
        self.folder = literal_folder(root) if has_pattern(root) else root
        options = source_of(self.request).options
        books = books_of(self.workspace.bundle, self.pipeline.place.paths, root)
        flow_folder = self.pipeline.place.flow(self.flow.flow.target, self.flow.flow.name)
        ledger = CloudFilesState(source_of_files(flow_folder))
        held, change = self._quarantine(), self._changes()
        if books is not None and (unrecorded := notes_below(books.archive)):
            self.notes.append(
                f"{unrecorded} interrupted runs of the archive task left moves to be recorded: the "
                "next run does it"
            )
        if self.columns is None:
            self.notes.append(
                f"{self.dataset.name} does not say which file a row came from: only files are "
                "compared (columns source_file, source_file_size and source_file_modified_at, "
                "taken from _metadata, would tell)"
            )
        evidence = Evidence(
            table=self.dataset.name,
            source=root,
            since_ms=None if self.since is None else round(self.since.timestamp() * 1000),
            ledger=tuple(self._ledger(ledger)),
            in_source=tuple(self._in_source(root)),
            in_archive=(
                *(archived_below(books.archive, root) if books else ()),
                *self._moved(ledger),
            ),
            records=tuple(self._records(books.record, books.archive, root))
            if books and books.record
            else (),
            rows=self._rows(),
            accepted=self._accepted(),
            quarantined=self._held(held),
            keys_missing=self._keys_missing(held, change),
            target=change.target if change else None,
            tells_rows=self._tells_rows(),
            is_reset=generation(flow_folder) is not None,
            notes=tuple(self.notes),
        )
        return Source(
            file_format=options.format.value,
            options={**self.request.options, "header": str(options.has_header).lower()},
            evidence=evidence,
        )

    def _tells_rows(self) -> bool:
        drops = [e for e in self.dataset.dataset.expectations if e.action is not Action.WARN]
        if drops:
            self.notes.append(
                f"{self.dataset.name} drops rows by expectations: a file's rows are not compared "
                "with the table's"
            )
        return not drops

    def _ledger(self, state: CloudFilesState) -> Iterator[LedgerFile]:
        for file in state.files():
            version = Version(
                local_path(file.path) or file.path,
                file.size,
                round(file.modified_at.timestamp() * 1000),
            )
            yield LedgerFile(
                version=version,
                is_committed=file.committed_at is not None,
                removed=file.archive_mode == CleanMode.DELETE,
                moved_to=file.move_location,
            )

    def _moved(self, state: CloudFilesState) -> Iterator[FoundFile]:
        """Yield the files that cleanSource moved, where they still are."""
        for file in self._ledger(state):
            if file.moved_to is not None and Path(file.moved_to).is_file():
                seen = Path(file.moved_to).stat()
                yield FoundFile(
                    path=file.moved_to,
                    size=seen.st_size,
                    modified_ms=seen.st_mtime_ns // 1_000_000,
                    origin=file.version.path,
                )

    def _in_source(self, root: str) -> list[FoundFile]:
        if not has_pattern(root):
            return files_below(Path(root))
        options = source_of(self.request).options
        found = list_files(
            self.pipeline.spark, self.request.path, options, self.request.origin, Refused()
        )
        return [
            FoundFile(
                path=each.path, size=each.size, modified_ms=each.modified_ms, origin=each.path
            )
            for each in found
        ]

    def _stored(self, name: str) -> DataFrame | None:
        """Return a table's rows, or None if it does not exist yet."""
        place = self.pipeline.place
        entry = self.pipeline.registry.find(
            name,
            catalog=place.catalog,
            schema=place.schema,
            pipeline_id=self.pipeline.pipeline_id,
        )
        return None if entry is None else self.pipeline.table(name)

    def _bounded(self, rows: DataFrame, modified_at: str) -> DataFrame:
        return rows if self.since is None else rows.where(F.col(modified_at) >= F.lit(self.since))

    def _versioned(self, rows: DataFrame, columns: Sequence[str]) -> DataFrame:
        """Return the rows since the window's start, with the columns of ``_VERSION`` beside."""
        path, size, modified_at = columns[:3]
        return (
            self._bounded(rows, modified_at)
            .where(F.col(path).isNotNull())
            .withColumns(
                {
                    "__path": F.col(path),
                    "__size": F.col(size).cast("bigint"),
                    "__modified_ms": F.unix_millis(modified_at),
                }
            )
        )

    def _sums(
        self, rows: DataFrame, columns: Sequence[str], /, **sums: Column
    ) -> dict[Version, tuple[int, ...]]:
        found = (
            self._versioned(rows, columns)
            .groupBy(*_VERSION)
            .agg(*(total.alias(name) for name, total in sums.items()))
            .collect()
        )
        return {
            version: tuple(int(n or 0) for n in row[3:])
            for version, row in ((_version(row), row) for row in found)
            if self._is_ours(version)
        }

    def _is_ours(self, version: Version) -> bool:
        """Return whether this flow could have read the file: another may fill the same table."""
        return Path(version.path).is_relative_to(self.folder)

    def _rows(self) -> dict[Version, RowCounts] | None:
        rows = self._stored(self.dataset.name)
        if rows is None or self.columns is None:
            return None
        name = source_of(self.request).options.rescued_column or _RESCUED
        is_rescued = F.col(name).isNotNull() if name in rows.columns else F.lit(False)
        counts = self._sums(
            rows, self.columns, rows=F.count(F.lit(1)), rescued=F.count_if(is_rescued)
        )
        return {v: RowCounts(rows=n, rescued=bad) for v, (n, bad) in counts.items()}

    def _readers(self) -> list[ResolvedDataset]:
        """Return the other tables whose flows read the files' table, behind views or not."""
        return [
            each
            for each in self.graph.tables
            if each.name != self.dataset.name
            and any(self.dataset.name in self.graph.tables_read_by(flow) for flow in each.flows)
        ]

    def _quarantine(self) -> DataFrame | None:
        """Return the table that holds rows back: its property ``quality`` is ``quarantine``."""
        for each in self._readers():
            is_held = each.dataset.table_properties.get("quality") == "quarantine"
            if is_held and self.columns is not None and {*self.columns} <= {*each.schema.names}:
                return self._stored(each.name)
        return None

    def _held(self, held: DataFrame | None) -> dict[Version, int] | None:
        if held is None or self.columns is None:
            return None
        counts = self._sums(held, self.columns, rows=F.count(F.lit(1)))
        return {version: n for version, (n,) in counts.items()}

    def _accepted(self) -> dict[Version, int] | None:
        """Return what the rules said when rows were read, where a table counts it by delivery."""
        for each in self._readers():
            if {*_COUNTS_COLUMNS} <= {*each.schema.names}:
                rows = self._stored(each.name)
                if rows is not None:
                    counts = self._sums(rows, _COUNTS_COLUMNS, accepted=F.sum("accepted"))
                    return {version: n for version, (n,) in counts.items()}
        return None

    def _changes(self) -> AutoCdcFlow | None:
        """Return the flow that applies the files' rows to a target, if its keys can be followed."""
        for each in self._readers():
            for flow in each.flows:
                change = flow.flow
                if (
                    isinstance(change, AutoCdcFlow)
                    and change.where is None
                    and change.apply_as_truncates is None
                    and {*change.keys} <= {*self.dataset.schema.names}
                ):
                    return change
        return None

    def _keys_missing(
        self, held: DataFrame | None, change: AutoCdcFlow | None
    ) -> dict[Version, int] | None:
        """Return how many keys of accepted rows the target lacks, though their last change stays.

        A row counts as accepted if it is not in quarantine; a key whose greatest change is a
        delete is not missed.
        """
        rows, columns = self._stored(self.dataset.name), self.columns
        target = None if change is None else self._stored(change.target)
        if change is None or rows is None or held is None or target is None or columns is None:
            return None
        keys = [F.col(quote(key)).alias(f"__key{n}") for n, key in enumerate(change.keys)]
        names = [f"__key{n}" for n in range(len(keys))]
        bare = self._versioned(rows, columns).select(*_VERSION, *keys).groupBy(*_VERSION, *names)
        back = self._versioned(held, columns).select(*_VERSION, *keys).groupBy(*_VERSION, *names)
        r, h = bare.agg(F.count(F.lit(1)).alias("n")).alias("r"), back.count().alias("h")
        same = [F.col(f"r.{name}").eqNullSafe(F.col(f"h.{name}")) for name in (*_VERSION, *names)]
        taken = (
            r.join(h, same, "left")
            .where("r.n > coalesce(h.count, 0)")
            .select(*(F.col(f"r.{name}").alias(name) for name in (*_VERSION, *names)))
        )
        kept = target.select(*keys).distinct()
        missing = taken.join(kept, names, "left_anti").localCheckpoint()
        if missing.isEmpty():
            return {}
        deletes = F.expr(change.apply_as_deletes) if change.apply_as_deletes else F.lit(False)
        last = F.max(F.struct(F.expr(change.sequence_by).alias("at"), deletes.alias("is_delete")))
        deleted = (
            rows.select(*rows.columns, *keys)
            .join(missing.select(*names).distinct(), names, "left_semi")
            .groupBy(*names)
            .agg(last.alias("last"))
            .where("last.is_delete")
        )
        found = missing.join(deleted, names, "left_anti").groupBy(*_VERSION).count().collect()
        counts = {_version(row): int(row["count"]) for row in found}
        return {version: n for version, n in counts.items() if self._is_ours(version)}

    def _records(self, name: str, archive: Path, root: str) -> Iterator[Recorded]:
        rows = self._stored(name)
        if rows is None:
            return
        columns = ("file", "source_file_size", F.unix_millis("modified_at"))
        more = ("archived_to", "rows_in_file", "sha256")
        for row in self._bounded(rows, "modified_at").select(*columns, *more).collect():
            yield Recorded(
                version=Version(str(Path(root) / row[0]), row[1], row[2]),
                archived_to=str(archive / row[3]),
                rows_in_file=row[4],
                sha256=row[5],
            )


def _version_columns(names: Sequence[str]) -> tuple[str, str, str] | None:
    return next((each for each in _VERSION_COLUMNS if {*each} <= {*names}), None)


def _version(row: Row) -> Version:
    return Version(decode_file_path(row[0]), int(row[1]), int(row[2]))
