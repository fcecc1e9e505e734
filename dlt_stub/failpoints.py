"""Places where a test may kill the process: each named after what has just been done.

``cdc.between_tables``   the auxiliary table is committed, the target is not
``bronze.after_commit``  a micro-batch is in the table, its ledger entry is not closed
"""

import os
import signal

VARIABLE = "DLT_STUB_FAILPOINT"


def reach(name: str) -> None:
    """Kill this process with SIGKILL if ``DLT_STUB_FAILPOINT`` is ``name``, else do nothing."""
    if os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
