"""``orders_stage`` becomes ``orders_target``, the latest state of each order; the rest is held.

A row is accepted or quarantined, never both and never neither: both sides use the same conditions,
which are never NULL.
"""

from collections.abc import Callable

import dlt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from expectations.rules import quoted
from pipelines.feed import TECHNICAL_COLUMNS, feed_from

feed = feed_from(spark.conf)

Query = Callable[[], DataFrame]


def stop_on(rules: dict[str, str]) -> Callable[[Query], Query]:
    """Return the decorator for fail rules, which does nothing when there are none."""
    return dlt.expect_all_or_fail(rules) if rules else lambda query: query


@dlt.view(name="orders_accepted", comment="Rows of orders_stage that may reach orders_target")
@stop_on(feed.fails)
@dlt.expect_all_or_drop(feed.drops)
def orders_accepted() -> DataFrame:
    """Only ``orders_target`` reads it, so its expectations are counted once.

    Shape: streaming; the columns of `orders_stage`.
    """
    return spark.readStream.table("orders_stage")


@dlt.table(
    name="orders_quarantine",
    comment="Rows of orders_stage that broke a drop or fail rule, with the names of those rules",
    table_properties={"quality": "quarantine"},
)
def orders_quarantine() -> DataFrame:
    """Every row that ``orders_accepted`` keeps out, whole.

    Shape: streaming; the columns of `orders_stage` and `broken_rules` (array of rule names, never
    empty).
    """
    broken = [F.when(~F.expr(sql), F.lit(name)) for name, sql in feed.guards.items()]
    return (
        spark.readStream.table("orders_stage")
        .withColumn("broken_rules", F.array_compact(F.array(*broken)))
        .where(F.size("broken_rules") > 0)
    )


dlt.create_streaming_table(
    name="orders_target",
    comment="The latest state of each order; deleted orders are gone",
    table_properties={"quality": "silver"},
)

# Columns are left out by name, not listed: a column that is new in the files gets here by itself.
operation = feed.operation_column
dlt.apply_changes(
    target="orders_target",
    source="orders_accepted",
    keys=[feed.order_key],
    sequence_by=feed.sequence_column,
    apply_as_deletes=F.expr(f"upper({quoted(operation)}) = 'DELETE'") if operation else None,
    except_column_list=[*TECHNICAL_COLUMNS, *([operation] if operation else [])],
    stored_as_scd_type=1,
)
