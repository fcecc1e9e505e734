"""Applies the second batch of the crash test in a process of its own: target, auxiliary."""

import sys

from dlt_stub.cdc import apply_changes_batch
from dlt_stub.clock import SystemClock
from dlt_stub.declare.records import AutoCdcFlow
from dlt_stub.engine.session import start_session
from dlt_stub.errors import Origin
from tests.cdc.model import SCHEMA
from tests.cdc.test_crash import HIDDEN, SECOND

if __name__ == "__main__":
    spark = start_session()
    apply_changes_batch(
        spark.createDataFrame(SECOND, SCHEMA),
        flow=AutoCdcFlow(
            name="orders",
            target="orders",
            source="changes",
            keys=("key",),
            sequence_by="seq",
            apply_as_deletes="op = 'DELETE'",
            origin=Origin(path="orders.py", line=7),
            **HIDDEN,
        ),
        target=sys.argv[1],
        auxiliary=sys.argv[2],
        app_id="flow-orders",
        version=1,
        applied_at=SystemClock().now(),
    )
