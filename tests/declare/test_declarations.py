import pytest

from dlt_stub import DefinitionError, NotEmulatedError
from dlt_stub.declare.records import Action, AppendFlow, AutoCdcFlow, DatasetKind, SnapshotFlow
from tests.declare.conftest import Declare


def test_decorators_chain_in_both_orders(declare: Declare) -> None:
    found = declare("""
    @dlt.expect("above", "a > 0")
    @dlt.table(name="both")
    @dlt.expect_or_drop("below", F.col("a") < 5)
    @dlt.expect_all_or_fail({"lowest": "a IS NOT NULL", "second": "a <> 3"})
    def query():
        return spark.range(1)
    """)
    (dataset,) = found.datasets
    assert [(each.name, each.action) for each in dataset.expectations] == [
        ("above", Action.WARN),
        ("below", Action.DROP),
        ("lowest", Action.FAIL),
        ("second", Action.FAIL),
    ]
    assert dataset.expectations[1].constraint == "`<`(a, 5)"
    assert [str(each.origin) for each in dataset.expectations] == [
        "main.py:4",
        "main.py:6",
        "main.py:7",
        "main.py:7",
    ]
    assert str(dataset.origin) == "main.py:5"


def test_bare_decorator_names_by_function(declare: Declare) -> None:
    found = declare("""
    @dlt.table
    def plain():
        return spark.range(1)

    @dlt.view()
    def called():
        return spark.range(1)
    """)
    assert [(each.name, each.kind) for each in found.datasets] == [
        ("plain", DatasetKind.TABLE),
        ("called", DatasetKind.VIEW),
    ]


def test_loops_partials_and_calls_declare(declare: Declare) -> None:
    found = declare("""
    from functools import partial

    def numbers(count=1):
        return spark.range(count)

    rule = dlt.expect("positive", "id >= 0")
    for count in (1, 2):
        dlt.table(name=f"loop_{count}")(rule(partial(numbers, count)))
    dlt.table(numbers, name="called")
    dlt.view(name="lambda")(lambda: spark.range(3))
    dlt.table(name="again")(rule(numbers))
    dlt.table(name="bare_again")(numbers)
    """)
    rules = {each.name: len(each.expectations) for each in found.datasets}
    assert rules == {
        "loop_1": 1,
        "loop_2": 1,
        "called": 0,
        "lambda": 0,
        "again": 1,
        "bare_again": 0,
    }
    counts = [flow.query().count() for flow in found.flows if isinstance(flow, AppendFlow)]
    assert counts == [1, 2, 1, 3, 1, 1]


def test_live_is_no_part_of_names(declare: Declare) -> None:
    found = declare("""
    dlt.create_streaming_table("LIVE.target", expect_all_or_drop={"rule": "a > 0"})
    dlt.apply_changes(target="Live.target", source="live.source", keys=["a", F.col("`b c`")],
        sequence_by=F.struct("a", "b"), apply_as_deletes=F.expr("op = 'D'"))
    """)
    assert [each.name for each in found.datasets] == ["target"]
    (flow,) = found.flows
    assert isinstance(flow, AutoCdcFlow)
    assert (flow.target, flow.source, flow.keys) == ("target", "source", ("a", "b c"))
    assert flow.sequence_by == "struct(a, b)"
    assert flow.scd_type == 1


def test_history_and_its_columns_are_recorded(declare: Declare) -> None:
    found = declare("""
    dlt.apply_changes("t", "s", ["a"], "n", stored_as_scd_type="2",
        track_history_column_list=["b", F.col("`c d`")])
    dlt.apply_changes("u", "s", ["a"], "n", stored_as_scd_type=2,
        track_history_except_column_list=["b"])
    """)
    one, other = found.flows
    assert isinstance(one, AutoCdcFlow)
    assert isinstance(other, AutoCdcFlow)
    assert (one.scd_type, other.scd_type) == (2, 2)
    assert one.track_history_column_list == ("b", "c d")
    assert other.track_history_except_column_list == ("b",)


def test_snapshots_and_one_time_flows_are_recorded(declare: Declare) -> None:
    found = declare("""
    dlt.create_auto_cdc_flow("t", "LIVE.s", ["a"], "n", name="first", once=True)
    dlt.create_auto_cdc_from_snapshot_flow("u", "LIVE.s", ["a"], stored_as_scd_type=2,
        track_history_except_column_list=["b"])
    dlt.apply_changes_from_snapshot("v", snapshot_and_version=print, keys=[F.col("a")])
    """)
    once, by_name, by_function = found.flows
    assert isinstance(once, AutoCdcFlow)
    assert (once.name, once.target, once.source, once.once) == ("first", "t", "s", True)
    assert isinstance(by_name, SnapshotFlow)
    assert (by_name.source, by_name.scd_type, by_name.name) == ("s", 2, "u")
    assert by_name.track_history_except_column_list == ("b",)
    assert isinstance(by_function, SnapshotFlow)
    assert (by_function.source, by_function.scd_type, by_function.keys) == (print, 1, ("a",))


