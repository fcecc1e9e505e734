"""The public pipelines we run, each with inputs and the tables they must give, worked out by hand.

Only where they are is written here: repository, commit, paths. Nothing of their text is copied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from benchmarks.public_inputs import Inputs

# Rows of the columns named in the key ("table(a, b)"), or how many rows the table ("table") holds.
Expected = int | Sequence[tuple[Any, ...]]
Round = tuple[Callable[[Inputs], None], Mapping[str, Expected]]  # what arrives, then what stands


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicPipeline:
    """One pipeline of somebody else's and what it is given; ``reason`` says why it cannot pass."""

    name: str
    kind: str
    repository: str
    commit: str
    source: Sequence[str]
    rounds: Sequence[Round]
    folders: Sequence[str]  # what is checked out: the source and what it imports
    root: str = ""
    catalog: str = "main"
    schema: str = "default"
    configuration: Mapping[str, str] = field(default_factory=dict)  # {root}: the root's folder
    ends: str = "pass"
    reason: str = ""


def _trips(given: Inputs) -> None:
    rows = [(10001, 5.0), (10001, 7.5), (10002, 3.0)]
    given.table("samples.nyctaxi.trips", "pickup_zip INT, fare_amount DOUBLE", rows)


def _change(id: int | None, moment: str, operation: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "operation": operation, "operation_date": moment, **more}


def _retail_changes(folder: str) -> Callable[[Inputs], None]:
    def given(inputs: Inputs) -> None:
        def person(id: int | None, moment: str, operation: str, city: str) -> dict[str, Any]:
            names = {"firstname": f"F{id}", "lastname": f"L{id}", "email": f"{id}@x.org"}
            key = None if id is None else str(id)
            return {**_change(id, moment, operation, address=city, **names), "id": key}

        inputs.json(
            f"{folder}/customers/1.json",
            person(1, "2024-01-01 10:00:00", "APPEND", "Oslo"),
            person(2, "2024-01-01 10:00:00", "APPEND", "Rome"),
            person(1, "2024-01-03 10:00:00", "UPDATE", "Bergen"),
            person(1, "2024-01-02 10:00:00", "UPDATE", "Late"),
            person(2, "2024-01-04 10:00:00", "DELETE", "Rome"),
            person(None, "2024-01-04 10:00:00", "APPEND", "Nowhere"),
            person(3, "2024-01-04 10:00:00", "APPEND", "Bonn"),
        )

    return given


def _retail_later(folder: str) -> Callable[[Inputs], None]:
    def given(inputs: Inputs) -> None:
        names = {"firstname": "F3", "lastname": "L3", "email": "3@x.org"}
        record = _change(3, "2024-01-05 10:00:00", "UPDATE", address="Köln", **names)
        record["id"] = "3"
        inputs.json(f"{folder}/customers/2.json", record)

    return given


def _nothing(given: Inputs) -> None:
    """Give nothing new."""


def _cdc_python(given: Inputs) -> None:
    _retail_changes("/Volumes/main/cdc/raw_data")(given)
    given.json(
        "/Volumes/main/cdc/raw_data/transactions/1.json",
        _change(7, "2024-01-01 10:00:00", "APPEND", amount=5),
        _change(7, "2024-01-02 10:00:00", "UPDATE", amount=6),
        _change(8, "2024-01-01 10:00:00", "MERGE", amount=6),
    )


SCD2_CUSTOMERS = [
    (1, "Oslo", "2024-01-01 10:00:00", "2024-01-02 10:00:00"),
    (1, "Late", "2024-01-02 10:00:00", "2024-01-03 10:00:00"),
    (1, "Bergen", "2024-01-03 10:00:00", None),
    (2, "Rome", "2024-01-01 10:00:00", "2024-01-04 10:00:00"),
    (3, "Bonn", "2024-01-04 10:00:00", None),
]


def _loans(given: Inputs) -> None:
    raw = "/Volumes/main__build/dbdemos_dlt_loan/raw_data"

    def loan(balance: float, due: str, center: str, country: str) -> dict[str, Any]:
        return {
            "accounting_treatment_id": 1,
            "balance": balance,
            "arrears_balance": balance,
            "next_payment_date": due,
            "cost_center_code": center,
            "country_code": country,
            "count": 1,
        }

    given.json(
        f"{raw}/raw_transactions/1.json",
        loan(10.0, "2021-03-01", "A", "IT"),
        loan(5.0, "2020-03-01", "B", "IT"),
        loan(-1.0, "2021-03-01", "B", "FR"),
    )
    given.delta(
        f"{raw}/ref_accounting_treatment",
        "id BIGINT, accounting_treatment STRING",
        [(1, "amortised")],
    )
    given.csv(
        f"{raw}/historical_loans/1.csv",
        "accounting_treatment_id,addr_state,revol_bal,grade,recoveries",
        "1,NY,100,A,1",
        "1,NY,50,B,2",
        "2,CA,70,C,3",
    )


def _users(given: Inputs) -> None:
    rows = [
        (124, "Raul", "Oaxaca", "INSERT", 1),
        (123, "Isabel", "Monterrey", "INSERT", 1),
        (125, "Mercedes", "Tijuana", "INSERT", 2),
        (126, "Lily", "Cancun", "INSERT", 2),
        (123, None, None, "DELETE", 6),
        (125, "Mercedes", "Guadalajara", "UPDATE", 6),
        (125, "Mercedes", "Mexicali", "UPDATE", 5),
        (123, "Isabel", "Chihuahua", "UPDATE", 5),
    ]
    ddl = "userId INT, name STRING, city STRING, operation STRING, sequenceNum INT"
    given.table("main.cdc_data.users_nk", ddl, rows)


