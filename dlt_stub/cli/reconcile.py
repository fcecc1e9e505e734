"""``dlt-stub reconcile``: what became of every file, and whether that adds up."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.errors import PySparkException
from rich.text import Text

from dlt_stub.accounting import Reconciliation, only
from dlt_stub.accounting import reconcile as reconciled
from dlt_stub.cli.display import Display, open_display, write_json
from dlt_stub.cli.place import Place
from dlt_stub.cli.tables import row_table
from dlt_stub.clock import Clock, SystemClock
from dlt_stub.errors import UsageError, nearest
from dlt_stub.paths import VOLUMES, WorkspacePaths

_COLUMNS = (
    *("file", "bytes", "written (UTC)", "in file", "read", "accepted", "quarantined", "rescued"),
    "where it is",
)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def reconcile(
    place: Place,
    pipeline: str | None,
    *,
    file: str | None,
    since: str | None,
    recount: bool,
    limit: int,
    as_json: bool,
) -> int:
    """Return 0 if every delivery is accounted for and 1 if not, after printing the accounts.

    Raises:
        UsageError: there is no bundle, pipeline or file of that name, or ``since`` is no time.
        BusyError: an update of the pipeline is running.
    """
    begins = None if since is None else instant(since)
    workspace = place.open()
    keys = [pipeline] if pipeline is not None else list(workspace.bundle.pipelines)
    display = open_display(as_json=as_json)
    if pipeline is not None:
        workspace.pipeline(pipeline)  # an unknown name needs no Spark to be told
    with display.starting_spark():
        workspace.session()
    try:
        results = [
            (key, with_volumes(result, workspace.paths))
            for key in keys
            for result in reconciled(workspace, key, since=begins, recount=recount)
        ]
    except PySparkException as error:
        said = str(error).partition("\n\nJVM stacktrace:")[0]
        display.err.print(Text(said, style="red"), soft_wrap=True)
        return 1
    if pipeline is not None and not results:
        display.say(f"{pipeline} reads no files by cloudFiles", style="yellow")
    if file is not None:
        results = _named(results, file)
    for key, result in results:
        if as_json:
            _write(key, result, limit)
        else:
            _print(key, result, limit, display)
    return 0 if all(result.balances for _, result in results) else 1


def instant(text: str, clock: Clock | None = None) -> datetime:
    """Return the instant that ``7d``, ``12h``, a date or an ISO instant means; UTC if not said.

    Raises:
        UsageError: it is none of these.
    """
    if match := re.fullmatch(r"(\d+)([mhdw])", text):
        return (clock or SystemClock()).now() - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--since {text!r} is no time", hint="7d, 12h or 2026-03-01") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def with_volumes(result: Reconciliation, paths: WorkspacePaths) -> Reconciliation:
    """Return ``result`` with files named as on Databricks: ``/Volumes/...``."""

    def shown(text: str) -> str:
        return text.replace(f"{paths.volumes}/", VOLUMES)

    return replace(
        result,
        source=shown(result.source),
        accounts=tuple(replace(each, where=shown(each.where)) for each in result.accounts),
        imbalances=tuple(replace(each, message=shown(each.message)) for each in result.imbalances),
    )


def _named(
    results: Sequence[tuple[str, Reconciliation]], file: str
) -> list[tuple[str, Reconciliation]]:
    found = [(key, only(result, file)) for key, result in results]
    if not any(result.accounts or result.imbalances for _, result in found):
        known = [each.file for _, result in results for each in result.accounts]
        near = nearest(file, known)
        raise UsageError(
            f"no delivery is called '{file}'",
            hint=f"did you mean '{near}'?" if near else "--since may leave it out",
        )
    return found


def _print(key: str, result: Reconciliation, limit: int, display: Display) -> None:
    shown = result.accounts[-limit:] if limit else result.accounts
    rows = [
        (
            each.file,
            f"{each.size:,}",
            f"{each.modified_at:%F %T}",
            *map(_number, (each.rows_in_file, each.rows, each.accepted, each.quarantined)),
            _number(each.rescued),
            each.where,
        )
        for each in shown
    ]
    totals = result.totals
    title = f"Files of {result.table} (pipeline {key}) from {result.source}"
    display.show(row_table(_COLUMNS, rows, title=title))
    if len(shown) < len(result.accounts):
        display.say(f"the newest {limit} of {len(result.accounts)}; --limit 0 shows all")
    for note in result.notes:
        display.say(f"note: {note}", style="yellow")
    for wrong in result.imbalances:
        line = Text(f"{wrong.kind.value} ", style="bold red")
        line.append(f"{wrong.file}: {wrong.message}", style="")
        display.out.print(line, soft_wrap=True)
    end = "all balances" if result.balances else f"{len(result.imbalances)} things do not balance"
    display.say(
        f"{totals.deliveries} deliveries: {_number(totals.rows_in_file)} rows in files, "
        f"{_number(totals.rows)} read, {_number(totals.accepted)} accepted, "
        f"{_number(totals.quarantined)} quarantined, {_number(totals.rescued)} rescued: {end}",
        style="green" if result.balances else "red",
    )


def _write(key: str, result: Reconciliation, limit: int) -> None:
    of: Mapping[str, Any] = {"pipeline": key, "table": result.table, "source": result.source}
    for account in result.accounts[-limit:] if limit else result.accounts:
        write_json(sys.stdout, {"delivery": {**of, **asdict(account)}})
    for wrong in result.imbalances:
        write_json(sys.stdout, {"imbalance": {**of, **asdict(wrong)}})
    end = {**of, **asdict(result.totals), "balances": result.balances, "notes": result.notes}
    write_json(sys.stdout, {"totals": end})


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
