"""Makes a dataset's Delta table fit its resolved schema before anything is written."""

import shutil

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.types import StructField, StructType

from dlt_stub.declare.records import AutoCdcFlow, DatasetKind
from dlt_stub.engine.catalog import TableEntry, TableRegistry
from dlt_stub.errors import GraphError
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.graph import ResolvedDataset

RESET_ALLOWED = "pipelines.reset.allowed"


def set_up_table(
    dataset: ResolvedDataset, *, place: PipelinePlace, spark: SparkSession, registry: TableRegistry
) -> None:
    """Create the dataset's table, or add the columns it lacks; commit nothing when it fits.

    Raises:
        GraphError: a column has changed its type, which needs a full refresh.
    """
    catalog, schema, name = place.full_name(dataset.name)
    location = place.table(dataset.name)
    _finish_reset(dataset, place=place)
    registry.put(
        TableEntry(
            catalog=catalog,
            schema=schema,
            name=name,
            location=str(location),
            kind=dataset.kind.value,
            pipeline_id=place.pipeline_id,
        )
    )
    if not DeltaTable.isDeltaTable(spark, str(location)):
        _create(dataset, str(location), spark)
    elif dataset.kind is not DatasetKind.MATERIALIZED_VIEW:
        _add_columns(dataset, str(location), spark)


def reset_table(dataset: ResolvedDataset, *, place: PipelinePlace) -> bool:
    """Forget the dataset's rows and the progress of its flows, unless its properties forbid it.

    Source: docs "Pipeline properties", pipelines.reset.allowed, 2026-11-24.
    """
    if dataset.dataset.table_properties.get(RESET_ALLOWED, "true").lower() == "false":
        return False
    marker = place.reset_marker(dataset.name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    _finish_reset(dataset, place=place)
    return True


def _finish_reset(dataset: ResolvedDataset, *, place: PipelinePlace) -> None:
    # Rows without progress, or progress without rows, would lose data: the marker makes it whole.
    marker = place.reset_marker(dataset.name)
    if not marker.exists():
        return
    for folder in (
        place.target(dataset.name),
        place.auxiliary(dataset.name),
        place.table(dataset.name),
    ):
        if folder.exists():
            shutil.rmtree(folder)
    marker.unlink()


def _create(dataset: ResolvedDataset, location: str, spark: SparkSession) -> None:
    builder = DeltaTable.createIfNotExists(spark).location(location).addColumns(_nullable(dataset))
    if dataset.dataset.comment:
        builder = builder.comment(dataset.dataset.comment)
    if dataset.dataset.partition_columns:
        builder = builder.partitionedBy(*dataset.dataset.partition_columns)
    if dataset.dataset.cluster_by:
        builder = builder.clusterBy(*dataset.dataset.cluster_by)
    properties = dict(dataset.dataset.table_properties)
    if any(isinstance(flow.flow, AutoCdcFlow) for flow in dataset.flows):
        # Without them a MERGE rewrites whole files for a handful of keys.
        properties.setdefault("delta.enableDeletionVectors", "true")
    for key, value in properties.items():
        builder = builder.property(key, value)
    builder.execute()


def _add_columns(dataset: ResolvedDataset, location: str, spark: SparkSession) -> None:
    stored = DataFrameReader(spark).format("delta").load(location).schema
    known = {field.name.lower(): field for field in stored.fields}
    new: list[StructField] = []
    for field in dataset.schema.fields:
        existing = known.get(field.name.lower())
        if existing is None:
            new.append(field)
        elif existing.dataType != field.dataType:
            raise GraphError(
                f"column '{field.name}' of '{dataset.name}' is stored as "
                f"{existing.dataType.simpleString()}, its query now gives "
                f"{field.dataType.simpleString()}",
                origin=dataset.dataset.origin,
                hint=f"a full refresh of {dataset.name} makes it anew: --full-refresh-selection "
                f"{dataset.name}",
            )
    if new:
        spark.createDataFrame([], StructType(new)).write.format("delta").mode("append").option(
            "mergeSchema", "true"
        ).save(location)


def _nullable(dataset: ResolvedDataset) -> StructType:
    return StructType(
        [StructField(field.name, field.dataType, True, field.metadata) for field in dataset.schema]
    )
