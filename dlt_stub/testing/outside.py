"""Tables that stand outside the pipeline: a test fills them, the pipeline reads them."""

from collections.abc import Iterable, Mapping

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub.engine.catalog import OUTSIDE, TableEntry, TableRegistry, name_levels
from dlt_stub.errors import UsageError
from dlt_stub.paths import WorkspacePaths
from dlt_stub.testing.rows import RowSpelling, first_line, typed_frame


def write_outside_table(
    spark: SparkSession,
    rows: Iterable[RowSpelling],
    *,
    name: tuple[str, str, str],
    schema: StructType | str | None,
    properties: Mapping[str, str],
    replace: bool,
    paths: WorkspacePaths,
    registry: TableRegistry,
) -> None:
    """Append rows to a Delta table of the workspace in one commit; it is made when missing.

    Without ``schema`` the rows have the table's own columns.

    Raises:
        UsageError: a pipeline makes that table, or a table that does not exist has no schema.
    """
    catalog, space, table = name
    location = str(paths.table(*name))
    known = registry.find(".".join(f"`{part}`" for part in name), catalog=catalog, schema=space)
    if known is not None and known.kind != OUTSIDE:
        raise UsageError(
            f"table {known.full_name} is made by a pipeline and cannot be fed",
            hint="feed what the pipeline reads, or leave the file that makes it out of source",
        )
    if schema is None:
        if known is None:
            raise UsageError(
                f"table {'.'.join(name)} does not exist yet, so its rows need a schema",
                hint='schema="id INT, name STRING"',
            )
        schema = spark.read.format("delta").load(location).schema
    kind = StructType.fromDDL(schema) if isinstance(schema, str) else schema
    assert isinstance(kind, StructType)  # fromDDL of columns
    frame = typed_frame(spark, kind, rows, name=f"table {table}").coalesce(1)
    writer = frame.write.format("delta").mode("overwrite" if replace else "append")
    writer = writer.option("overwriteSchema" if replace else "mergeSchema", "true")
    if known is None:
        writer = writer.options(**properties)
    try:
        writer.save(location)
    except PySparkException as error:
        raise UsageError(
            f"rows cannot be written to table {'.'.join(name)}: {first_line(error)}"
        ) from error
    registry.put(
        TableEntry(
            catalog=catalog,
            schema=space,
            name=table,
            location=location,
            kind=OUTSIDE,
            pipeline_id=OUTSIDE,
        )
    )


def three_levels(name: str, *, catalog: str, schema: str) -> tuple[str, str, str]:
    """Return the catalog, schema and table of a name of one to three levels.

    Raises:
        UsageError: it is no such name.
    """
    parts = name_levels(name) or ()
    if not 1 <= len(parts) <= 3:
        raise UsageError(f"{name!r} is no name of a table", hint="name, schema.name or all three")
    full = (catalog, schema, *parts)[-3:] if len(parts) == 1 else (catalog, *parts)[-3:]
    return full[0], full[1], full[2]
