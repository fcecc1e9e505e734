"""``orders_stage`` becomes ``orders_target``, the latest state of each order; the rest is held.

A row is accepted or quarantined, never both and never neither: both sides use the same conditions,
which are never NULL.
"""

import dlt
from pyspark.sql import functions as F

from expectations.datasets import split_in_quarantine
from expectations.rules import quoted
from pipelines.feed import TECHNICAL_COLUMNS, feed_from

feed = feed_from(spark.conf)

# orders_accepted: only orders_target reads it, so its expectations are counted once.
split_in_quarantine(
    spark,
    source="orders_stage",
    accepted="orders_accepted",
    quarantined="orders_quarantine",
    rules=feed.rules.rules,
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
