"""Datasets that rules make: a source split in accepted and quarantined rows, a key that is checked.

Only definitions import this: ``dlt`` is there while a pipeline runs.

Source: docs "Expectation recommendations and advanced patterns", quarantine invalid records and
primary key uniqueness, 2026-11-24.
"""

from collections.abc import Iterable, Mapping, Sequence

import dlt
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from expectations.rules import Rule, RuleError, Severity, constraints, quoted

BROKEN_RULES = "broken_rules"


def split_in_quarantine(
    spark: SparkSession,
    *,
    source: str,
    accepted: str,
    quarantined: str,
    rules: Iterable[Rule],
    table_properties: Mapping[str, str] | None = None,
) -> None:
    """Declare view ``accepted`` and streaming table ``quarantined``: every row is in one of them.

    The drop and fail rules decide; warn rules are for the source itself. A rule that comes out NULL
    is broken on both sides: the documented ``NOT (a AND b)`` would put such a row on neither. Let
    one dataset read ``accepted``, then its expectations are counted once.

    Shape: ``accepted``: the columns of ``source``, streaming. ``quarantined``: these and
    ``broken_rules`` (array of rule names, never empty).

    Raises:
        RuleError: no rule drops or fails, so nothing could be quarantined.
    """
    known = tuple(rules)
    drops = constraints(known, Severity.DROP)
    fails = constraints(known, Severity.FAIL)
    guards = {**drops, **fails}
    if not guards:
        raise RuleError(f"no rule of {quarantined} drops or fails a row: there is no quarantine")

    def accepted_rows() -> DataFrame:
        return spark.readStream.table(source)

    def quarantined_rows() -> DataFrame:
        broken = [F.when(~F.expr(sql), F.lit(name)) for name, sql in guards.items()]
        return (
            spark.readStream.table(source)
            .withColumn(BROKEN_RULES, F.array_compact(F.array(*broken)))
            .where(F.size(BROKEN_RULES) > 0)
        )

    query = dlt.expect_all_or_drop(drops)(accepted_rows) if drops else accepted_rows
    query = dlt.expect_all_or_fail(fails)(query) if fails else query
    dlt.view(name=accepted, comment=f"Rows of {source} that break no drop or fail rule")(query)
    dlt.table(
        name=quarantined,
        comment=f"Rows of {source} that break a drop or fail rule, with the names of those rules",
        table_properties={"quality": "quarantine", **(table_properties or {})},
    )(quarantined_rows)


def check_primary_key(
    spark: SparkSession,
    *,
    table: str,
    keys: Sequence[str],
    scd_type: int = 1,
    name: str | None = None,
) -> None:
    """Declare materialized view ``<table>_key_check``, whose flow fails when a key is not unique.

    It reads the whole table at every update. The table itself stays as it is: only this view's flow
    fails, and with it the update. The key of an SCD type 2 target is its keys and the start of
    each version (its end, where a delete came first).

    Shape: one row a key: the keys, ``version`` of SCD type 2, and ``num_entries``.

    Source: docs "The AUTO CDC APIs", primary key of SCD type 2 targets, 2026-11-24.
    """
    rules = {
        f"{table}_key_is_unique": "num_entries = 1",
        f"{table}_key_is_not_null": " AND ".join(f"{quoted(key)} IS NOT NULL" for key in keys),
    }

    def counted() -> DataFrame:
        rows = spark.read.table(table)
        columns = [F.col(quoted(key)) for key in keys]
        if scd_type == 2:
            columns.append(F.coalesce("__START_AT", "__END_AT").alias("version"))
        return rows.groupBy(*columns).agg(F.count(F.lit(1)).alias("num_entries"))

    dlt.table(
        name=name or f"{table}_key_check",
        comment=f"One row for each key of {table}; its update fails when a key occurs twice",
    )(dlt.expect_all_or_fail(rules)(counted))
