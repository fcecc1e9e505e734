"""Rules: fitted to a feed, never NULL, and named when they are wrong."""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from expectations.orders import ORDER_RULES
from expectations.rules import Rule, RuleError, Severity, check_sql, columns_in_hints, fit_rules


def rule(name: str = "one", constraint: str = "{key} > 0", **more: object) -> Rule:
    severity = str(more.get("severity", "drop"))
    return Rule(name=name, constraint=constraint, severity=severity, needs=("{key}",), reason="…")


def test_placeholders_become_quoted_columns() -> None:
    fitted = fit_rules(
        [rule(constraint="{key} > 0 AND {sequence} RLIKE '^[0-9]{3}$'")],
        key="order id",
        sequence="seq",
        columns=("Order ID", "seq"),
    )
    assert fitted.constraints(Severity.DROP) == {
        "one": "coalesce((`order id` > 0 AND `seq` RLIKE '^[0-9]{3}$'), false)"
    }


def test_rule_without_its_columns_is_left_out() -> None:
    fitted = fit_rules([rule()], key="id", sequence="seq", columns=("seq",))
    assert fitted.rules == ()
    assert fitted.notes() == ["rule one is left out: the feed does not promise id"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([rule(), rule()], "rule one is defined twice"),
        ([rule(severity="maybe")], "rule one has severity 'maybe'; allowed: warn, drop, fail"),
        ([rule(constraint="{kye} > 0")], r"rule one has placeholder \{kye\}; allowed: \{key\}"),
    ],
)
def test_wrong_rule_is_named(rules: list[Rule], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        fit_rules(rules, key="id", sequence="seq", columns=("id",))


def test_constraint_that_is_not_sql_is_named(spark: SparkSession) -> None:
    with pytest.raises(RuleError, match="rule bad: its constraint is not SQL: 'id >'"):
        check_sql(spark, [rule("bad", "id >")])


def test_constraint_names_every_column_it_reads(spark: SparkSession) -> None:
    with pytest.raises(RuleError, match="rule one reads a column that is not among those"):
        check_sql(spark, [rule(constraint="amount > 0")])


def test_order_rules_are_sql_and_none_fails(spark: SparkSession) -> None:
    columns = {column for one in ORDER_RULES for column in one.needs} | {"order_id", "updated_at"}
    fitted = fit_rules(ORDER_RULES, key="order_id", sequence="updated_at", columns=tuple(columns))
    check_sql(spark, fitted.rules)
    assert fitted.left_out == ()
    assert fitted.constraints(Severity.FAIL) == {}
    assert list(fitted.constraints(Severity.DROP)) == [
        "key_present",
        "sequence_present",
        "row_fits_schema",
        "text_is_readable",
    ]


def test_null_result_counts_as_failed(spark: SparkSession) -> None:
    fitted = fit_rules([rule()], key="id", sequence="seq", columns=("id",))
    (sql,) = fitted.constraints(Severity.DROP).values()
    rows = spark.createDataFrame([(1,), (None,), (-1,)], "id INT").select(F.expr(sql)).collect()
    assert [row[0] for row in rows] == [True, False, False]


def test_hints_give_top_level_columns() -> None:
    hints = "id INT, amount DECIMAL(12,2), `a b` MAP<STRING, INT>, c.x STRING, c.y: STRING"
    assert columns_in_hints(hints) == ("id", "amount", "a b", "c")


@pytest.mark.parametrize("hints", ["id", "id INT,", "amount DECIMAL(12,2"])
def test_broken_hints_are_refused(hints: str) -> None:
    with pytest.raises(RuleError, match="schema hint"):
        columns_in_hints(hints)
