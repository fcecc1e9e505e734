"""Makes a dataset's Delta table fit its resolved dataset before anything is written."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from delta.tables import DeltaTable
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructField, StructType

from dlt_stub.declare.records import AppendFlow, AutoCdcFlow, Dataset, DatasetKind, SnapshotFlow
from dlt_stub.engine.catalog import TableEntry, TableRegistry, quote, run_sql
from dlt_stub.engine.delta_log import TableLayout, read_table_layout
from dlt_stub.errors import DefinitionError, GraphError, NotEmulatedError
from dlt_stub.failpoints import reach
from dlt_stub.flows.failures import reason
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.ways_out import is_reset_allowed, made_anew
from dlt_stub.graph import ResolvedDataset, is_same_type, merged_type

_DATABRICKS_ONLY = frozenset(
    {
        "delta.parquet.compression.codec",
        "delta.targetfilesize",
        "delta.tunefilesizesforrewrites",
    }
)
DELETION_VECTORS = "delta.enableDeletionVectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a materialized view's next content is to be laid out, where its table differs now."""

    partition_columns: tuple[str, ...]
    cluster_by: tuple[str, ...]


def set_up_table(
    dataset: ResolvedDataset, *, place: PipelinePlace, spark: SparkSession, registry: TableRegistry
) -> None:
    """Create the dataset's table, or give it the columns and properties it lacks.

    Nothing is committed when it fits. Properties that are declared no more stay (assumed).

    Raises:
        DefinitionError: Delta refuses a column name or property.
        GraphError: the table was made for another kind of dataset, or a column has changed its
            type, or the partitioning differs, each of which needs a full refresh.
    """
    location = place.table(dataset.name)
    finish_reset(dataset, place=place)
    state = read_table_layout(spark, str(location)) if location.exists() else None
    entry = table_entry(dataset, place=place)
    known = registry.find(
        entry.quoted,
        catalog=entry.catalog,
        schema=entry.schema,
        pipeline_id=place.pipeline_id,
    )
    if state is not None and known is not None and known.kind != dataset.kind.value:
        raise GraphError(
            f"'{dataset.name}' is stored as {known.kind}, its definition now makes it "
            f"{dataset.kind.value}: its rows would be replaced",
            origin=dataset.dataset.origin,
            hint=made_anew(dataset, place, "give it another name"),
        )
    registry.put(entry)
    try:
        if state is None:
            _create(dataset, str(location), spark)
            reach("flows.table_made", dataset.name)
        else:
            _fit(dataset, place, state, spark)
    except (PySparkException, Py4JJavaError) as error:
        raise DefinitionError(
            f"table '{dataset.name}' cannot be made or changed: {reason(error)}",
            origin=dataset.dataset.origin,
        ) from error


def table_entry(dataset: ResolvedDataset, *, place: PipelinePlace) -> TableEntry:
    """Return what the workspace's registry is to know of the dataset's table."""
    catalog, schema, name = place.full_name(dataset.name)
    return TableEntry(
        catalog=catalog,
        schema=schema,
        name=name,
        location=str(place.table(dataset.name)),
        kind=dataset.kind.value,
        pipeline_id=place.pipeline_id,
        is_private=dataset.dataset.is_private,
    )


def _fit(
    dataset: ResolvedDataset, place: PipelinePlace, state: TableLayout, spark: SparkSession
) -> None:
    location = str(place.table(dataset.name))
    if dataset.kind is not DatasetKind.MATERIALIZED_VIEW:
        _check_partitions(dataset, place, state.partition_columns)
        _add_columns(dataset, place, state.schema, spark)
    if not state.partition_columns and _is_clustered_otherwise(dataset, location, spark):
        cluster(spark, Path(location), dataset.dataset.cluster_by)
    _set_properties(dataset, location, state.properties, spark)


def new_layout(
    dataset: ResolvedDataset, *, place: PipelinePlace, spark: SparkSession
) -> Layout | None:
    """Return the layout a materialized view's table must change to, or None where it fits.

    Raises:
        NotEmulatedError: the columns change and the declared schema forbids NULL in some: the
            table would lose that.
    """
    location = str(place.table(dataset.name))
    state = read_table_layout(spark, location)
    columns = dataset.dataset.partition_columns
    is_fitting = (
        state is not None
        and _shape(state.schema) == _shape(dataset.schema)
        and state.partition_columns == columns
    )
    if is_fitting:
        return None
    if not all(field.nullable for field in dataset.schema):
        raise NotEmulatedError(
            f"the columns of materialized view '{dataset.name}' change while its schema has NOT "
            "NULL columns: not run locally yet",
            origin=dataset.dataset.origin,
            hint=made_anew(dataset, place),
        )
    return Layout(partition_columns=columns, cluster_by=dataset.dataset.cluster_by)


def cluster(spark: SparkSession, table: Path, columns: Sequence[str]) -> None:
    """Cluster the Delta table in folder ``table``: a writer's clusterBy is lost on a path."""
    names = ", ".join(quote(column) for column in columns)
    run_sql(spark, f"ALTER TABLE {_by_path(str(table))} CLUSTER BY ({names})")


