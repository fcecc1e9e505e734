"""The rules for orders. This is the file to change when an order must be something else.

Drop rules guard the target: a row that breaks one goes to ``orders_quarantine`` instead. Warn rules
are counted on the stage and let the row through. No rule fails the pipeline: in a table that only
grows, one such row would block every later run (``expectations.rules`` tells the way out).
"""

from expectations.rules import Rule, Severity

ORDER_RULES = (
    Rule(
        name="key_present",
        constraint="trim(CAST({key} AS STRING)) <> ''",
        severity=Severity.DROP,
        needs=("{key}",),
        reason="Rows without a key would all be merged into one order",
    ),
    Rule(
        name="sequence_present",
        constraint="{sequence} IS NOT NULL",
        severity=Severity.DROP,
        needs=("{sequence}",),
        reason="Without it nobody can say whether the row is newer than what the target has",
    ),
    Rule(
        name="row_fits_schema",
        constraint="_rescued_data IS NULL",
        severity=Severity.DROP,
        needs=("_rescued_data",),
        reason=(
            "A value that does not fit its column is rescued and read as NULL, and in a row with"
            " too many commas values stand one column off. Both would overwrite good values"
        ),
    ),
    Rule(
        name="text_is_readable",
        constraint=(
            "concat_ws('', CAST({key} AS STRING), customer_id, status, carrier, tracking_number,"
            " ship_country) NOT LIKE '%\ufffd%'"
        ),
        severity=Severity.DROP,
        needs=("{key}", "customer_id", "status", "carrier", "tracking_number", "ship_country"),
        reason=(
            "A file that is not in UTF-8 is read all the same, with this mark where its letters"
            " were. It would overwrite good names"
        ),
    ),
    Rule(
        name="customer_present",
        constraint="customer_id IS NOT NULL",
        severity=Severity.WARN,
        needs=("customer_id",),
        reason="The order can be shipped and corrected later; until then reports miss it",
    ),
    Rule(
        name="status_known",
        constraint=(
            "status IN ('CREATED', 'PAID', 'PACKED', 'SHIPPED', 'DELIVERED', 'CANCELLED',"
            " 'RETURNED')"
        ),
        severity=Severity.WARN,
        needs=("status",),
        reason="A new status is usually news from the shop, not an error: keep it and look at it",
    ),
    Rule(
        name="quantity_positive",
        constraint="try_cast(quantity AS DECIMAL(18, 3)) > 0",
        severity=Severity.WARN,
        needs=("quantity",),
        reason="Cancelled lines may come with zero",
    ),
    Rule(
        name="amount_not_negative",
        constraint="try_cast(amount AS DECIMAL(18, 3)) >= 0",
        severity=Severity.WARN,
        needs=("amount",),
        reason="Refunds belong to another feed, but some shops send them here",
    ),
    Rule(
        name="currency_is_iso_4217",
        constraint="currency RLIKE '^[A-Z]{3}$'",
        severity=Severity.WARN,
        needs=("currency",),
        reason="Sums by currency split otherwise",
    ),
    Rule(
        name="tracked_once_shipped",
        constraint=(
            "coalesce(status, '') NOT IN ('SHIPPED', 'DELIVERED') OR tracking_number IS NOT NULL"
        ),
        severity=Severity.WARN,
        needs=("status", "tracking_number"),
        reason="The customer cannot follow the parcel",
    ),
    Rule(
        name="updated_after_ordered",
        constraint="try_cast(updated_at AS TIMESTAMP) >= try_cast(order_timestamp AS TIMESTAMP)",
        severity=Severity.WARN,
        needs=("order_timestamp", "updated_at"),
        reason="One of the two clocks is wrong, and the sequence may be the wrong one",
    ),
    Rule(
        name="operation_known",
        constraint="coalesce(upper(operation), 'UPDATE') IN ('INSERT', 'UPDATE', 'DELETE')",
        severity=Severity.WARN,
        needs=("operation",),
        reason="Anything but DELETE is taken as an upsert",
    ),
)
