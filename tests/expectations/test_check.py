import pytest
from pyspark.sql import Observation, SparkSession

from dlt_stub import DefinitionError
from dlt_stub.declare.records import Action, Expectation
from dlt_stub.errors import Origin
from dlt_stub.expectations import Check, ExpectationMetrics, check_rules, put_check, violation

ORIGIN = Origin(path="main.py", line=3)


def check_of(**rules: tuple[str, Action]) -> Check:
    return Check(
        observed_as="t#0",
        dataset="t",
        expectations=tuple(
            Expectation(name=name, constraint=rule, action=action, origin=ORIGIN)
            for name, (rule, action) in rules.items()
        ),
    )


def test_null_results_count_as_failed(spark: SparkSession) -> None:
    check = check_of(
        warned=("a > 1", Action.WARN), dropped=("b", Action.DROP), other=("a < 9", Action.DROP)
    )
    frame = spark.createDataFrame(
        [(1, True), (2, None), (None, True), (3, False)], "a int, b boolean"
    )
    observation = Observation("t#0")
    kept = put_check(frame, check, flow="f", observation=observation)
    assert [tuple(row) for row in kept.collect()] == [(1, True)]
    metrics = check.metrics(observation.get)
    assert (metrics.input_rows, metrics.dropped_rows, metrics.output_rows) == (4, 3, 1)
    assert metrics.expectations == (
        ExpectationMetrics(name="warned", dataset="t", passed_records=2, failed_records=2),
        ExpectationMetrics(name="dropped", dataset="t", passed_records=2, failed_records=2),
        ExpectationMetrics(name="other", dataset="t", passed_records=3, failed_records=1),
    )


def test_check_without_rules_counts_rows(spark: SparkSession) -> None:
    check, observation = check_of(), Observation("t#0")
    put_check(spark.range(3), check, flow="f", observation=observation).collect()
    assert check.metrics(observation.get).output_rows == 3


def test_nothing_observed_is_no_rows() -> None:
    metrics = check_of(warned=("a > 1", Action.WARN)).metrics({})
    assert (metrics.input_rows, metrics.dropped_rows) == (0, 0)
    assert metrics.expectations[0].failed_records == 0


def test_python_function_in_rule_is_refused(spark: SparkSession) -> None:
    spark.udf.register("is_fine", lambda value: value > 0, "boolean")
    check = check_of(rule=("is_fine(id)", Action.WARN))
    with pytest.raises(
        DefinitionError, match=r"main.py:3: expectation 'rule' .* a Python function"
    ):
        check_rules(spark.range(1), check)


def test_violation_is_found_in_any_text() -> None:
    said = (
        "x [USER_RAISED_EXCEPTION] __dlt_expectation_violation:[\"'a|b'\",\"'c'\"]"
        '|{"id":1,"text":"} SQLSTATE: \\"|\\""} SQLSTATE: P0001\n\tat scala.Thing'
    )
    found = violation(said, flow="f")
    assert found is not None
    assert found.message == (
        "Flow 'f' failed to meet the expectation. Violated expectations: 'a|b', 'c'. "
        'Input data: \'{"id":1,"text":"} SQLSTATE: \\"|\\""}\''
    )
    assert violation("something else", flow="f") is None
