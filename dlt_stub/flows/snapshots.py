"""Runs a flow of snapshots: one an update, or one after another until there is no newer one.

A file beside the flow's other progress says which snapshot was applied last, and which was begun.
Its number is the Delta transaction of the target's commit: a snapshot begun before a crash counts
as applied if the target has that number, and is asked for again if not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from dlt_stub.atomic import read_json, write_json
from dlt_stub.cdc import Version, apply_snapshot
from dlt_stub.clock import Clock
from dlt_stub.declare.records import SnapshotFlow
from dlt_stub.errors import FlowError
from dlt_stub.failpoints import reach
from dlt_stub.flows.sinks import is_committed

_APPLIED, _BEGUN = "applied", "begun"
NextSnapshot = Callable[[Version | None], tuple[DataFrame, Version] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSink:
    """Applies the snapshots of one flow to its target, each once and only once."""

    flow: SnapshotFlow
    session: SparkSession
    table: Path
    app_id: str
    state: Path  # the file of ``progress.snapshots_of``

    def run(self, following: NextSnapshot) -> None:
        """Apply what ``following`` gives for the last version applied, until it gives nothing.

        Raises:
            FlowError: a version does not come after the one before it.
                Source: docs "create_auto_cdc_from_snapshot_flow", source, 2026-11-24.
        """
        number, latest = self._settled()
        while (found := following(latest)) is not None:
            snapshot, version = found
            self._check(version, latest)
            known = _entry(number, latest)
            number += 1
            write_json(self.state, {_APPLIED: known, _BEGUN: _entry(number, version)})
            reach("snapshots.begun")
            apply_snapshot(
                snapshot,
                flow=self.flow,
                target=str(self.table),
                app_id=self.app_id,
                number=number,
                version=version,
            )
            reach("snapshots.after_commit")
            write_json(self.state, {_APPLIED: _entry(number, version), _BEGUN: None})
            latest = version

    def _settled(self) -> tuple[int, Version | None]:
        """Return the number and version of the last snapshot that the target shows."""
        if not self.state.exists():
            return -1, None
        state = read_json(self.state)
        begun = state[_BEGUN]
        if begun is None or not is_committed(
            self.session, self.table, self.app_id, begun["number"]
        ):
            return state[_APPLIED]["number"], version_in(state[_APPLIED])
        write_json(self.state, {_APPLIED: begun, _BEGUN: None})
        return begun["number"], version_in(begun)

    def _check(self, version: Version, latest: Version | None) -> None:
        try:
            is_later = latest is None or version > latest  # type: ignore[operator]  # tried below
        except TypeError:
            is_later = False
        if not is_later:
            raise FlowError(
                f"flow {self.flow.name!r} into {self.flow.target!r} got a snapshot of version "
                f"{version!r} after {latest!r}: versions must ascend",
                origin=self.flow.origin,
                hint="return None where there is no newer snapshot",
            )


def once_an_update(snapshot: DataFrame, clock: Clock) -> NextSnapshot:
    """Return a function that gives ``snapshot`` once, its version being the present instant.

    Source: docs "The AUTO CDC APIs", periodic snapshots: the version is the time of ingestion,
    2026-11-24.
    """
    given: list[bool] = []

    def following(latest: Version | None) -> tuple[DataFrame, Version] | None:
        if given:
            return None
        given.append(True)
        now = clock.now()
        if isinstance(latest, datetime):
            now = max(now, latest + timedelta(microseconds=1))  # a clock may stand still
        return snapshot, now

    return following


def latest_version(state: Path) -> Version | None:
    """Return the version that the next snapshot has to come after, as far as a file tells."""
    return version_in(read_json(state)[_APPLIED]) if state.exists() else None


def _entry(number: int, version: Version | None) -> dict[str, Any]:
    kind = type(version).__name__
    is_plain = version is None or isinstance(version, int | float | str)
    text = version.isoformat() if isinstance(version, date) else str(version)
    return {"number": number, "kind": kind, "version": version if is_plain else text}


def version_in(entry: dict[str, Any]) -> Version | None:
    """Return the version in an entry of the file, as the user's function gave it."""
    version = entry["version"]
    kinds: dict[str, Callable[[str], Version]] = {
        "datetime": datetime.fromisoformat,
        "date": date.fromisoformat,
        "Decimal": Decimal,
    }
    make = kinds.get(entry["kind"])
    found: Version | None = version if make is None else make(version)
    return found
