"""An order once deleted stays away, whenever its older rows arrive."""

from pathlib import Path

from pyspark.sql import SparkSession

from tests.pipelines.shop import Shop

HEADER = "order_id,updated_at,status,operation\n"
DAYS = (
    # C is deleted before anybody saw it, D in the very file that brings it.
    "A,10,CREATED,INSERT\nB,10,CREATED,INSERT\nC,15,,DELETE\nD,10,CREATED,INSERT\nD,15,,DELETE\n",
    "A,15,,DELETE\nB,12,PAID,UPDATE\n",
    # Late, each older than its delete; B's is older than what the target has.
    "A,14,PAID,UPDATE\nB,11,CANCELLED,UPDATE\nC,14,PAID,UPDATE\nD,14,PAID,UPDATE\n",
    # Newer than the delete: A is an order again. C's delete comes late, again.
    "A,16,CREATED,INSERT\nC,15,,DELETE\nC,13,PAID,UPDATE\n",
)
EXPECTED = (
    [("A", "CREATED"), ("B", "CREATED")],
    [("B", "PAID")],
    [("B", "PAID")],
    [("A", "CREATED"), ("B", "PAID")],
)


def day_file(lines: str) -> str:
    """Return a CSV file whose hours are instants of one day."""
    rows = (line.split(",") for line in lines.splitlines())
    return HEADER + "".join(f"{k},2026-02-01T{h}:00:00Z,{s},{o}\n" for k, h, s, o in rows)


def test_late_rows_resurrect_no_order(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    for number, (lines, expected) in enumerate(zip(DAYS, EXPECTED, strict=True), start=1):
        shop.put(f"day {number}.csv", day_file(lines))
        shop.run_green()
        assert shop.rows("orders_target", "order_id, status") == expected, f"day {number}"
    assert shop.read("orders_stage").num_rows == sum(len(d.splitlines()) for d in DAYS)
    assert shop.read("orders_quarantine").num_rows == 0
