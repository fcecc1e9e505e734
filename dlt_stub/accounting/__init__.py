"""Whether every file that came is accounted for: in the ledger, on disk, and row by row."""

from dlt_stub.accounting.balance import balance
from dlt_stub.accounting.evidence import collect
from dlt_stub.accounting.reconcile import only, reconcile
from dlt_stub.accounting.records import (
    Account,
    Evidence,
    Imbalance,
    Kind,
    Reconciliation,
    Totals,
    Version,
)

__all__ = [
    "Account",
    "Evidence",
    "Imbalance",
    "Kind",
    "Reconciliation",
    "Totals",
    "Version",
    "balance",
    "collect",
    "only",
    "reconcile",
]