CLICKS = "prev_id INT, curr_id INT, n INT, prev_title STRING, curr_title STRING, type STRING"


def _clicks(path: str) -> Callable[[Inputs], None]:
    def given(inputs: Inputs) -> None:
        inputs.folder("dbfs:/databricks-datasets/x")
        records = [
            {"prev_id": 1, "curr_id": 9, "n": 20, "prev_title": "A", "curr_title": "Apache_Spark",
             "type": "link"},
            {"prev_id": 2, "curr_id": 9, "n": 30, "prev_title": "B", "curr_title": "Apache_Spark",
             "type": "redlink"},
            {"prev_id": 3, "curr_id": 8, "n": 5, "prev_title": "C", "curr_title": "D",
             "type": "other"},
        ]  # fmt: skip
        inputs.json(path, *records)

    return given


def _fakes(given: Inputs) -> None:
    source = "/Volumes/test_catalog/test_schema/test_volume/fake_source"
    for name in ("fake_orders", "fake_products", "fake_users"):
        given.csv(
            f"{source}/{name}/1.csv",
            "ID,timestamp,personal_email,nonsense_column",
            "1,2024-01-01 00:00:00,a@x.org,z",
            "1,2024-01-02 00:00:00,b@x.org,z",
            "2,2024-01-01 00:00:00,c@x.org,z",
        )


def _project(given: Inputs) -> None:
    sales = "date STRING, revenue DOUBLE"
    given.table("project.source.sales", sales, [("2024-01-01", 100.0), ("2024-01-01", 100.0)])
    given.table("project.source.sales_north", sales, [("2024-01-01", 1.0)])
    given.table("project.source.sales_south", sales, [("2024-01-01", 2.0), ("2024-01-02", 3.0)])
    ddl = "product_id INT, product_name STRING, updated_at TIMESTAMP"
    rows = [
        (1, "pen", datetime(2024, 1, 1, tzinfo=UTC)),
        (1, "pencil", datetime(2024, 1, 2, tzinfo=UTC)),
        (2, None, datetime(2024, 1, 1, tzinfo=UTC)),
    ]
    given.table("project.source.products", ddl, rows)


def _more_sales(given: Inputs) -> None:
    given.table("project.source.sales_north", "date STRING, revenue DOUBLE", [("2024-01-03", 4.0)])


def _shop(given: Inputs) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    later = datetime(2024, 1, 2, tzinfo=UTC)
    given.table(
        "dlt_vaish.source.customers",
        "customer_id INT, customer_name STRING, region STRING, last_updated TIMESTAMP",
        [(1, "ann", "EU", moment), (1, "anne", "EU", later), (2, None, "US", moment)],
    )
    given.table(
        "dlt_vaish.source.products",
        "product_id INT, category STRING, price DOUBLE, last_updated TIMESTAMP",
        [(1, "toys", 9.5, moment), (2, "toys", -1.0, moment)],
    )
    ddl = (
        "sales_id INT, customer_id INT, product_id INT, quantity INT, amount DOUBLE, "
        "sale_timestamp TIMESTAMP"
    )
    given.table("dlt_vaish.source.sales_east", ddl, [(1, 1, 1, 2, 3.0, moment)])
    given.table("dlt_vaish.source.sales_west", ddl, [(2, 1, 1, 1, 5.0, moment)])


ORDERS = (
    "o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus STRING, o_totalprice DOUBLE, "
    "o_orderdate DATE, o_orderpriority STRING"
)


def _training(given: Inputs) -> None:
    def customer(moment: str, segment: str | None, kind: str) -> dict[str, Any]:
        return {
            "c_custkey": 1,
            "c_name": "Ann",
            "c_mktsegment": segment,
            "record_type": kind,
            "processing_timestamp": moment,
        }

    given.json(
        "/Volumes/retailhub_trener/lakeflow_demo/dataset/tpch_customer/1.json",
        customer("2024-01-01T00:00:00", "AUTO", "original"),
        customer("2024-01-02T00:00:00", None, "modified"),
    )
    given.table(
        "samples.tpch.orders",
        ORDERS,
        [
            (1, 1, "O", 10.0, date(1994, 1, 1), "1-URGENT"),
            (2, 1, "F", 20.0, date(1996, 1, 1), None),
            (3, None, "F", 20.0, date(1996, 1, 1), "x"),
            (4, 1, "F", -20.0, date(1996, 1, 1), "x"),
        ],
    )


def _adventure(nested: bool) -> Callable[[Inputs], None]:
    def given(inputs: Inputs) -> None:
        files = {
            "Customers": (
                "CustomerID,FirstName,LastName,CompanyName,EmailAddress,Phone,ModifiedDate",
                "1,Ann,A,Acme,a@x.org,1,2024-01-01",
                "1,Anne,A,Acme,a@x.org,1,2024-02-01",
            ),
            "Product": (
                (
                    "ProductID,Name,ProductNumber,Color,StandardCost,ListPrice,ProductCategoryID,"
                    "ModifiedDate"
                ),
                "1,Bike,B-1,red,10,20,5,2024-01-01",
            ),
            "ProductCategory": (
                "ProductCategoryID,Name,ModifiedDate",
                "5,Bikes,2024-01-01",
            ),
            "SalesOrderHeader": (
                "SalesOrderID,CustomerID,TotalDue,OrderDate,Status",
                "1,1,20,2024-03-01,5",
                "2,1,0,2024-03-02,5",
            ),
            "SalesOrderDetail": (
                (
                    "SalesOrderID,SalesOrderDetailID,OrderQty,ProductID,UnitPrice,"
                    "UnitPriceDiscount,LineTotal,ModifiedDate"
                ),
                "1,1,1,1,20.5,0,20.5,2024-03-01",
                "2,2,1,1,20.5,0,0,2024-03-01",
            ),
        }
        for name, lines in files.items():
            place = f"{name}/1.csv" if nested else f"{name}.csv"
            inputs.csv(f"/Volumes/main/default/bonus/{place}", *lines)

    return given


