"""A bundle in the test kit's workspace, and its tables read by engines that are not Spark.

What is landed is remembered, so that a test can say what must be in the archive.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from dlt_stub.testing import JobRun, UpdateResult, WorkspaceUnderTest
from samples import orders_feed

ROOT = Path(__file__).parents[2]
JOB = "order_ingest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One content of one file, as it was landed."""

    name: str
    content: bytes
    modified_ms: int


class Shop:
    """A workspace with a landing folder.

    Args:
        storage: The workspace folder; one that exists is gone on with.
        spark: The session of the test process.
        root: The bundle's folder.
        variables: Bundle variables, as ``--var`` gives them.
    """

    def __init__(
        self,
        storage: Path,
        spark: SparkSession,
        *,
        root: Path = ROOT,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.workspace = WorkspaceUnderTest(root, storage=storage, variables=variables, spark=spark)
        self.source = self.workspace.trigger_location(JOB)
        self.archived = self.source.parent / "archive"
        self.deliveries: list[Delivery] = []

    @property
    def updates(self) -> list[UpdateResult]:
        """The updates of all runs, oldest first."""
        return self.workspace.updates

    def land_day(self, day: int, seed: int) -> None:
        """Deliver the sample files of a day."""
        for file in orders_feed.land(self.source, day, seed):
            self._remember(file)

    def put(self, name: str, content: str | bytes) -> Delivery:
        """Deliver a file, whole at once; one of that name is replaced."""
        return self._remember(self.workspace.put(str(self.source / name), content))

    def run(self) -> JobRun:
        """Run the job once and return the run, however it ended."""
        return self.workspace.try_run_job(JOB)

    def run_green(self) -> JobRun:
        """Run the job once, which must succeed."""
        return self.workspace.run_job(JOB)

    def folder(self, table: str) -> Path:
        """Return the folder of a table, auxiliary tables included."""
        return self.workspace.folder(table, pipeline="orders")

    def tables(self) -> list[Path]:
        """Return the folder of every Delta table there is."""
        return sorted(log.parent for log in self.workspace.storage.rglob("_delta_log"))

    def read(self, table: str) -> pa.Table:
        """Return a table's rows as delta-rs reads them, which honours deletion vectors."""
        return read_delta(self.folder(table))

    def rows(self, table: str, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        """Return rows by DuckDB's reading of the same Arrow data, sorted."""
        return query(f"SELECT {columns} FROM t WHERE {where} ORDER BY ALL", t=self.read(table))

    def archive_listing(self) -> dict[Path, bytes]:
        """Return path -> content of every file below the archive."""
        return {f: f.read_bytes() for f in sorted(self.archived.rglob("*")) if f.is_file()}

    def source_listing(self) -> list[str]:
        """Return the names of the files that are still to be archived."""
        return sorted(f.name for f in self.source.rglob("*") if f.is_file())

    def _remember(self, file: Path) -> Delivery:
        delivery = Delivery(
            name=file.name,
            content=file.read_bytes(),
            modified_ms=file.stat().st_mtime_ns // 1_000_000,
        )
        self.deliveries.append(delivery)
        return delivery


def read_delta(folder: Path) -> pa.Table:
    """Return the rows of a Delta table as delta-rs reads them."""
    reader = QueryBuilder().register("t", DeltaTable(folder)).execute("SELECT * FROM t")
    return pa.table(reader.read_all())


def transactions(folder: Path) -> list[tuple[str, int]]:
    """Return the application id and batch number of every commit that has them, oldest first."""
    actions = [
        json.loads(line)
        for commit in sorted((folder / "_delta_log").glob("*.json"))
        for line in commit.read_text(encoding="utf-8").splitlines()
    ]
    return [(a["txn"]["appId"], a["txn"]["version"]) for a in actions if "txn" in a]


def query(sql: str, **tables: pa.Table) -> list[tuple[Any, ...]]:
    """Return what DuckDB says of Arrow tables, times in UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.execute(sql).fetchall()


def differences(actual: pa.Table, expected: pa.Table, columns: Sequence[str]) -> list[Any]:
    """Return the rows that only one of two bags of rows has, a few of each side."""
    names = ", ".join(f'"{name}"' for name in columns)
    sides = {"only in the table": ("a", "e"), "only expected": ("e", "a")}
    return [
        (side, *row)
        for side, (one, other) in sides.items()
        for row in query(
            f"SELECT COLUMNS(*)::VARCHAR FROM (SELECT {names} FROM {one}"
            f" EXCEPT ALL SELECT {names} FROM {other}) LIMIT 3",
            a=actual,
            e=expected,
        )
    ]


def shared_file(path: str) -> Path:
    """Return a file of the data that is handed to this project but is not in it."""
    return Path(os.environ.get("DLT_STUB_SHARED", ROOT.parent / "shared")) / path
