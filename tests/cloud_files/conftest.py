import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql.types import StructType

from dlt_stub.cloud_files import CloudFilesSource, CloudFilesState, FileBatch


@dataclass(slots=True)
class Landing:
    """A landing folder, the source over it, and the state of one flow."""

    spark: SparkSession
    folder: Path
    flow: Path
    options: dict[str, str] = field(default_factory=dict)
    schema: StructType | str | None = None
    _clock_ms: int = 1_700_000_000_000

    def land(self, name: str, text: str | bytes) -> Path:
        """Write a file whose time is later than those of all before it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self._clock_ms += 1_000
        os.utime(path, ns=(self._clock_ms * 1_000_000,) * 2)
        return path

    @property
    def source(self) -> CloudFilesSource:
        return CloudFilesSource.parse(
            options={"cloudFiles.format": "csv"} | self.options,
            path=str(self.folder),
            schema=self.schema,
            origin=None,
        )

    @property
    def state(self) -> CloudFilesState:
        return CloudFilesState(self.flow)

    def columns(self) -> str:
        schema = self.source.current_schema(self.spark, self.state)
        return ", ".join(f"{column.name} {column.dataType.simpleString()}" for column in schema)

    def plan(self) -> list[FileBatch]:
        state = self.state
        schema = self.source.current_schema(self.spark, state)
        plan = self.source.plan(self.spark, state, schema)
        plan.refused.raise_if_any(None)
        return list(plan.batches)

    def ingest(self) -> list[Row]:
        """Do all batches to the end and return their rows, file names included."""
        source, state = self.source, self.state
        rows: list[Row] = []
        schema = source.current_schema(self.spark, state)
        plan = source.plan(self.spark, state, schema)
        for batch in plan.batches:
            frame = source.read(self.spark, state, batch)
            found = frame.select("*", "_metadata.file_name").collect()
            assert not (batch.is_empty and found)
            state.commit(batch, {"num_output_rows": len(found)})
            rows += found
        plan.refused.raise_if_any(None)
        return rows


@pytest.fixture
def landing(spark: SparkSession, tmp_path: Path) -> Landing:
    folder = tmp_path / "in"
    folder.mkdir()
    return Landing(spark, folder, tmp_path / "flow")


@pytest.fixture
def northwind() -> Path:
    """The real orders file, where this checkout has it beside it."""
    default = Path(__file__).parents[2].parent / "shared"
    path = Path(os.environ.get("DLT_STUB_SHARED", default)) / "data/northwind/orders.csv"
    if not path.exists():
        pytest.skip("no northwind/orders.csv beside this checkout; set DLT_STUB_SHARED")
    return path