def _retail_sql(given: Inputs) -> None:
    landing = "/Volumes/lakeflow_demo/default/dataset/landing"
    given.csv(
        f"{landing}/customers/1.csv",
        "customer_id,customer_name,city,state,district,postcode,street,lat,lon,unit,"
        "loyalty_segment,operation,source_timestamp",
        "1,Ann,Oslo,O,D,1,S,1.5,2.5,u,3,INSERT,2024-01-01",
        "2,Bob,Rome,R,D,2,S,1.5,2.5,u,3,INSERT,2024-01-01",
    )
    given.csv(
        f"{landing}/loyalty_segments/1.csv",
        "loyalty_segment_id,loyalty_segment_description,unit_threshold,valid_from,valid_to",
        "3,gold,10,2020-01-01,2030-01-01",
    )
    given.json(
        f"{landing}/products/1.json",
        {"product_id": "P1", "product_name": "pen", "product_category": "office",
         "sales_price": 2.5, "EAN13": "13", "EAN5": "5"},
    )  # fmt: skip
    order = {
        "order_number": 1, "customer_id": 1, "customer_name": "Ann", "number_of_line_items": 1,
        "order_datetime": "2024-01-05T10:00:00", "product_id": "P1", "product_name": "pen",
        "unit_price": 2.5, "quantity": 4, "currency": "EUR", "unit": "u",
    }  # fmt: skip
    given.json(f"{landing}/sales_orders/1.json", order, {**order, "quantity": 0})


def _wines(given: Inputs) -> None:
    inventory = "/Volumes/workspace/default/raw/inventory"
    given.csv(
        f"{inventory}/wine-prices.csv",
        ",name,region,variety,rating,price,notes",
        "0,Nero,Sicily,Red,91,12.5,nice",
        "1,Vino,Rome,White,80,0,thin",
    )
    given.csv(
        f"{inventory}/price_updates/1.csv",
        "wine_name,price,effective_date",
        "Nero,12.5,2024-01-01",
        "Nero,14,2024-02-01",
    )


def _wine_update(given: Inputs) -> None:
    given.csv(
        "/Volumes/workspace/default/raw/inventory/price_updates/2.csv",
        "wine_name,price,effective_date",
        "Nero,13,2024-01-15",
    )


FLIGHT = ["2008", "1", "3", "4", "2003", "1955", "2211", "2225", "WN", "335", "N712SW", "128",
          "150", "116", "-14", "8", "IAD", "TPA", "810", "4", "8", "0", "", "0"]  # fmt: skip


def _flights(given: Inputs) -> None:
    calm = [*FLIGHT, "NA", "NA", "NA", "NA", "NA", "NO", "NO"]
    storm = [*FLIGHT, "NA", "12", "NA", "NA", "NA", "NO", "YES"]
    given.csv("/Volumes/main/default/flights/1.csv", ",".join(calm), ",".join(storm))


SNAPSHOT = "order_id INT, price INT, order_status STRING, order_date STRING"


def _orders_snapshot(given: Inputs) -> None:
    rows = [(1, 5, "new", "2024-01-01"), (2, 6, "new", "2024-01-01")]
    given.table("snap.source.orders_snapshot", SNAPSHOT, rows)


def _hourly_snapshots(given: Inputs) -> None:
    root = "/Volumes/snap/default/snapshots"
    given.parquet(f"{root}/2024-01-01 00", SNAPSHOT, [(1, 5, "new", "d"), (2, 6, "new", "d")])
    given.parquet(f"{root}/2024-01-01 01", SNAPSHOT,
                  [(1, 5, "shipped", "d"), (2, 7, "new", "d"), (3, 7, "new", "d")])  # fmt: skip


def _third_snapshot(given: Inputs) -> None:
    given.parquet(
        "/Volumes/snap/default/snapshots/2024-01-01 02", SNAPSHOT, [(1, 5, "shipped", "d")]
    )


READING = "location_id STRING, sensor STRING, timestamp TIMESTAMP, value FLOAT"


def _readings(*rows: tuple[int, float]) -> Callable[[Inputs], None]:
    def given(inputs: Inputs) -> None:
        made = [
            ("L1", "wind", datetime(2024, 1, 1, 12, minute, tzinfo=UTC), value)
            for minute, value in rows
        ]
        inputs.table("main.integrals.raw", READING, made)

    return given


def _store_files(given: Inputs) -> None:
    for table in ("store", "customer", "product", "transaction"):
        given.csv(
            f"/Volumes/main/default/dms/{table}s/LOAD1.csv",
            f"Op,dmsTimestamp,{table}_id,name",
            "I,2024-01-01 00:00:00,1,a",
            "U,2024-01-02 00:00:00,1,b",
            "I,2024-01-01 00:00:00,2,c",
            "D,2024-01-03 00:00:00,2,c",
        )


def _retail_org(given: Inputs) -> None:
    root = "dbfs:/databricks-datasets/retail-org"
    given.csv(
        f"{root}/customers/customers.csv",
        "customer_id,customer_name,state,city,lon,lat,units_purchased,loyalty_segment",
        "1,Ann,CA,Los Angeles,1,2,3,4",
        "2,Bob,IL,Chicago,1,2,3,4",
    )
    item = {"curr": "USD", "id": "P", "name": "pen", "price": 3, "qty": 2}

    def order(number: int | None, customer: int, name: str, moment: str) -> dict[str, Any]:
        return {
            "customer_id": customer,
            "customer_name": name,
            "number_of_line_items": "1",
            "order_datetime": moment,
            "order_number": number,
            "ordered_products": [item, {**item, "price": 4}],
        }

    given.json(
        f"{root}/sales_orders/1.json",
        order(1, 1, "Ann", "1704067200"),
        order(2, 2, "Bob", "1704153600"),
        order(None, 2, "Bob", "1704153600"),
    )


