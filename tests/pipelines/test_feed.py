"""The feed's configuration: what fits together and what is refused."""

from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession

from pipelines.feed import Feed, FeedError, feed_from

ROOT = Path(__file__).parents[2]
NORTHWIND = "orderID INT, customerID STRING, orderDate TIMESTAMP, shipCountry STRING"


def configuration(**changes: str) -> dict[str, str | None]:
    variables = yaml.safe_load((ROOT / "databricks.yml").read_text())["variables"]
    settings = {name: variables[name]["default"] for name in ("order_key", "sequence_column")}
    settings["schema_hints"] = variables["schema_hints"]["default"]
    settings |= {"source_path": "/Volumes/a/b/c/source/", "event_log": "a.b.orders_event_log"}
    return {f"orders.{name}": value for name, value in (settings | changes).items()}


def feed(**changes: str) -> Feed:
    return feed_from(configuration(**changes))


def test_default_feed_holds_every_rule() -> None:
    default = feed()
    assert default.rules.left_out == ()
    assert default.operation_column == "operation"
    assert len(default.columns) == 12


def test_other_feed_keeps_the_rules_it_can() -> None:
    northwind = feed(order_key="orderID", sequence_column="orderDate", schema_hints=NORTHWIND)
    assert list(northwind.drops) == ["key_present", "sequence_present", "row_fits_schema"]
    assert northwind.operation_column is None
    assert "`orderID`" in northwind.drops["key_present"]
    assert "rule status_known is left out: the feed does not promise status" in (
        northwind.rules.notes()
    )


def test_key_outside_the_hints_is_refused() -> None:
    with pytest.raises(FeedError, match=r"orders\.order_key is 'orderID', which"):
        feed(order_key="orderID")


def test_empty_setting_is_refused() -> None:
    with pytest.raises(FeedError, match=r"orders\.source_path is empty"):
        feed(source_path=" ")


def test_spark_conf_can_be_the_configuration(spark: SparkSession) -> None:
    for key, value in configuration().items():
        assert value is not None
        spark.conf.set(key, value)
    assert feed_from(spark.conf) == feed()
