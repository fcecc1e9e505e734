"""Rules from a table or a file, the quarantine they make, and a key that is checked."""

from pathlib import Path

import pytest

from dlt_stub import DefinitionError, ExpectationViolation
from dlt_stub.testing import MakePipeline, PipelineUnderTest
from expectations.rule_sets import rules_from_rows, rules_from_yaml, tagged
from expectations.rules import RuleError, Severity, constraints
from tests.pipelines.shop import ROOT

RULES = """
- {name: has_id, constraint: id IS NOT NULL, tag: validity, severity: drop}
- {name: positive, constraint: amount > 0, tags: [validity, money], severity: drop, reason: Refunds}
- {name: small, constraint: amount < 1000, tag: money}
"""
DEFINITIONS = """
import dlt
from expectations.datasets import check_primary_key, split_in_quarantine
from expectations.rule_sets import rules_from_table, tagged
from expectations.rules import Severity, constraints

rules = rules_from_table(spark, "rules")

@dlt.table
@dlt.expect_all(constraints(tagged(rules, "money"), Severity.WARN))
def stage():
    return spark.readStream.table("orders")

split_in_quarantine(spark, source="stage", accepted="accepted", quarantined="held",
                    rules=tagged(rules, "validity"))

@dlt.table
def orders_clean():
    return spark.readStream.table("accepted")

check_primary_key(spark, table="orders_clean", keys=["id"])
"""


@pytest.fixture
def orders(dlt_pipeline: MakePipeline, tmp_path: Path) -> PipelineUnderTest:
    """A pipeline of DEFINITIONS, whose rules stand in a table."""
    file = tmp_path / "orders.py"
    file.write_text(DEFINITIONS, encoding="utf-8")
    pipeline = dlt_pipeline(file, root=ROOT)
    pipeline.feed(
        "rules",
        [
            ("has_id", "id IS NOT NULL", "validity", "drop"),
            ("positive", "amount > 0", "validity", "drop"),
            ("small", "amount < 1000", "money", None),
        ],
        "name STRING, constraint STRING, tag STRING, severity STRING",
    )
    return pipeline


def test_every_row_is_accepted_or_held(orders: PipelineUnderTest) -> None:
    rows = [(1, 5), (2, None), (None, 7), (None, -1), (5, 2000)]
    orders.feed("orders", rows, "id INT, amount INT")
    orders.update()
    assert orders.expectation("stage", "small").failed_records == 2
    orders.assert_rows("orders_clean", [(1, 5), (5, 2000)])
    orders.assert_rows(
        "held",
        # NULL > 0 is NULL: held, where NOT (a AND b) would keep it out of both tables
        [
            (2, None, ["positive"]),
            (None, 7, ["has_id"]),
            (None, -1, ["has_id", "positive"]),
        ],
    )
    orders.assert_rows("orders_clean_key_check", [(1, 1), (5, 1)])
    assert orders.expectation("orders_clean_key_check", "orders_clean_key_is_unique")
    assert orders.expectation("accepted", "positive").failed_records == 2

    orders.feed("orders", [(1, 6)])
    with pytest.raises(ExpectationViolation, match=r"'orders_clean_key_is_unique'.*\"id\":1"):
        orders.update()
    assert orders.last_update is not None
    assert orders.last_update.flows["orders_clean"].status == "COMPLETED"
    orders.assert_rows("orders_clean", [(1, 5), (1, 6), (5, 2000)])


def test_misspelt_tag_stops_the_update(orders: PipelineUnderTest, tmp_path: Path) -> None:
    file = tmp_path / "orders.py"
    file.write_text(DEFINITIONS.replace('"validity"', '"validty"'), encoding="utf-8")
    with pytest.raises(DefinitionError, match="no rule has the tag 'validty'; there are: money, v"):
        orders.update()


def test_yaml_rules_are_chosen_by_tag(tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(RULES, encoding="utf-8")
    rules = rules_from_yaml(tmp_path / "rules.yml")
    assert constraints(tagged(rules, "money")) == {
        "positive": "coalesce((amount > 0), false)",
        "small": "coalesce((amount < 1000), false)",
    }
    assert list(constraints(rules, Severity.DROP)) == ["has_id", "positive"]
    assert rules[1].reason == "Refunds"
    with pytest.raises(RuleError, match="rule has_id is defined twice"):
        constraints([*rules, *rules])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "a"}, "t has a rule without name or constraint"),
        ({"name": "a", "constraint": "x > 0", "tga": "b"}, "rule a of t has 'tga'; allowed: name"),
    ],
)
def test_row_that_is_no_rule_is_named(row: dict[str, str], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        rules_from_rows([row], origin="t")
