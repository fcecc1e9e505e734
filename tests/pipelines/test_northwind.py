"""Another company's orders, by bundle variables alone."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.pipelines.recomputation import (
    INT,
    MONEY,
    STRING,
    TIMESTAMP,
    Delivered,
    Promise,
    as_arrow,
    latest_of,
    rows_of,
)
from tests.pipelines.shop import Shop, differences, query, shared_file

FILE = shared_file("data/northwind/orders.csv")
# shippedDate and shipRegion hold the word NULL where there is none: text, to lose no row by it.
NORTHWIND = Promise(
    columns={
        "orderID": INT,
        "customerID": STRING,
        "employeeID": INT,
        "orderDate": TIMESTAMP,
        "requiredDate": TIMESTAMP,
        "shippedDate": STRING,
        "shipVia": INT,
        "freight": MONEY,
        "shipName": STRING,
        "shipAddress": STRING,
        "shipCity": STRING,
        "shipRegion": STRING,
        "shipPostalCode": STRING,
        "shipCountry": STRING,
    },
    key="orderID",
    sequence="orderDate",
)
VARIABLES = {
    "order_key": NORTHWIND.key,
    "sequence_column": NORTHWIND.sequence,
    "schema_hints": ", ".join(f"{name} {kind}" for name, kind in NORTHWIND.columns.items()),
}

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"there is no {FILE}")


@pytest.fixture(scope="module")
def northwind(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("northwind"), spark, variables=VARIABLES)
    shop.put("orders.csv", FILE.read_bytes())
    shop.run_green()
    return shop


@pytest.fixture(scope="module")
def delivered() -> list[Delivered]:
    return rows_of(FILE.read_bytes(), NORTHWIND)


def test_every_northwind_row_is_accounted_for(northwind: Shop, delivered: list[Delivered]) -> None:
    counts = [northwind.read(t).num_rows for t in ("orders_target", "orders_quarantine")]
    assert len(delivered) == northwind.read("orders_stage").num_rows == 830
    assert counts == [654, 176]
    keys = {
        key
        for table in ("orders_target", "orders_quarantine")
        for (key,) in northwind.rows(table, '"orderID"')
    }
    assert keys == {row.values["orderID"] for row in delivered}


def test_shifted_rows_are_held_and_rescued(northwind: Shop, delivered: list[Delivered]) -> None:
    shifted = {row.values["orderID"] for row in delivered if not row.fits}
    assert len(shifted) == 176
    held = northwind.rows("orders_quarantine", '"orderID", _rescued_data, broken_rules')
    assert {key for key, _, _ in held} == shifted
    assert all(rescued and rules == ["row_fits_schema"] for _, rescued, rules in held)


def test_northwind_target_equals_the_file(northwind: Shop, delivered: list[Delivered]) -> None:
    target: pa.Table = northwind.read("orders_target")
    assert target.column_names == list(NORTHWIND.columns)
    latest = latest_of(delivered, NORTHWIND).values()
    wanted = as_arrow(latest, target.column_names, NORTHWIND)
    assert differences(target, wanted, target.column_names) == []


def test_northwind_file_is_archived_and_counted(northwind: Shop) -> None:
    assert northwind.source_listing() == []
    assert list(northwind.archive_listing().values()) == [FILE.read_bytes()]
    assert query("SELECT file, rows, quarantined FROM t", t=northwind.read("order_files")) == [
        (Path(FILE).name, 830, 176)
    ]
