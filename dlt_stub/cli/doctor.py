"""``dlt-stub doctor``: what this machine lacks, and the command that mends it."""

import sys
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from dlt_stub.cli.display import console_on, write_json
from dlt_stub.engine.doctor import examine, is_healthy


def doctor(folder: Path, *, as_json: bool) -> int:
    """Return 0 if the machine has all that Spark and Delta need, else 2; no Spark is started."""
    checks = examine(folder)
    healthy = is_healthy(checks)
    if as_json:
        write_json(sys.stdout, {"healthy": healthy, "checks": [asdict(check) for check in checks]})
        return 0 if healthy else 2
    out = console_on(sys.stdout)
    for check in checks:
        line = Text("ok    " if check.ok else "WRONG ", style="green" if check.ok else "bold red")
        line.append(f"{check.name}: {check.found}", style="")
        if check.mend:
            line.append(f"\n      mend it: {check.mend}", style="yellow")
        out.print(line, soft_wrap=True)
    return 0 if healthy else 2
