"""What really ended an update, where Spark's words name neither the file nor the way out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlt_stub import stopping
from dlt_stub.disk import disk_error
from dlt_stub.engine.damage import Damage, find_damage, find_newest_damage
from dlt_stub.engine.lost import lost_spark
from dlt_stub.errors import DltStubError, ExpectationViolation, FlowError, StateError
from dlt_stub.events import read_events


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """A table of the pipeline: ``folders`` are its own and those of its hidden tables."""

    name: str
    folders: tuple[Path, ...]
    may_be_made_anew: bool


def explained(
    error: BaseException, *, tables: Iterable[StoredTable], event_log: Path
) -> BaseException:
    """Return the error to report for ``error``: a cause that can be named, else itself.

    A cause is looked for where Spark or the system has failed; what is said in our own words is
    said already.
    """
    if not isinstance(error, Exception) or isinstance(error, ExpectationViolation):
        return error
    if isinstance(error, DltStubError) and not isinstance(error, FlowError):
        return error
    if stopping.is_demanded():
        return stopping.stopped()
    if isinstance(error, OSError) and (refused := disk_error(error)) is not None:
        return refused
    if not isinstance(error, FlowError) and (lost := lost_spark()) is not None:
        return lost
    return _broken_table(tables) or _broken_event_log(error, event_log) or error


def check_newest(table: StoredTable) -> None:
    """Return if the newest commits of a table are whole.

    Raises:
        StateError: one is not.
    """
    for folder in table.folders:
        damage = find_newest_damage(folder)
        if damage is not None:
            raise _damaged(table, damage)


def _broken_table(tables: Iterable[StoredTable]) -> StateError | None:
    for table in tables:
        for folder in table.folders:
            damage = find_damage(folder)
            if damage is not None:
                return _damaged(table, damage)
    return None


def _damaged(table: StoredTable, damage: Damage) -> StateError:
    return StateError(
        f"the Delta log of table '{table.name}' is damaged: {damage}", hint=_way_out(table, damage)
    )


def _way_out(table: StoredTable, damage: Damage) -> str:
    if damage.is_spare:
        return "remove that checkpoint: every commit it sums up is still there"
    if table.may_be_made_anew:
        return (
            "restore that file from a backup, or make the table anew from what it reads: "
            f"--full-refresh-selection {table.name}"
        )
    return (
        f"restore that file from a backup; '{table.name}' keeps its rows at a full refresh "
        "(pipelines.reset.allowed is false)"
    )


def _broken_event_log(error: Exception, event_log: Path) -> StateError | None:
    words = f"{error} {error.__cause__}"
    if "MALFORMED_RECORD" not in words and event_log.name not in words:
        return None
    try:
        for _ in read_events(event_log):
            pass
    except StateError as named:
        return named
    return None
