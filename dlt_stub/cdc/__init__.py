"""Applies a stream of changes to a table (``apply_changes``): what ``AUTO CDC`` does.

``flow.py``       what a flow may declare, and the columns its target shows
``ordering.py``   one total order of changes, and the latest change of each key
``auxiliary.py``  the hidden table: tombstones, and last sequences the target does not hold
``scd1.py``       one micro-batch into an SCD type 1 target
``delta_log.py``  what a Delta table's log says, without a query
"""

from dlt_stub.cdc.flow import target_schema
from dlt_stub.cdc.scd1 import CdcMetrics, apply_changes_batch

__all__ = ["CdcMetrics", "apply_changes_batch", "target_schema"]
