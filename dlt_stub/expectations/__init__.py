"""Expectations: rules put into a flow's plan, counted in the write's own pass."""

from dlt_stub.expectations.check import (
    Check,
    CheckMetrics,
    ExpectationMetrics,
    check_rules,
    put_check,
    violation,
)

__all__ = ["Check", "CheckMetrics", "ExpectationMetrics", "check_rules", "put_check", "violation"]
