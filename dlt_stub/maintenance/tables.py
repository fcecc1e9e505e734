"""OPTIMIZE and VACUUM of the tables of a pipeline, when they are worth it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from dlt_stub.engine.delta_log import TableUpkeep, read_table_upkeep
from dlt_stub.failpoints import reach
from dlt_stub.maintenance.readers import oldest_needed_version
from dlt_stub.paths import WorkspacePaths

MANAGED: Final = "pipelines.autoOptimize.managed"
FEW_FILES: Final = 24  # more than were left by the last OPTIMIZE before there is another
GOOD_BYTES: Final = 32 * 2**20  # a file of so many bytes is left as it is
VACUUM_EVERY: Final = timedelta(hours=24)
SETTINGS: Final = {
    "spark.databricks.delta.optimize.minFileSize": str(GOOD_BYTES),
    "spark.databricks.delta.optimize.maxFileSize": str(4 * GOOD_BYTES),
}
_MARGIN: Final = timedelta(hours=1)  # between a file's removal and the commit that says so


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is remembered of one table between updates."""

    num_files: int = 0  # that the last OPTIMIZE left
    vacuumed_at: datetime | None = None  # or first seen


def is_crowded(table: TableUpkeep, kept: Kept, few_files: int) -> bool:
    """Return whether the table has enough small files for an OPTIMIZE, and has it switched on.

    Source: docs "Pipeline properties reference", pipelines.autoOptimize.managed, which is true
    unless it is set; seen quoted in public pipelines, 2026-11-24. When Databricks finds it
    worthwhile is its own affair: the numbers here are ours.
    """
    is_managed = table.properties.get(MANAGED, "true").strip().lower() != "false"
    small = table.num_files - table.size_bytes // GOOD_BYTES
    return is_managed and small > few_files and table.num_files > kept.num_files + few_files


def optimize(spark: SparkSession, path: Path) -> int:
    """Rewrite the table's small files into few, by its clustering where it has one; rows stay.

    Returns how many files it has then.
    """
    DeltaTable.forPath(spark, str(path)).optimize().executeCompaction()
    reach("maintenance.optimized")
    table = read_table_upkeep(spark, str(path))
    return 0 if table is None else table.num_files


def is_vacuum_due(kept: Kept, now: datetime) -> bool:
    """Return whether the table has gone a day without VACUUM.

    Source: docs "Predictive optimization" (VACUUM runs by itself); the day is assumed.
    """
    return kept.vacuumed_at is not None and now - kept.vacuumed_at >= VACUUM_EVERY


def waits_for_reader(
    path: Path, table: TableUpkeep, paths: WorkspacePaths, now: datetime
) -> int | None:
    """Return the version that a stream has still to read, where VACUUM would take its files.

    That is one older than what the table's retention keeps. Whether a longer retention than the
    table's own may be given differs between versions of Delta (4.4 ignores it, tried), so VACUUM
    waits for the stream.
    """
    needed = oldest_needed_version(paths, table.table_id)
    if needed is None:
        return None
    keeps = timedelta(seconds=table.keeps_removed_seconds)
    return needed if _age(path, needed, table.version, now) > keeps else None


def vacuum(spark: SparkSession, path: Path) -> None:
    """Remove files that no version within the table's retention names."""
    DeltaTable.forPath(spark, str(path)).vacuum()
    reach("maintenance.vacuumed")


def _age(path: Path, version: int, newest: int, now: datetime) -> timedelta:
    """Return how long ago ``version`` was committed; nothing is waited for that is not there."""
    commit = path / "_delta_log" / f"{version:020d}.json"
    # Where Delta has cleaned its log up to there, the stream cannot go on from it anyway; a version
    # that is still to come means that the stream has read all there is.
    if version > newest or not commit.exists():
        return timedelta(0)
    return now - datetime.fromtimestamp(commit.stat().st_mtime, UTC) + _MARGIN
