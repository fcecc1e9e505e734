"""One shop that is fed for several days, shared by the tests that only look at what came of it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from tests.pipelines.shop import Delivery, Shop

DAYS = 4
TABLES = ("orders_stage", "orders_quarantine", "orders_target", "order_files", "order_quality")


# Columns in another order, one of them missing; one row for each oddity, in CRLF lines.
ODD_ROWS = """\
updated_at,order_id,customer_id,order_timestamp,status,quantity,amount,currency,operation,carrier,\
tracking_number
2026-01-06T10:00:00Z,Z1,C1,2026-01-06T09:00:00Z,SHIPPED,1,5.00,EUR,UPDATE,DHL,
2026-01-06T10:00:00Z,Z2,C1,2026-01-07T09:00:00Z,PAID,+2,5.00,EUR,UPSERT,,
2026-01-06T10:00:00Z,Z3,C1,2026-01-06T09:00:00Z,"PAID ",3,"1,234.50",EUR,,,
2026-01-06T12:00:00.123456+02:00,Z4,"Zoë, ""the"" boss",2026-01-06T09:00:00Z,PAID,4,1.005,EUR,,,
2026-01-06T10:00:00Z,Z5,C1,2026-01-06T09:00:00Z,PAID, 5 ,5.00,EUR,,,
2026-01-06T10:00:00Z,Z6,C1,2026-01-06T09:00:00Z,PAID,3000000000,5.00,EUR,,,
2026-01-06T10:00:00Z,Z7,C1,2026-01-06T09:00:00Z,PAID,7,99999999999.99,EUR,,,
2026-01-06T10:00:00Z,"  ",C1,2026-01-06T09:00:00Z,PAID,8,5.00,EUR,,,

2026-01-06T10:00:00Z,Z8
2026-01-06T10:00:00Z,ZA,Zo\ufffd,2026-01-06T09:00:00Z,PAID,9,5.00,EUR,INSERT,,
2026-01-06T10:00:00Z,Z9,C1,2026-01-06T09:00:00Z,PAID,9,5.00,EUR,INSERT,,
2026-01-06T11:00:00Z,Z9,C1,2026-01-06T09:00:00Z,PAID,9,5.00,EUR,delete,,
2026-01-06T10:30:00Z,Z9,C1,2026-01-06T09:00:00Z,PAID,9,6.00,EUR,UPDATE,,
""".replace("\n", "\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What there was after a run; ``delivered`` counts the deliveries until then."""

    tables: dict[str, pa.Table]
    versions: dict[str, int]
    archive: dict[Path, bytes]
    left_in_source: list[str]
    delivered: list[Delivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class FedShop:
    """A shop after all its days, and what each evening looked like."""

    shop: Shop
    evenings: list[Evening]
    seed: int


@pytest.fixture(scope="session")
def fed_shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FedShop:
    """Feed a shop every kind of trouble: one run a day, and one in which nothing is new.

    Before the third run a file of the first day comes again under its own name, corrected.
    """
    seed = int(os.environ.get("DLT_STUB_SEED", "11"))
    shop = Shop(tmp_path_factory.mktemp("fed_shop"), spark)
    evenings = []
    for day in range(1, DAYS + 1):
        shop.land_day(day, seed)
        if day == 2:
            shop.put("odd rows.csv", ODD_ROWS)
        if day == 3:
            first = shop.deliveries[0]
            assert b"CREATED" in first.content
            # The corrected rows say that they are later: a status alone would be a tie.
            corrected = first.content.replace(b"CREATED", b"CANCELLED")
            corrected = corrected.replace(b":00Z", b":30Z").replace(b":20Z", b":25Z")
            shop.put(first.name, corrected)
        shop.run_green()
        evenings.append(_look(shop))
    shop.run_green()
    evenings.append(_look(shop))
    return FedShop(shop=shop, evenings=evenings, seed=seed)


def _look(shop: Shop) -> Evening:
    there = [name for name in TABLES if shop.folder(name).exists()]
    return Evening(
        tables={name: shop.read(name) for name in there},
        versions={name: DeltaTable(shop.folder(name)).version() for name in there},
        archive=shop.archive_listing(),
        left_in_source=shop.source_listing(),
        delivered=list(shop.deliveries),
    )
