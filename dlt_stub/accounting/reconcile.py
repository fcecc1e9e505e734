"""The reconciliation of a pipeline: evidence is collected while no update runs, then compared."""

from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from functools import partial

from dlt_stub.accounting.balance import balance
from dlt_stub.accounting.counting import rows_in, sha256
from dlt_stub.accounting.evidence import collect
from dlt_stub.accounting.records import Reconciliation
from dlt_stub.locks import exclusive
from dlt_stub.update.pipeline import Pipeline
from dlt_stub.workspace import Workspace


def reconcile(
    workspace: Workspace,
    key: str,
    *,
    since: datetime | None = None,
    recount: bool = True,
) -> list[Reconciliation]:
    """Return the accounts of every delivery that pipeline ``key`` was brought, one list a table.

    Args:
        workspace: Where the pipeline's tables and files are.
        key: The pipeline, as the bundle calls it.
        since: Only deliveries last modified then or later are looked at.
        recount: Whether every file is opened, its rows counted and its content compared with the
            digest that was recorded when it was archived.

    Raises:
        BusyError: an update of the pipeline is running: nothing could be compared meanwhile.
        UsageError: there is no such pipeline.
        NotEmulatedError: its files are not on this machine.
        StateError: a ledger cannot be trusted.
    """
    pipeline = workspace.pipeline(key)
    found = []
    with exclusive(pipeline.place.lock, what=f"the reconciliation of pipeline '{key}'"):
        for source in collect(workspace, key, since=since):
            count = partial(rows_in, file_format=source.file_format, options=source.options)
            found.append(balance(source.evidence, count=count if recount else None, digest=sha256))
    if not all(each.balances for each in found) and not _is_complete(pipeline):
        note = "the last update did not complete: what is missing may come with the next one"
        found = [replace(each, notes=(*each.notes, note)) for each in found]
    return found


def _is_complete(pipeline: Pipeline) -> bool:
    states = (
        event.body.get("state")
        for event in reversed(pipeline.event_records())
        if event.event_type == "update_progress"
    )
    return next(states, None) == "COMPLETED"


def only(result: Reconciliation, pattern: str) -> Reconciliation:
    """Return what ``result`` says of files of one name or path; ``*`` stands for anything."""
    return replace(
        result,
        accounts=tuple(each for each in result.accounts if _is_named(each.file, pattern)),
        imbalances=tuple(each for each in result.imbalances if _is_named(each.file, pattern)),
    )


def _is_named(file: str, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (file, file.rpartition("/")[2]))
