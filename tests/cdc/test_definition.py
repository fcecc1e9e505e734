"""What a change flow may declare, and the columns its target shows."""

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub import cdc
from dlt_stub.cdc import target_schema
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.errors import DefinitionError, Origin

SOURCE = "order_id int not null, status string, seq int, op string, tags map<string,int>"
BASE: dict[str, Any] = {
    "name": "orders",
    "target": "orders",
    "source": "changes",
    "keys": ("order_id",),
    "sequence_by": "seq",
    "origin": Origin(path="orders.py", line=7),
}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({}, ["order_id", "status", "seq", "op", "tags"]),
        ({"except_column_list": ("OP", "seq")}, ["order_id", "status", "tags"]),
        ({"column_list": ("status", "Order_Id")}, ["order_id", "status"]),
        (
            {"scd_type": 2, "column_list": ("order_id",), "sequence_by": "struct(seq, op)"},
            ["order_id", "__START_AT", "__END_AT"],
        ),
    ],
)
def test_target_shows_the_selected_columns(
    spark: SparkSession, arguments: dict[str, Any], names: list[str]
) -> None:
    schema = _schema_of(spark, arguments)
    assert schema.names == names
    assert all(field.nullable for field in schema.fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keys": ()}, "has no key"),
        ({"keys": ("order_di",)}, r"'order_di' in keys.*\n.*did you mean 'order_id'"),
        ({"keys": ("tags",)}, "orders by `tags` of type map<string,int>, which has no order"),
        ({"sequence_by": "sequ"}, r"sequence_by sequ on its source.*\n.*did you mean 'seq'"),
        ({"sequence_by": "tags"}, "has no order"),
        ({"sequence_by": "seq +"}, r"sequence_by seq \+ on its source: \[PARSE"),
        ({"apply_as_deletes": "op"}, "apply_as_deletes op is not a boolean"),
        ({"where": "nope > 1"}, "where nope > 1"),
        ({"column_list": ("status",)}, "leaves key column 'order_id' out"),
        ({"except_column_list": ("stat",)}, r"'stat' in except_column_list.*\n.*'status'"),
        ({"column_list": ("op",), "except_column_list": ("op",)}, "both column_list and"),
        ({"track_history_column_list": ("op",)}, "which belongs to SCD type 2"),
        ({"apply_as_truncates": "op"}, "apply_as_truncates op is not a boolean"),
        (
            {"ignore_null_updates": True, "ignore_null_updates_column_list": ("op",)},
            "has ignore_null_updates and ignore_null_updates_column_list",
        ),
        (
            {"ignore_null_updates_except_column_list": ("opp",)},
            r"'opp' in ignore_null_updates_except_column_list.*\n.*'op'",
        ),
        ({"scd_type": 2, "apply_as_truncates": "true"}, "which belongs to SCD type 1"),
        (
            {"scd_type": 2, "track_history_except_column_list": ("statu",)},
            r"'statu' in track_history_except_column_list.*\n.*'status'",
        ),
        (
            {
                "scd_type": 2,
                "track_history_column_list": ("op",),
                "track_history_except_column_list": ("op",),
            },
            "both track_history_column_list and",
        ),
    ],
)
def test_wrong_definition_names_file_and_line(
    spark: SparkSession, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=r"(?s)orders\.py:7: .*" + message):
        _schema_of(spark, arguments)


def test_history_columns_have_the_sequence_type(spark: SparkSession) -> None:
    schema = _schema_of(spark, {"scd_type": 2, "sequence_by": "struct(seq, coalesce(op, ''))"})
    for name in ("__START_AT", "__END_AT"):
        kind = schema[name].dataType
        assert isinstance(kind, StructType)
        assert [field.nullable for field in kind] == [True, True]


def test_source_may_not_bring_history_columns(spark: SparkSession) -> None:
    source = spark.createDataFrame([], "order_id int, seq int, __start_at int").schema
    flow = AutoCdcFlow(**{**BASE, "scd_type": 2})
    with pytest.raises(DefinitionError, match="'__start_at', which SCD type 2 adds itself"):
        target_schema(source, flow, spark=spark)


def test_public_names_of_the_room() -> None:
    assert cdc.__all__ == [
        "CdcMetrics",
        "Version",
        "apply_changes_batch",
        "apply_snapshot",
        "snapshot_schema",
        "target_schema",
        "tombstone_seconds",
    ]


def _schema_of(spark: SparkSession, arguments: dict[str, Any]) -> StructType:
    source = spark.createDataFrame([], SOURCE).schema
    return target_schema(source, AutoCdcFlow(**{**BASE, **arguments}), spark=spark)
