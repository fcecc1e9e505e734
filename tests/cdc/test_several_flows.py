"""Several flows of changes fill one target together, one of them once."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from dlt_stub import Pipeline
from dlt_stub.errors import FlowError, GraphError
from tests.cdc.conftest import MakeOrders, Orders
from tests.cdc.model import SCHEMA

SOURCE = """
import dlt

dlt.create_streaming_table("users")
arguments = dict(
    target="users", keys=["id"], sequence_by="seq", apply_as_deletes="op = 'DELETE'",
    except_column_list=["op"], stored_as_scd_type=spark.conf.get("test.scd_type"),
)
dlt.create_auto_cdc_flow(source="changes", **arguments)
dlt.create_auto_cdc_flow(source="older", name="backfill", once=True, **arguments)

@dlt.view
def changes():
    return spark.readStream.format("delta").load(spark.conf.get("test.folder") + "/changes")

@dlt.view
def older():
    older = spark.read.format("delta").load(spark.conf.get("test.folder") + "/older")
    return older.selectExpr("*", "'archive' AS origin")
"""
CHANGES = "id int, city string, op string, seq int"


@pytest.mark.parametrize("scd_type", [1, 2])
def test_backfill_runs_once_beside_changes(
    spark: SparkSession, tmp_path: Path, scd_type: int
) -> None:
    (tmp_path / "main.py").write_text(SOURCE, encoding="utf-8")
    pipeline = Pipeline(
        source=["main.py"],
        root=tmp_path,
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        spark=spark,
        configuration={"test.folder": str(tmp_path), "test.scd_type": str(scd_type)},
    )

    def put(table: str, *rows: tuple[object, ...]) -> None:
        frame = spark.createDataFrame(list(rows), CHANGES).coalesce(1)
        frame.write.format("delta").mode("append").save(str(tmp_path / table))

    put("changes", (1, "Oslo", "U", 5), (2, None, "DELETE", 6))
    put("older", (1, "Rome", "U", 1), (2, "Bonn", "U", 2), (3, "Lima", "U", 3))
    first = pipeline.update()
    first.raise_for_failure()
    put("older", (9, "too late", "U", 1))
    put("changes", (3, "Riga", "U", 7))
    second = pipeline.update()
    second.raise_for_failure()
    assert second.flows["users"].metrics["num_upserted_rows"] == (1 if scd_type == 1 else 2)
    assert second.flows["backfill"].metrics == {}
    rows = {tuple(row) for row in pipeline.table("users").collect()}
    if scd_type == 1:
        assert rows == {(1, "Oslo", 5, None), (3, "Riga", 7, None)}
        return
    assert pipeline.table("users").columns == [
        *("id", "city", "seq", "origin", "__START_AT", "__END_AT")
    ]
    assert rows == {
        (1, "Rome", 1, "archive", 1, 5),
        (1, "Oslo", 5, None, 5, None),
        (2, "Bonn", 2, "archive", 2, 6),
        (3, "Lima", 3, "archive", 3, 7),
        (3, "Riga", 7, None, 7, None),
    }


@pytest.mark.parametrize("arguments", [{}, {"scd_type": 2}], ids=["type 1", "type 2"])
def test_killed_batch_of_another_flow_comes_again(
    orders: MakeOrders, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    left = orders(
        SCHEMA, name="left", apply_as_deletes="op = 'DELETE'", column_list=("key", "status"),
        **arguments,
    )  # fmt: skip
    left.apply((1, "a", 1.0, 1, "UPSERT"), (2, "a", 1.0, 1, "UPSERT"))
    shutil.copytree(left.target, tmp_path / "before")
    killed = [(1, "b", 1.0, 2, "UPSERT"), (2, None, None, 5, "DELETE"), (3, "b", 1.0, 2, "UPSERT")]
    left.apply(*killed)
    left.target = str(tmp_path / "before")  # as a crash between the tables leaves it

    right = Orders(left.spark, tmp_path / "right", SCHEMA, replace(left.flow, name="right"))
    right.target, right.auxiliary, right.beside = left.target, left.auxiliary, (left.flow,)
    right.apply((3, "b", 1.0, 2, "UPSERT"), (2, "late", 1.0, 3, "UPSERT"), (1, "c", 1.0, 3, "U"))
    left.apply(*killed, version=1)
    found = left.rows()
    if not arguments:
        assert found == {(1, "c"), (3, "b")}
        return
    assert found == {
        *((1, "a", 1, 2), (1, "b", 2, 3), (1, "c", 3, None)),
        *((2, "a", 1, 3), (2, "late", 3, 5), (3, "b", 2, None)),
    }


def test_flows_may_keep_their_sequences_apart(orders: MakeOrders, tmp_path: Path) -> None:
    left = orders(SCHEMA, name="left", column_list=("key", "status", "seq"))
    flow = replace(left.flow, name="right", sequence_by="seq + 10", column_list=("key", "status"))
    right = Orders(left.spark, tmp_path / "right", SCHEMA, flow)
    right.target, right.auxiliary = left.target, left.auxiliary
    left.beside, right.beside = (right.flow,), (left.flow,)
    left.apply((1, "a", None, 5, "UPSERT"), (2, "a", None, 5, "UPSERT"))
    right.apply((1, "b", None, -6, "UPSERT"), (2, "b", None, -4, "UPSERT"))
    assert left.rows() == {(1, "a", 5), (2, "b", None)}
    right.flow = replace(flow, sequence_by="amount")
    with pytest.raises(FlowError, match="sequences of type double, those before are of type int"):
        right.apply((1, "c", 9.0, None, "UPSERT"))


def test_flows_that_do_not_fit_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import dlt\ndlt.create_streaming_table('t')\n"
        "dlt.apply_changes('t', 's', ['id'], 'n', name='a')\n"
        "dlt.apply_changes('t', 's', ['ID'], 'n', name='b', stored_as_scd_type=2)\n",
        encoding="utf-8",
    )
    pipeline = Pipeline(
        source=["main.py"],
        root=tmp_path,
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        spark=spark,
    )
    with pytest.raises(GraphError, match="'a' and 'b' write into 't' with different stored_as_scd"):
        pipeline.resolve()
