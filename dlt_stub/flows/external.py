"""Sinks outside the pipeline: a Delta table by path or name, or a function of the user's."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from dlt_stub.declare.records import ExternalSink
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.catalog import (
    OUTSIDE,
    TableEntry,
    TableRegistry,
    adopt_catalogs,
    name_levels,
)
from dlt_stub.engine.delta_log import read_table_layout
from dlt_stub.engine.names import SessionNames
from dlt_stub.errors import GraphError
from dlt_stub.flows.names import PipelinePlace
from dlt_stub.flows.sinks import Sink, Written
from dlt_stub.graph import ResolvedDataset

_NAMEABLE = re.compile(
    r"\w+\Z", re.ASCII
)  # what Spark's session catalog takes; others stay unknown


def sink_table(sink: ExternalSink, place: PipelinePlace) -> Path | None:
    """Return the folder of the Delta table a sink writes into; None where a function writes."""
    if "path" in sink.options:
        return Path(place.paths.to_local(sink.options["path"]))
    if "tableName" in sink.options:
        return place.table(sink.options["tableName"])
    return None


def set_up_sink(
    dataset: ResolvedDataset, *, place: PipelinePlace, spark: SparkSession, registry: TableRegistry
) -> None:
    """Make the table a sink names, if it is missing: any pipeline and query may read it then.

    Raises:
        GraphError: a pipeline makes that table.
    """
    sink = dataset.dataset.sink
    name = sink.options.get("tableName") if sink is not None else None
    if sink is None or name is None:
        return
    catalog, schema, table = name_levels(name) or ("", "", "")  # declared with three levels
    known = registry.find(name, catalog=catalog, schema=schema, pipeline_id=place.pipeline_id)
    if known is not None and known.kind != OUTSIDE:
        raise GraphError(
            f"sink '{dataset.name}' writes into {name}, a table that a pipeline makes",
            origin=dataset.dataset.origin,
            hint="a sink's table is its own; an append_flow may write into a streaming table",
        )
    location = place.table(name)
    if not location.exists() or read_table_layout(spark, str(location)) is None:
        rows = spark.createDataFrame([], dataset.schema)
        rows.write.format("delta").mode("append").save(str(location))
    registry.put(
        TableEntry(
            catalog=catalog,
            schema=schema,
            name=table,
            location=str(location),
            kind=OUTSIDE,
            pipeline_id=OUTSIDE,
        )
    )


def is_function(dataset: ResolvedDataset) -> bool:
    """Return whether the dataset is a sink that is a function of the user's."""
    return dataset.dataset.sink is not None and dataset.dataset.sink.handler is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeachBatchSink(Sink):
    """Calls the user's function with each batch: at least once, as on Databricks.

    The rows are kept while it runs, so that what the plan observes is counted once however often
    the function evaluates them.
    """

    handler: Any  # whatever takes a DataFrame and the batch's number
    names: SessionNames

    def write(self, batch: DataFrame, version: int) -> Written:
        """Call the function; in the batch's session all tables of the workspace are known."""
        session = batch.sparkSession
        adopt_catalogs(session)
        names = replace(self.names, session=session)
        for entry in names.registry.entries():
            if _NAMEABLE.match(f"{entry.schema}{entry.name}"):
                names.know(entry.quoted)
        user = UserSession(session, names=names)
        batch.persist()
        try:
            batch.count()
            self.handler(DataFrame(batch._jdf, user), version)
        finally:
            batch.unpersist()
        return Written()
