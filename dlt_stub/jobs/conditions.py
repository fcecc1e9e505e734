"""Whether a task runs: ``run_if`` over what came before it, and the if/else condition task."""

import operator
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from databricks.sdk.service.jobs import ConditionTask, ConditionTaskOp, RunIf
from databricks.sdk.service.jobs import RunResultState as Result

from dlt_stub.errors import BundleError


class Upstream(StrEnum):
    """What one dependency means to the task that waits for it."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXCLUDED = "EXCLUDED"
    DISABLED = "DISABLED"


_MEANING = {
    Result.SUCCESS: Upstream.SUCCEEDED,
    Result.SUCCESS_WITH_FAILURES: Upstream.SUCCEEDED,
    Result.FAILED: Upstream.FAILED,
    Result.TIMEDOUT: Upstream.FAILED,
    Result.UPSTREAM_FAILED: Upstream.FAILED,
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: Upstream.FAILED,
    Result.CANCELED: Upstream.CANCELED,
    Result.UPSTREAM_CANCELED: Upstream.CANCELED,
    Result.EXCLUDED: Upstream.EXCLUDED,
    Result.DISABLED: Upstream.DISABLED,
}


def upstream_meaning(result: Result, *, wanted: str | None, outcome: str | None) -> Upstream:
    """Return what a dependency that ended with ``result`` means to the task after it.

    The branch that a condition task did not take is excluded (``wanted`` is the ``outcome`` that
    the dependency asks for).

    Source: docs.databricks.com/jobs/run-if, checked 2026-11-24; that UPSTREAM_FAILED counts as
    failed is assumed.
    """
    meaning = _MEANING[result]
    if meaning is Upstream.SUCCEEDED and wanted is not None and wanted != outcome:
        return Upstream.EXCLUDED
    return meaning


def decide_run_if(run_if: RunIf, upstream: Iterable[Upstream]) -> Result | None:
    """Return None when the task is to run, else the result that stands for why it did not.

    An excluded dependency counts as successful, and a task whose dependencies are all excluded is
    excluded whatever its ``run_if``. A disabled one is neither a success nor a failure; it is done.

    Source: docs.databricks.com/jobs/run-if and /jobs/disabled-tasks, checked 2026-11-24. Assumed:
    a cancelled dependency is neither a success nor a failure, and a task that cannot run because
    of one is UPSTREAM_CANCELED.
    """
    found = list(upstream)
    if not found:
        return None
    if all(one is Upstream.EXCLUDED for one in found):
        return Result.EXCLUDED
    failed = found.count(Upstream.FAILED)
    canceled = found.count(Upstream.CANCELED)
    disabled = found.count(Upstream.DISABLED)
    good = found.count(Upstream.SUCCEEDED) + found.count(Upstream.EXCLUDED)
    is_met = {
        RunIf.ALL_SUCCESS: good == len(found),
        RunIf.AT_LEAST_ONE_SUCCESS: good > 0,
        RunIf.NONE_FAILED: failed == 0 and canceled == 0 and good > 0,
        RunIf.ALL_DONE: True,
        RunIf.AT_LEAST_ONE_FAILED: failed > 0,
        RunIf.ALL_FAILED: failed == len(found),
    }[run_if]
    if is_met:
        return None
    # What a disabled task alone makes impossible is known before the run, and named so.
    needs_all = run_if in (RunIf.ALL_SUCCESS, RunIf.ALL_FAILED)
    if disabled == len(found) or (needs_all and disabled):
        return Result.DISABLED
    if run_if in (RunIf.AT_LEAST_ONE_FAILED, RunIf.ALL_FAILED):
        return Result.EXCLUDED
    return Result.UPSTREAM_CANCELED if canceled and not failed else Result.UPSTREAM_FAILED


def evaluate_condition(condition: ConditionTask) -> bool:
    """Return whether the condition holds; its operands have no references left.

    ``==`` and ``!=`` compare text (``12.0`` is not ``12``), the others compare numbers.

    Source: ``ConditionTaskOp`` of the Jobs API (databricks-sdk 0.156.0).

    Raises:
        BundleError: a numeric comparison of something that is not a number.
    """
    if condition.op is ConditionTaskOp.EQUAL_TO:
        return condition.left == condition.right
    if condition.op is ConditionTaskOp.NOT_EQUAL:
        return condition.left != condition.right
    compare = _NUMERIC[condition.op]
    return compare(_number(condition.left), _number(condition.right))


_NUMERIC: dict[ConditionTaskOp, Callable[[Decimal, Decimal], bool]] = {
    ConditionTaskOp.GREATER_THAN: operator.gt,
    ConditionTaskOp.GREATER_THAN_OR_EQUAL: operator.ge,
    ConditionTaskOp.LESS_THAN: operator.lt,
    ConditionTaskOp.LESS_THAN_OR_EQUAL: operator.le,
}


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise _no_number(text) from error
    if number.is_nan():
        raise _no_number(text)
    return number


def _no_number(text: str) -> BundleError:
    return BundleError(
        f"condition compares {text!r} as a number",
        hint="use EQUAL_TO or NOT_EQUAL to compare text",
    )