def _is_clustered_otherwise(dataset: ResolvedDataset, location: str, spark: SparkSession) -> bool:
    wanted = list(dataset.dataset.cluster_by)
    if not wanted:
        return False  # asking Delta runs a query; clustering that is declared no more may stay
    detail = DeltaTable.forPath(spark, location).detail().select("clusteringColumns").collect()
    return list(detail[0][0]) != wanted


def reset_table(dataset: ResolvedDataset, *, place: PipelinePlace) -> bool:
    """Forget the dataset's rows and the progress of its flows, unless its properties forbid it.

    Source: docs "Pipeline properties", pipelines.reset.allowed, 2026-11-24.
    """
    if not is_reset_allowed(dataset.dataset):
        return False
    marker = place.reset_marker(dataset.name)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    reach("flows.reset_marked")
    finish_reset(dataset, place=place)
    return True


def left_out_properties(dataset: Dataset) -> tuple[str, ...]:
    """Return the properties that steer Databricks' own writers, never rows: not set here.

    Source: docs "Delta table properties reference", 2026-11-24.
    """
    return tuple(
        key
        for key, value in dataset.table_properties.items()
        if key.lower() in _DATABRICKS_ONLY
        or (key.lower() == "delta.isolationlevel" and str(value).lower() != "serializable")
    )


def finish_reset(dataset: ResolvedDataset, *, place: PipelinePlace) -> bool:
    """Carry out a reset that was begun, and return whether there was one.

    Rows without progress, or progress without rows, would lose data: the marker makes it whole.
    """
    marker = place.reset_marker(dataset.name)
    if not marker.exists():
        return False
    for folder in (
        place.target(dataset.name),
        place.auxiliary(dataset.name),
        place.table(dataset.name),
    ):
        if folder.exists():
            shutil.rmtree(folder)
        reach("flows.reset_half")
    marker.unlink()
    return True


def _create(dataset: ResolvedDataset, location: str, spark: SparkSession) -> None:
    builder = DeltaTable.createIfNotExists(spark).location(location).addColumns(dataset.schema)
    if dataset.dataset.comment:
        builder = builder.comment(dataset.dataset.comment)
    if dataset.dataset.partition_columns:
        builder = builder.partitionedBy(*dataset.dataset.partition_columns)
    if dataset.dataset.cluster_by:
        builder = builder.clusterBy(*dataset.dataset.cluster_by)
    for key, value in _properties(dataset).items():
        builder = builder.property(key, value)
    builder.execute()


def _properties(dataset: ResolvedDataset) -> dict[str, str]:
    left_out = left_out_properties(dataset.dataset)
    properties = {
        key: str(value)
        for key, value in dataset.dataset.table_properties.items()
        if key not in left_out
    }
    if any(isinstance(flow.flow, AutoCdcFlow | SnapshotFlow) for flow in dataset.flows):
        # Without them a MERGE rewrites whole files for a handful of keys.
        properties.setdefault(DELETION_VECTORS, "true")
    return properties


def _set_properties(
    dataset: ResolvedDataset, location: str, stored: Mapping[str, str], spark: SparkSession
) -> None:
    new = {key: value for key, value in _properties(dataset).items() if stored.get(key) != value}
    if not new:
        return
    pairs = ", ".join(f"{_text(key)} = {_text(value)}" for key, value in new.items())
    run_sql(spark, f"ALTER TABLE {_by_path(location)} SET TBLPROPERTIES ({pairs})")


def _check_partitions(
    dataset: ResolvedDataset, place: PipelinePlace, stored: tuple[str, ...]
) -> None:
    declared = dataset.dataset.partition_columns
    if stored != declared:
        raise GraphError(
            f"'{dataset.name}' is stored partitioned by {list(stored)}, its definition now says "
            f"{list(declared)}",
            origin=dataset.dataset.origin,
            hint=made_anew(dataset, place),
        )


def _add_columns(
    dataset: ResolvedDataset, place: PipelinePlace, stored: StructType, spark: SparkSession
) -> None:
    location = str(place.table(dataset.name))
    known = {field.name.lower(): field for field in stored.fields}
    is_changed = any(not isinstance(flow.flow, AppendFlow) for flow in dataset.flows)
    new: list[StructField] = []
    for field in dataset.schema.fields:
        existing = known.get(field.name.lower())
        if existing is None:
            new.append(StructField(field.name, field.dataType, True, field.metadata))
            continue
        merged = merged_type(existing.dataType, field.dataType)
        # What applies changes merges whole columns: a field that the source lacks has no value.
        is_whole = merged is not None and is_same_type(merged, field.dataType)
        if merged is None or (is_changed and not is_whole):
            raise GraphError(
                f"column '{field.name}' of '{dataset.name}' is stored as "
                f"{existing.dataType.simpleString()}, its query now gives "
                f"{field.dataType.simpleString()}",
                origin=dataset.dataset.origin,
                hint=made_anew(dataset, place),
            )
        if not is_same_type(existing.dataType, merged):
            new.append(StructField(existing.name, merged, True))
    if new:
        spark.createDataFrame([], StructType(new)).write.format("delta").mode("append").option(
            "mergeSchema", "true"
        ).save(location)
        reach("flows.columns_added", dataset.name)


def _shape(schema: StructType) -> list[tuple[str, str]]:
    return [(field.name, field.dataType.simpleString()) for field in schema]


def _by_path(location: str) -> str:
    return f"delta.{quote(location)}"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
