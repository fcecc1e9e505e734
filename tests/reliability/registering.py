"""A process that opens each workspace it is told of and registers a table there.

python -m tests.reliability.registering PIPELINE_ID
"""

import os
import sys
from pathlib import Path

from dlt_stub.bundle import load_bundle
from dlt_stub.engine.catalog import TableEntry
from dlt_stub.errors import UsageError
from dlt_stub.workspace import Workspace
from tests.pipelines.shop import ROOT


def main() -> None:
    """Answer each folder of the input by ``won``, or by why the name was refused."""
    bundle = load_bundle(ROOT, target=None, variables={}, environ=os.environ)
    _say("ready")
    for line in sys.stdin:
        workspace = Workspace(bundle, storage=Path(line.rstrip("\n")))
        entry = TableEntry(
            catalog="main",
            schema="shop",
            name="orders",
            location="/nowhere",
            kind="STREAMING_TABLE",
            pipeline_id=sys.argv[1],
        )
        try:
            workspace.registry.put(entry)
        except UsageError as error:
            _say(error.message)
        else:
            _say("won")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
