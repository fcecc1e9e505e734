"""``dlt-stub watch``: runs a job each time its file-arrival trigger fires."""

from dlt_stub import stopping
from dlt_stub.cli.display import Display, open_display
from dlt_stub.cli.place import Place
from dlt_stub.cli.run import say_warnings
from dlt_stub.cli.signals import stop_on_signals
from dlt_stub.jobs import JobRun, WatchEvent
from dlt_stub.jobs.trigger import POLL_SECONDS
from dlt_stub.workspace import Workspace


def watch(
    place: Place,
    key: str,
    *,
    wait_seconds: float | None,
    poll_seconds: float | None,
    max_runs: int | None,
    as_json: bool,
) -> int:
    """Return 0 once it is told to stop, 1 if it ended by itself after a run that failed.

    Ctrl-C and SIGTERM end it between two runs; a run under way is stopped as ``run`` stops it.

    Raises:
        UsageError: there is no such job, or it has no file-arrival trigger.
        BusyError: another process watches the job already.
        Stopped: a signal has stopped a run; the next watch begins with it.
    """
    workspace = place.open()
    workspace.trigger(key)  # refuses before Spark starts
    with open_display(as_json=as_json).opened() as display:
        say_warnings(workspace, display)
        runs = watch_runs(
            workspace,
            key,
            display,
            wait_seconds=wait_seconds,
            poll_seconds=poll_seconds,
            max_runs=max_runs,
        )
        display.result({"runs": [run.to_sdk().as_dict() for run in runs]})
    ended_by_itself = max_runs is not None and len(runs) >= max_runs
    return 1 if ended_by_itself and not all(run.state.has_succeeded for run in runs) else 0


def watch_runs(
    workspace: Workspace,
    key: str,
    display: Display,
    *,
    wait_seconds: float | None = None,
    poll_seconds: float | None = None,
    max_runs: int | None = None,
) -> list[JobRun]:
    """Watch the job, show what happens, and return the runs there were.

    Raises:
        UsageError: there is no such job, or it has no file-arrival trigger.
        BusyError: another process watches the job already.
    """
    poll = poll_seconds or (POLL_SECONDS if wait_seconds is None else max(1.0, wait_seconds))
    trigger = workspace.trigger(key, waits_seconds=wait_seconds, poll_interval_seconds=poll)
    display.say(f"watching {trigger.configuration.url}, which is {trigger.location}")
    if wait_seconds is not None:
        display.say(_shortened(trigger.configuration.as_dict(), wait_seconds, poll), style="yellow")
    with display.starting_spark():
        workspace.spark  # noqa: B018 - it puts its own Ctrl-C handler in place, so before ours
    runs: list[JobRun] = []

    def on_watch(event: WatchEvent) -> None:
        display.watch_event(event)
        if event.run is not None:
            runs.append(event.run)
            if not event.run.state.has_succeeded:
                display.say(
                    f"the trigger fires for new files only: dlt-stub run {key} repeats the run now",
                    style="yellow",
                )

    with stop_on_signals(display):
        workspace.watch(
            key,
            waits_seconds=wait_seconds,
            poll_interval_seconds=poll,
            max_runs=max_runs,
            should_stop=stopping.is_wished,
            on_watch=on_watch,
            on_event=display.run_event,
            on_update=display.updated,
            listener=display.event,
        )
    return runs


def _shortened(configured: dict[str, object], wait_seconds: float, poll: float) -> str:
    waits = [
        f"{name} {seconds} s" for name, seconds in configured.items() if name.endswith("_seconds")
    ]
    return (
        f"for this watch only: the trigger waits {wait_seconds:g} s and looks every {poll:g} s; "
        f"deployed, it has {' and '.join(waits) or 'no waits'} and looks about once a minute"
    )