def _towers(given: Inputs) -> None:
    given.table(
        "main.telecom_bronze.bronze_dim_tower",
        "tower_id INT, tower_name STRING, city STRING, state STRING, region STRING, "
        "network_type STRING, updated_at TIMESTAMP, load INT",
        [
            (1, " North ", "Oslo", "o", "n", "4g", datetime(2024, 1, 1, tzinfo=UTC), 1),
            (1, "North", "Oslo", "o", "n", "4g", datetime(2024, 1, 2, tzinfo=UTC), 2),
            (1, "North", "Oslo", "o", "n", "5g", datetime(2024, 1, 3, tzinfo=UTC), 3),
            (2, "South", "Rome", "r", "s", "4g", datetime(2024, 1, 1, tzinfo=UTC), 1),
            (2, "South", "Rome", "r", "s", "decom", datetime(2024, 1, 2, tzinfo=UTC), 1),
            (None, "Lost", "Rome", "r", "s", "4g", datetime(2024, 1, 2, tzinfo=UTC), 1),
        ],
    )


def _payments(given: Inputs) -> None:
    source = "/Volumes/workspace/default/vol1"
    given.csv(
        f"{source}/config_data_v2/1.csv",
        "country_code,country,city,city_code",
        "NO,Norway,Oslo,OSL",
    )
    given.csv(
        f"{source}/transaction_data_v2/1.csv",
        "transaction_id,user_id,item,amount,timestamp,city_code",
        "1,7,pen,5,2024-01-01T00:00:00,OSL",
        "1,7,pen,6,2024-01-02T00:00:00,OSL",
        "2,,pen,6,2024-01-02T00:00:00,OSL",
    )


def _bikes(given: Inputs) -> None:
    raw = "/Volumes/main/bikes/raw_data"
    given.csv(
        f"{raw}/rides/1.csv",
        "ride_id,start_time,end_time,start_station_id,end_station_id,bike_id,user_type",
        "1,2024-01-01 10:00:00,2024-01-01 11:00:00,1,2,3,member",
    )
    given.csv(
        f"{raw}/maintenance_logs/1.csv",
        "maintenance_id,bike_id,reported_time,resolved_time,issue_description",
        "1,1,2024-01-01,2024-01-02,flat tyre again",
    )
    given.json(
        f"{raw}/weather/1.json",
        {"timestamp": 0, "temperature_f": 1, "rainfall_in": 0, "wind_speed_mph": 3},
    )
    given.parquet(f"{raw}/customers_cdc", "customer_id STRING, operation STRING, "
                  "event_timestamp STRING", [("1", "APPEND", "01-01-2024 00:00:00")])  # fmt: skip


def _tpch(given: Inputs) -> None:
    given.table(
        "samples.tpch.nation",
        "n_nationkey BIGINT, n_name STRING, n_regionkey BIGINT",
        [(1, "Norway", 1)],
    )
    given.table("samples.tpch.region", "r_regionkey BIGINT, r_name STRING", [(1, "Europe")])
    given.table(
        "samples.tpch.customer",
        "c_custkey BIGINT, c_name STRING, c_address STRING, c_phone STRING, c_nationkey BIGINT",
        [(7, "Ann", "Street", "1", 1)],
    )
    given.table(
        "samples.tpch.part",
        "p_partkey BIGINT, p_name STRING, p_mfgr STRING, p_brand STRING, p_type STRING, "
        "p_size INT, p_container STRING, p_retailprice DECIMAL(18,2)",
        [],
    )


def _streams(given: Inputs) -> None:
    given.table(
        "spotify_cata.silver.factstream",
        "stream_id INT, stream_timestamp TIMESTAMP",
        [(1, datetime(2024, 1, 1, tzinfo=UTC)), (1, datetime(2024, 1, 2, tzinfo=UTC))],
    )


NOTEBOOKS = "databricks/delta-live-tables-notebooks"
NOTEBOOKS_AT = "6ce7841e2ec6cfb2177f039bbc17b9b02976e2a9"
DEMOS = "databricks-demos/dbdemos-notebooks"
DEMOS_AT = "a6c94c120ec55d92c2bcbb872daafbf48b2e8ba7"
CDC_DEMO = "product_demos/Delta-Live-Table/declarative-pipeline-cdc"
LOANS = "product_demos/Delta-Live-Table/dlt-loans"
TRAINING = "Bureyz/databricks-de-associate-training"
TRAINING_AT = "128b821dcb11ede6d3225b0355fcc898b93021a5"
WINE = "paiml/databricks-data-engineering"
WINE_AT = "b69c22b6a45edf0d66f8ac07d0f858158f6edef4"
TOWERS = "Telco_Project_base_folder_git/2_dlt_pipeline_Dim_Towers_DLT_SCD_CDF_Silver_Gold"
SNAPSHOTS = "apply-changes-from-snapshot-demo/src/notebooks"
RETAIL_CDC = "change-data-capture-example/notebooks"
RETAIL_SOURCE = "/Volumes/main/default/retail"
SILVER = [(1, "Bergen"), (3, "Bonn")]
LATER = [(1, "Bergen"), (3, "Köln")]
LOAN_TABLES: Mapping[str, Expected] = {
    "cleaned_new_txs(balance, accounting_treatment)": [(10.0, "amortised"), (5.0, "amortised")],
    "quarantine_bad_txs(balance)": [(-1.0,)],
    "total_loan_balances(location_code, bal)": [("NY", 150.0), ("IT", 15.0)],
    "new_loan_balances_by_cost_center(cost_center_code, sum_balance)": [("A", 10.0), ("B", 5.0)],
}

