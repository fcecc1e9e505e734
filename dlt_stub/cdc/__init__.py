"""Applies a stream of changes to a table (``apply_changes``): what ``AUTO CDC`` does.

``flow.py``       what a flow may declare, and the columns its target shows
``ordering.py``   one total order of changes, and the latest change of each key
``auxiliary.py``  the hidden table: tombstones, last sequences, changes the target does not hold
``apply.py``      the door: one micro-batch into a target, by the type its flow declares
``batch.py``      what both types share: the batch's record, key range, pins and transaction
``history.py``    from changes to versions with a start and an end
``replay.py``     one micro-batch by all changes of its keys: type 2, truncates, ignored NULLs
``snapshot.py``   one snapshot into a target: what has changed since the last one
``scd1.py``       one micro-batch by the greatest change of its keys: type 1 without those
"""

from dlt_stub.cdc.apply import apply_changes_batch
from dlt_stub.cdc.batch import CdcMetrics
from dlt_stub.cdc.flow import target_schema, tombstone_seconds
from dlt_stub.cdc.snapshot import Version, apply_snapshot, snapshot_schema

__all__ = [
    "CdcMetrics",
    "Version",
    "apply_changes_batch",
    "apply_snapshot",
    "snapshot_schema",
    "target_schema",
    "tombstone_seconds",
]
