"""``dlt-stub events``: a pipeline's event log, without starting Spark."""

import sys
from collections.abc import Iterable, Sequence

from dlt_stub.cli.display import console_on, write_json
from dlt_stub.cli.place import Place
from dlt_stub.cli.tables import event_line, event_record
from dlt_stub.errors import UsageError, nearest
from dlt_stub.events import Event, Level

LATEST = "latest"
_GRAVITY = (Level.METRICS, Level.INFO, Level.WARN, Level.ERROR)


def events(
    place: Place,
    pipeline: str,
    *,
    update: str | None,
    level: Level | None,
    types: Sequence[str],
    as_json: bool,
) -> int:
    """Return 0 after printing the events that fit, oldest first.

    Raises:
        UsageError: there is no such pipeline, update or event type.
        StateError: the log cannot be trusted.
    """
    found = place.open().pipeline(pipeline).event_records(only_latest=update == LATEST)
    chosen = select(found, update=update, level=level, types=types)
    if as_json:
        for event in chosen:
            write_json(sys.stdout, event_record(event))
        return 0
    out = console_on(sys.stdout)
    if not found:
        out.print(f"{pipeline} has no events yet: dlt-stub run {pipeline}")
    shown: object = None
    for event in chosen:
        if (update_id := event.origin.get("update_id")) != shown:
            out.print(f"update {update_id}", style="bold")
            shown = update_id
        out.print(event_line(event), soft_wrap=True)
    return 0


def select(
    found: Sequence[Event],
    *,
    update: str | None = None,
    level: Level | None = None,
    types: Iterable[str] = (),
) -> list[Event]:
    """Return the events of one update, of ``level`` or graver, and of one of ``types``.

    ``update`` is an update's id, what it begins with, or ``latest``.

    Raises:
        UsageError: nothing in a log that holds events is called that.
    """
    chosen = list(found)
    if update is not None and found:
        update_id = _update_id(found, update)
        chosen = [event for event in chosen if event.origin.get("update_id") == update_id]
    if level is not None:
        least = _GRAVITY.index(level)
        chosen = [event for event in chosen if _GRAVITY.index(event.level) >= least]
    if wanted := frozenset(types):
        known = {event.event_type for event in found}
        for name in sorted(wanted - known) if known else ():
            near = nearest(name, known)
            raise UsageError(
                f"the log has no event of type '{name}'",
                hint=f"did you mean '{near}'?" if near else f"it has: {', '.join(sorted(known))}",
            )
        chosen = [event for event in chosen if event.event_type in wanted]
    return chosen


def _update_id(found: Sequence[Event], wanted: str) -> str:
    ids = list(dict.fromkeys(str(event.origin.get("update_id")) for event in found))
    if wanted == LATEST:
        return ids[-1]
    matches = [each for each in ids if each.startswith(wanted)]
    if len(matches) != 1:
        what = "several updates" if matches else "no update"
        raise UsageError(
            f"the log has {what} whose id begins with '{wanted}'",
            hint=f"the last ones: {', '.join(ids[-3:])}",
        )
    return matches[0]
