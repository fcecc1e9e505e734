"""``dlt-stub run``: a job or a pipeline of the bundle, once."""

from collections.abc import Mapping

from dlt_stub.cli.display import Display, open_display, update_record
from dlt_stub.cli.place import Place
from dlt_stub.cli.signals import stop_on_signals
from dlt_stub.errors import DltStubError, UsageError, nearest
from dlt_stub.update import Selection, UpdateCause
from dlt_stub.workspace import Workspace


def run(
    place: Place, key: str, *, selection: Selection, parameters: Mapping[str, str], as_json: bool
) -> int:
    """Return 0 if the job or pipeline ``key`` ran and succeeded, else 1.

    Raises:
        UsageError: there is no such key, or an option is none of its kind.
        BundleError: the bundle has faults.
        Stopped: a signal ended it; it is CANCELED in the event log and the run's record.
    """
    workspace = place.open()
    is_job = _check(workspace, key, selection, parameters)
    with open_display(as_json=as_json).opened() as display:
        say_warnings(workspace, display)
        with display.starting_spark():
            workspace.spark  # noqa: B018 - started here, where the display says so
        with stop_on_signals(display):
            if is_job:
                return _run_job(workspace, key, parameters, display)
            return _update(workspace, key, selection, display)


def say_warnings(workspace: Workspace, display: Display) -> None:
    """Point at the bundle's warnings, if any."""
    if count := len(workspace.bundle.warnings):
        what = "1 warning" if count == 1 else f"{count} warnings"
        display.say(f"the bundle has {what}: dlt-stub validate shows them", style="yellow")


def _check(
    workspace: Workspace, key: str, selection: Selection, parameters: Mapping[str, str]
) -> bool:
    """Return whether ``key`` is a job."""
    bundle = workspace.bundle
    if key in bundle.jobs:
        if selection != Selection():
            # Databricks' CLI has run the real pipeline here (databricks/cli issue 3823).
            raise UsageError(
                f"'{key}' is a job; --refresh, --full-refresh, --full-refresh-selection, "
                "--reset-checkpoint-selection and --validate-only are for pipelines",
                hint=f"the bundle's pipelines: {', '.join(bundle.pipelines) or 'none'}",
            )
        return True
    if key not in bundle.pipelines:
        known = (*bundle.jobs, *bundle.pipelines)
        near = nearest(key, known)
        raise UsageError(
            f"the bundle has no job or pipeline '{key}'",
            hint=f"did you mean '{near}'?" if near else f"it has: {', '.join(known) or 'none'}",
        )
    if parameters:
        raise UsageError(
            f"'{key}' is a pipeline; --param is for jobs",
            hint="a pipeline takes bundle variables: --var name=value",
        )
    return False


def _run_job(
    workspace: Workspace, key: str, parameters: Mapping[str, str], display: Display
) -> int:
    done = workspace.run_job(
        key,
        parameters=parameters,
        on_event=display.run_event,
        on_update=display.updated,
        listener=display.event,
    )
    display.ran(done)
    display.result(done.to_sdk().as_dict())
    return 0 if done.state.has_succeeded else 1


def _update(workspace: Workspace, key: str, selection: Selection, display: Display) -> int:
    pipeline = workspace.pipeline(key)
    result = pipeline.update(
        refresh=selection.refresh,
        full_refresh=selection.full_refresh,
        full_refresh_selection=selection.full_refresh_selection,
        reset_checkpoint_selection=selection.reset_checkpoint_selection,
        validate_only=selection.validate_only,
        cause=UpdateCause.USER_ACTION,
        listener=display.event,
    )
    display.updated(pipeline.name, result)
    display.result(update_record(pipeline.name, result, display.board))
    for error in result.failures:
        display.failure(str(error))
    if not result.failures and selection.validate_only:
        display.say(f"{pipeline.name} is valid; nothing was run")
    if result.succeeded:
        return 0
    return result.error.exit_code if isinstance(result.error, DltStubError) else 1