CASES: Sequence[PublicPipeline] = (
    PublicPipeline(
        name="lakeflow_template",
        kind="the template's own pipeline, `pyspark.pipelines`, two files",
        repository="databricks/bundle-examples",
        commit="a4c43ad07b87352cfa95eaed387f3f604f1a43ce",
        folders=["lakeflow_pipelines_python/src"],
        root="lakeflow_pipelines_python/src/lakeflow_pipelines_python_etl",
        source=[
            "lakeflow_pipelines_python/src/lakeflow_pipelines_python_etl/transformations/**",
        ],
        rounds=[
            (
                _trips,
                {
                    "sample_trips_lakeflow_pipelines_python": 3,
                    "sample_zones_lakeflow_pipelines_python(pickup_zip, total_fare)": [
                        (10001, 12.5),
                        (10002, 3.0),
                    ],
                },
            )
        ],
    ),
    PublicPipeline(
        name="dbdemos_cdc_sql",
        kind="SQL: read_files, expectations, AUTO CDC as SCD 1 and 2, `${}` parameters",
        repository=DEMOS,
        commit=DEMOS_AT,
        folders=[CDC_DEMO],
        source=[f"{CDC_DEMO}/1-sdp-sql/transformations/**"],
        configuration={"catalog": "main", "schema": "cdc"},
        schema="cdc",
        rounds=[
            (
                _retail_changes("/Volumes/main/cdc/raw_data"),
                {
                    "customers_cdc": 7,
                    "customers(id, address)": SILVER,
                    "SCD2_customers(id, address, __START_AT, __END_AT)": SCD2_CUSTOMERS,
                },
            ),
            (_retail_later("/Volumes/main/cdc/raw_data"), {"customers(id, address)": LATER}),
        ],
    ),
    PublicPipeline(
        name="dbdemos_cdc_python",
        kind="`pyspark.pipelines`: a loop over `dbutils.fs.ls`, cloudFiles, expectations, AUTO CDC",
        repository=DEMOS,
        commit=DEMOS_AT,
        folders=[CDC_DEMO],
        source=[f"{CDC_DEMO}/2-sdp-python/transformations/**"],
        configuration={"catalog": "main", "schema": "cdc"},
        schema="cdc",
        rounds=[
            (
                _cdc_python,
                {
                    "customers(id, address)": SILVER,
                    "transactions(id, amount)": [(7, 6)],
                    "SCD2_customers(id, address, __START_AT, __END_AT)": SCD2_CUSTOMERS,
                },
            ),
            (_retail_later("/Volumes/main/cdc/raw_data"), {"customers(id, address)": LATER}),
        ],
    ),
    PublicPipeline(
        name="dbdemos_bikes_python",
        kind="`pyspark.pipelines`: bronze, silver, gold, AUTO CDC with an explicit schema",
        repository=DEMOS,
        commit=DEMOS_AT,
        folders=["product_demos/Delta-Live-Table/declarative-pipelines"],
        source=[
            "product_demos/Delta-Live-Table/declarative-pipelines/2-sdp-python/transformations/**",
        ],
        configuration={"catalog": "main", "schema": "bikes"},
        schema="bikes",
        rounds=[(_bikes, {})],
        ends="",
        reason="refused: `AI_CLASSIFY` asks a model that only a workspace has",
    ),
    PublicPipeline(
        name="dbdemos_loans_sql",
        kind="SQL notebook: streaming live view, fail rule, quarantine, gold views",
        repository=DEMOS,
        commit=DEMOS_AT,
        folders=[LOANS],
        source=[f"{LOANS}/01-SDP-Loan-pipeline-SQL.sql"],
        rounds=[(_loans, LOAN_TABLES)],
    ),
    PublicPipeline(
        name="dbdemos_loans_python",
        kind="Python notebook: stream joined with a table, quarantine, gold tables",
        repository=DEMOS,
        commit=DEMOS_AT,
        folders=[LOANS],
        source=[f"{LOANS}/02-SDP-Loan-pipeline-PYTHON.py"],
        rounds=[(_loans, LOAN_TABLES)],
    ),
    PublicPipeline(
        name="cdc_notebook_python",
        kind="Python notebook: cloudFiles, expectations on a view, `create_target_table`, SCD 1",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=[RETAIL_CDC],
        source=[f"{RETAIL_CDC}/2-Retail_DLT_CDC_Python.py"],
        configuration={"source": RETAIL_SOURCE},
        rounds=[
            (_retail_changes(RETAIL_SOURCE), {"customer_silver(id, address)": SILVER}),
            (_retail_later(RETAIL_SOURCE), {"customer_silver(id, address)": LATER}),
        ],
    ),
    PublicPipeline(
        name="cdc_notebook_sql",
        kind="SQL notebook: SET, temporary streaming table, APPLY CHANGES INTO",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=[RETAIL_CDC],
        source=[f"{RETAIL_CDC}/2-Retail_DLT_CDC_sql.sql"],
        configuration={"source": RETAIL_SOURCE},
        rounds=[
            (_retail_changes(RETAIL_SOURCE), {"customer_silver(id, address)": SILVER}),
            (_retail_later(RETAIL_SOURCE), {"customer_silver(id, address)": LATER}),
        ],
    ),
    PublicPipeline(
        name="snapshot_of_a_table",
        kind="Python and SQL notebooks: changes from snapshots as SCD 1, `LIVE.` names",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=[SNAPSHOTS],
        source=[
            f"{SNAPSHOTS}/process_snapshot_pattern1.py",
            f"{SNAPSHOTS}/order_count_by_status_pattern1.sql",
        ],
        configuration={
            "snapshot_source_catalog": "snap",
            "snapshot_source_database": "source",
        },
        rounds=[(_orders_snapshot, {"orders(order_id, order_status)": [(1, "new"), (2, "new")]})],
    ),
    PublicPipeline(
        name="hourly_snapshots",
        kind="historical snapshots of a volume as SCD 2, tracked columns, `dbutils.fs.ls`",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=[SNAPSHOTS],
        source=[
            f"{SNAPSHOTS}/process_snapshot_pattern2.py",
            f"{SNAPSHOTS}/order_count_by_status_pattern2.sql",
        ],
        configuration={"snapshot_path": "/Volumes/snap/default/snapshots"},
        rounds=[
            (
                _hourly_snapshots,
                {
                    "orders(order_id, price, order_status, __START_AT, __END_AT)": [
                        (1, 5, "new", "2024-01-01 00", "2024-01-01 01"),
                        (1, 5, "shipped", "2024-01-01 01", None),
                        (2, 7, "new", "2024-01-01 00", None),
                        (3, 7, "new", "2024-01-01 01", None),
                    ],
                },
            ),
            (_third_snapshot, {"order_status_count": 2}),
        ],
    ),
    PublicPipeline(
        name="time_weighted_average",
        kind="stateful: watermark, window, applyInPandasWithState with timeouts",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["applyInPandasWithState-integral-calculus"],
        source=[
            "applyInPandasWithState-integral-calculus/01_DLT_StatefulTimeWeightedAverage.py",
        ],
        configuration={"catalog": "main", "schema_name": "integrals", "raw_table": "raw"},
        rounds=[
            (_readings((1, 10.0), (4, 20.0)), {"input_table": 2, "dlt_integrals": 0}),
            (_readings((35, 7.0)), {"input_table": 3}),
            (
                _readings((36, 7.0)),
                {"dlt_integrals(sensor, value, count_rows)": [("wind", 16.0, 2)]},
            ),
        ],
    ),
    PublicPipeline(
        name="dms_loop",
        kind="a loop: temporary tables, `create_streaming_live_table`, SCD 2 for four tables",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["dms-dlt-cdc-demo/resources/dlt"],
        source=["dms-dlt-cdc-demo/resources/dlt/dms-mysql-cdc-demo.py"],
        configuration={"data": "/Volumes/main/default/dms"},
        rounds=[(_store_files, {"stores(store_id, name)": [(1, "a"), (1, "b"), (2, "c")]})],
        ends="[CLOUD_FILES]",
        reason=(
            "refused: `cloudFiles.inferSchema` is no option of Auto Loader, and unknown ones fail "
            "(`cloudFiles.validateOptions`)"
        ),
    ),
    PublicPipeline(
        name="retail_sales_sql",
        kind="SQL notebook: stream joined with a table, nested types, partitions, `LIVE.`",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["sql"],
        source=["sql/Retail Sales.sql"],
        rounds=[
            (
                _retail_org,
                {
                    "sales_order_in_la(customer_name, sales, quantity)": [("Ann", 7, 4)],
                    "sales_order_in_chicago(customer_name, sales, quantity)": [("Bob", 7, 4)],
                },
            )
        ],
    ),
    PublicPipeline(
        name="retail_sales_python",
        kind="Python: views, stream joined with a view, aggregation of a stream",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["python"],
        source=["python/Retail Sales.py"],
        rounds=[
            (
                _retail_org,
                {
                    "sales_order_in_la(customer_name, sales, quantity)": [("Ann", 7, 4)],
                    "sales_order_in_chicago(customer_name, sales, quantity)": [("Bob", 7, 4)],
                },
            )
        ],
    ),
    PublicPipeline(
        name="wikipedia_sql",
        kind="SQL notebook: a file read by path, warn and fail rules, ORDER BY and LIMIT",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["sql"],
        source=["sql/Wikipedia.sql"],
        rounds=[
            (
                _clicks(
                    "dbfs:/databricks-datasets/wikipedia-datasets/data-001/clickstream/"
                    "raw-uncompressed-json/2015_2_clickstream.json"
                ),
                {"top_spark_referers(referrer, click_count)": [("B", 30), ("A", 20)]},
            )
        ],
    ),
    PublicPipeline(
        name="kimball_dimensions",
        kind="SQL notebook: typed columns, primary keys, generated dates",
        repository=NOTEBOOKS,
        commit=NOTEBOOKS_AT,
        folders=["kimball_modelling_demo/src"],
        source=["kimball_modelling_demo/src/2 Dimensions.sql"],
        rounds=[
            (
                _tpch,
                {
                    "customers_dim(key, name, region)": [
                        (7, "Ann", "Europe"),
                        (-1, "unknown name", "unknown region"),
                    ],
                    "date_dim": 2558,
                    "parts_dim": 1,
                },
            )
        ],
    ),
    PublicPipeline(
        name="users_scd2",
        kind="Python notebook: SCD 2 that does not track one column",
        repository="nitink-db/dbx1",
        commit="05b8564e2af06651c9492255f9c9a9eb4702a72e",
        folders=["dlt_users.py"],
        source=["dlt_users.py"],
        rounds=[
            (
                _users,
                {
                    "target_users_nk(userId, city, __START_AT, __END_AT)": [
                        (123, "Chihuahua", 1, 6),
                        (124, "Oaxaca", 1, None),
                        (125, "Guadalajara", 2, None),
                        (126, "Cancun", 2, None),
                    ]
                },
            )
        ],
    ),
    PublicPipeline(
        name="helpers_in_the_repository",
        kind="Python notebook: helper modules of the same repository, expectations",
        repository="alexott/dlt-files-in-repos-demo",
        commit="b9b523c6fdf6ca28636675e17220ad030b0ea7cb",
        folders=["pipelines", "helpers"],
        source=["pipelines/DLT-Pipeline.py"],
        configuration={"my_etl.data_path": "/Volumes/main/default/clicks/"},
        rounds=[
            (
                _clicks("/Volumes/main/default/clicks/1.json"),
                {"clickstream_filtered(curr_id, n)": [(9, 20), (9, 30)]},
            )
        ],
    ),
    PublicPipeline(
        name="three_level_loop",
        kind="a loop over dataclasses: three schemas, `_metadata`, hashing, AUTO CDC",
        repository="MikolajSedek/lakeflow_declarative_pipelines_demo",
        commit="005805fe97f929998648a498a8993259ce4b6611",
        folders=["03.advanced_pipeline.py"],
        source=["03.advanced_pipeline.py"],
        catalog="test_catalog",
        rounds=[
            (
                _fakes,
                {
                    "test_gold_schema.summary_statistics_gold(table_name, table_rows)": [
                        ("test_catalog.test_gold_schema.fake_orders_clean", 2),
                        ("test_catalog.test_gold_schema.fake_products_clean", 2),
                        ("test_catalog.test_gold_schema.fake_users_clean", 2),
                    ]
                },
            )
        ],
    ),
    PublicPipeline(
        name="dp_tour",
        kind="`pyspark.pipelines`: append flows, AUTO CDC, parameters, a loop, expectations",
        repository="nnithinupadhyaya07/Spark_Declarative_Pipelines",
        commit="3e0c9279428a8c2d16de390dfc260266ed52b122",
        folders=["Spark_Declarative_Pipeline"],
        source=["Spark_Declarative_Pipeline/transformations/**"],
        configuration={"table_list": "[1, 2]"},
        catalog="project",
        rounds=[
            (
                _project,
                {
                    "total_sales": 3,
                    "products_scd1(product_id, product_name)": [(1, "pencil"), (2, None)],
                    "products_scd2": 3,
                    "cur_sales(total_revenue)": [(210.0,)],
                    "table_2": 2,
                },
            ),
            (_more_sales, {"total_sales": 4}),
        ],
    ),
    PublicPipeline(
        name="append_and_cdc",
        kind="bronze, silver, gold: append flows with rules, views, SCD 1 and 2, gold join",
        repository="Vaishnavi-Nithyananthan/Declarative-Pipeline",
        commit="44b57cc0b1858e6956a8e6657bcf45a38629decb",
        folders=["Declarative Pipelines/DLT_Root"],
        source=["Declarative Pipelines/DLT_Root/transformations/**"],
        catalog="dlt_vaish",
        rounds=[
            (
                _shop,
                {
                    "dim_customers(customer_name, __END_AT)": [
                        ("ANN", "2024-01-02 00:00:00"),
                        ("ANNE", None),
                    ],
                    "dim_products(product_id, price)": [(1, 9)],
                    "fact_sales(sales_id, total_amount)": [(1, 6.0), (2, 5.0)],
                    "business_sales": 4,
                },
            )
        ],
    ),
    PublicPipeline(
        name="training_python",
        kind="`pyspark.pipelines`: all kinds of rules, `once` backfill, ignore NULL updates",
        repository=TRAINING,
        commit=TRAINING_AT,
        folders=["materials/lakeflow/lakeflow_ny_demo"],
        source=["materials/lakeflow/lakeflow_ny_demo/transformations/**"],
        rounds=[
            (
                _training,
                {
                    "silver_orders_cleaned(o_orderkey)": [(1,), (2,)],
                    "silver_customers_scd1(c_mktsegment, record_type)": [("AUTO", "modified")],
                    "silver_customers_scd2": 2,
                    "gold_daily_orders": 3,
                    "gold_customer_orders_summary(c_name, total_orders)": [("Ann", 2)],
                },
            ),
            (_nothing, {"gold_daily_orders": 3}),
        ],
    ),
    PublicPipeline(
        name="star_schema_python",
        kind="`pyspark.pipelines`: single-file sources, rules on a streaming table, star schema",
        repository=TRAINING,
        commit=TRAINING_AT,
        folders=["materials/lakeflow/lakeflow_bonus"],
        source=["materials/lakeflow/lakeflow_bonus/python/pipeline.py"],
        configuration={"source_path": "/Volumes/main/default/bonus"},
        rounds=[
            (
                _adventure(nested=False),
                {
                    "dim_customer(FirstName)": [("Anne",)],
                    "dim_product(ProductName, CategoryName)": [("Bike", "Bikes")],
                    "fact_sales(SalesOrderID)": [(1,)],
                },
            )
        ],
    ),
    PublicPipeline(
        name="star_schema_sql",
        kind="SQL files: read_files with globs, APPLY CHANGES, rules, star schema",
        repository=TRAINING,
        commit=TRAINING_AT,
        folders=["materials/lakeflow/lakeflow_bonus"],
        source=["materials/lakeflow/lakeflow_bonus/sql/**"],
        configuration={"source_path": "/Volumes/main/default/bonus"},
        rounds=[
            (
                _adventure(nested=True),
                {
                    "dim_customer(FirstName)": [("Anne",)],
                    "dim_product(ProductName, CategoryName)": [("Bike", "Bikes")],
                    "fact_sales(SalesOrderID)": [(1,)],
                },
            )
        ],
    ),
    PublicPipeline(
        name="retail_star_sql",
        kind="SQL files in folders: `_metadata`, stream joined with an SCD 2 table, star schema",
        repository="Bureyz/lakeflow-retail-pipelines",
        commit="7f700a60412d4d2482db143ba68a7ec87643ba44",
        folders=["Lakeflow_demo/SQL"],
        source=["Lakeflow_demo/SQL/**"],
        catalog="lakeflow_demo",
        rounds=[
            (
                _retail_sql,
                {
                    "silver_sales(order_number, quantity)": [(1, 4)],
                    "fact_sales(customer_id, date_key, loyalty_segment_id, total_line_amount)": [
                        (1, 20240105, 3, 10.0)
                    ],
                    "dim_customer(customer_name, is_current)": [("Ann", True), ("Bob", True)],
                    "dim_date": 3650,
                },
            )
        ],
    ),
    PublicPipeline(
        name="wine_prices",
        kind="Python files: batch and streamed CSV, SCD 1 and 2 of one source, fail rule",
        repository=WINE,
        commit=WINE_AT,
        folders=["examples/wine-pricing-inventory"],
        source=["examples/wine-pricing-inventory/**"],
        rounds=[
            (
                _wines,
                {
                    "silver_wines(name)": [("Nero",)],
                    "gold_current_prices(name, price)": [("Nero", 14.0)],
                    "gold_price_history": 2,
                },
            ),
            (
                _wine_update,
                {
                    "gold_current_prices(name, price)": [("Nero", 14.0)],
                    "gold_price_history(price, __START_AT, __END_AT)": [
                        (12.5, date(2024, 1, 1), date(2024, 1, 15)),
                        (13.0, date(2024, 1, 15), date(2024, 2, 1)),
                        (14.0, date(2024, 2, 1), None),
                    ],
                },
            ),
        ],
    ),
    PublicPipeline(
        name="live_tables_sql",
        kind="SQL: the legacy LIVE TABLE spelling, inline values, drop rules",
        repository=WINE,
        commit=WINE_AT,
        folders=["examples/dlt-basics"],
        source=["examples/dlt-basics/my_transformation.sql"],
        rounds=[
            (
                _nothing,
                {"customers_clean(name)": [("Alice",)], "age_by_initial(avg_age)": [(25.0,)]},
            )
        ],
    ),
    PublicPipeline(
        name="flights_python",
        kind="Python notebook: a package found through `sys.path.append` of a parameter",
        repository="databricks-solutions/databricks-dab-examples",
        commit="4c16d43b1c5975f304382a54706ba5ef6d547c30",
        folders=["flights/flights-simple/src"],
        source=["flights/flights-simple/src/flights_main_dlt.py"],
        configuration={
            "artifact_path": "{root}/flights/flights-simple/src",
            "var.source_path": "/Volumes/main/default/flights",
        },
        rounds=[
            (
                _flights,
                {"flights_dlt_summary(UniqueCarrier, flights, delayed_flights)": [("WN", 2, 1)]},
            )
        ],
    ),
    PublicPipeline(
        name="flights_sql",
        kind="SQL notebook: `cloud_files(...)` with a schema, temporary streaming table",
        repository="databricks-solutions/databricks-dab-examples",
        commit="4c16d43b1c5975f304382a54706ba5ef6d547c30",
        folders=["flights/flights-simple/src"],
        source=["flights/flights-simple/src/flights_main_dlt_sql.sql"],
        configuration={"var.source_path": "/Volumes/main/default/flights"},
        rounds=[(_flights, {"flights_dlt_summary": 1})],
        ends="[NOT_EMULATED]",
        reason="refused: `LIMIT` of a stream of files keeps state from batch to batch",
    ),
    PublicPipeline(
        name="towers_in_schemas",
        kind="names with a schema, SCD 1 and 2 with deletes and tracked columns",
        repository="suganyadevinatarajan/databricks-code-repo",
        commit="858758a42f93c9f0d478ff8395efaee44e6d75a4",
        folders=[
            TOWERS,
        ],
        source=[
            f"{TOWERS}/transformations/**",
        ],
        rounds=[
            (
                _towers,
                {
                    "telecom_silver.dim_towers1_silver": 5,
                    "telecom_gold.dim_towers1_gold_scd1(tower_id, network_type)": [(1, "5G")],
                    "telecom_gold.dim_towers1_gold_scd2(tower_id, network_type, load)": [
                        (1, "4G", 2),
                        (1, "5G", 3),
                        (2, "4G", 1),
                    ],
                },
            )
        ],
    ),
    PublicPipeline(
        name="payments_sql",
        kind="SQL files: CREATE FLOW ... INSERT INTO BY NAME, batch read_files, SCD 1 and 2",
        repository="kunalmbm/dxb-tutorials",
        commit="da7379ccb9cae312d1f9bcadc6a9d8f53b9e5349",
        folders=["lakeflow/ldp_pipeline/transformations"],
        source=["lakeflow/ldp_pipeline/transformations/**"],
        catalog="workspace",
        rounds=[
            (
                _payments,
                {
                    "transaction_clean": 2,
                    "transaction(transaction_id, amount)": [(1, 6)],
                    "transaction_history": 2,
                    "country_stats(country, total_spend)": [("Norway", 6)],
                },
            )
        ],
    ),
    PublicPipeline(
        name="fact_stream",
        kind="`create_auto_cdc_flow` with every parameter named",
        repository="rohanpatel160/spotifyazureproject",
        commit="5753646338dfc490da9b6fbe0b7fadcee5d9631f",
        folders=["azuredabrohan/src/gold/rohanspotify_dlt/transformations/FactStream.py"],
        source=["azuredabrohan/src/gold/rohanspotify_dlt/transformations/FactStream.py"],
        catalog="spotify_cata",
        rounds=[(_streams, {"factstream(stream_timestamp)": [("2024-01-02 00:00:00",)]})],
    ),
)