def test_truncates_and_null_updates_are_recorded(declare: Declare) -> None:
    found = declare("""
    dlt.apply_changes("t", "s", ["a"], "n", apply_as_truncates=F.expr("op = 'T'"),
        ignore_null_updates=True)
    dlt.apply_changes("u", "s", ["a"], "n", ignore_null_updates_column_list=["b"])
    dlt.apply_changes("v", "s", ["a"], "n", ignore_null_updates_except_column_list=["c"])
    """)
    one, two, three = (flow for flow in found.flows if isinstance(flow, AutoCdcFlow))
    assert (one.ignore_null_updates, two.ignore_null_updates) == (True, False)
    assert one.apply_as_truncates is not None
    assert two.ignore_null_updates_column_list == ("b",)
    assert three.ignore_null_updates_except_column_list == ("c",)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("dlt.table(lambda: 1)", "a query without a name needs name="),
        ("dlt.table('orders')", "dlt.table decorates a query function, found 'orders'"),
        ("dlt.expect('a', 'b')(7)", "dlt.expect decorates a query function, found 7"),
        ("dlt.append_flow(name='a')", "append_flow needs a target"),
        ("dlt.append_flow(target='t')(dlt.expect('a', 'b')(print))", "allowed: on its target"),
        ("dlt.read('a')", "a dataset was read outside a query function"),
        ("spark.readStream.table\ndlt.read_stream('a')", "read outside a query function"),
        ("dlt.expect_all({'a': 'x'})(dlt.expect('a', 'y')(print))", "'a' is declared twice"),
        (
            "dlt.view(name='v')(print)\ndlt.table(name='v')(print)",
            "dataset 'v' is defined twice, first at main.py:3",
        ),
        (
            "for t in ('a', 'b'):\n dlt.append_flow(name='f', target=t)(print)",
            "flow 'f' is defined twice",
        ),
        ("dlt.apply_changes('t', 's', 'id', 'n')", "keys is a list of columns, found 'id'"),
        ("dlt.apply_changes('t', 's', [F.expr('a + 1')], 'n')", "not an unqualified column"),
        ("dlt.apply_changes('t', 's', ['a'], 'n', stored_as_scd_type=3)", "allowed: 1, 2"),
        ("dlt.apply_changes_from_snapshot('t', 's')", "needs keys and one of source and"),
        ("dlt.apply_changes_from_snapshot('t', 7, ['a'])", "source is 7; allowed: the name"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("def broken(:", "the file cannot be parsed"),
        ("import not_there", "No module named 'not_there'"),
        ("dlt.tabel()", "module 'dlt' has no attribute 'tabel'"),
    ],
)
def test_wrong_declaration_names_its_line(declare: Declare, source: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        declare(source)
    assert said in str(caught.value)
    line = 3 + source.count("\n") if "expect_all(" not in source else 3
    assert f"main.py:{line}" in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        "dlt.table(path='/x')(print)",
        "dlt.table(row_filter='f ON (a)')(print)",
        "dlt.view(spark_conf={'a': 'b'})(print)",
        "dlt.create_streaming_table('t', path='/x')",
        "dlt.apply_changes('t', 's', ['a'], 'n', stored_as_scd_type='bitemporal')",
        "dlt.apply_changes('t', 's', ['a'], 'n', columns_to_update='a')",
        "dlt.apply_changes_from_snapshot('t', 's', ['a'], once=True)",
        "dlt.create_sink('s', 'kafka')",
        "dlt.materialized_view(refresh_policy='incremental_strict')(print)",
        "dlt.table(format='parquet')(print)",
        "dlt.append_flow(target='t', depends_on='f')",
        "from pyspark import pipelines as dp\ndp.create_table(name='t')",
        "import pyspark.pipelines\npyspark.pipelines.update_flow(target='t')",
        "from pyspark.pipelines import update_flow",
    ],
)
def test_what_is_not_honoured_is_refused(declare: Declare, call: str) -> None:
    with pytest.raises(NotEmulatedError, match="is not run locally") as caught:
        declare(call)
    assert caught.value.origin is not None
    assert caught.value.origin.path == "main.py"
    assert caught.value.origin.line is not None


def test_deprecated_name_warns_and_works(declare: Declare) -> None:
    with pytest.warns(UserWarning, match="create_target_table is deprecated"):
        found = declare("dlt.create_target_table('t', comment='c')")
    assert found.datasets[0].comment == "c"
    assert str(found.datasets[0].origin) == "main.py:3"
