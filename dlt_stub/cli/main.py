"""The ``dlt-stub`` command: its verbs and options, and how it ends.

Exit codes: 0 all went well, 1 what was run or read is wrong, 2 the command or the machine is, 130
stopped by Ctrl-C, 143 by SIGTERM. A verb's module is loaded when the verb is used.
"""

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dlt_stub.cli.steering import visible
from dlt_stub.disk import disk_error
from dlt_stub.errors import DltStubError
from dlt_stub.events import Level
from dlt_stub.redaction import redact_streams

if TYPE_CHECKING:
    from dlt_stub.cli.place import Place


class Verbs(TyperGroup):
    """Ends our own errors with their text, not a traceback; others keep theirs."""

    def invoke(self, ctx: Any) -> Any:  # click's context, which typer carries a copy of
        """Run the verb.

        Raises:
            Exit: it failed by an error of ours, or was interrupted.
        """
        try:
            return super().invoke(ctx)
        except DltStubError as error:
            typer.secho(visible(str(error)), fg="red", err=True)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            refused = disk_error(error)
            if refused is None:
                raise
            typer.secho(visible(str(refused)), fg="red", err=True)
            raise typer.Exit(refused.exit_code) from error
        except KeyboardInterrupt as error:
            typer.secho(
                "\nstopped; what was committed stays, the same command goes on from there",
                err=True,
            )
            raise typer.Exit(getattr(error, "exit_code", 130)) from error


app = typer.Typer(
    name="dlt-stub",
    help="Run a Databricks bundle's Lakeflow pipelines and jobs on local Spark and Delta.",
    cls=Verbs,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BundleFolder = Annotated[
    Path | None,
    typer.Option(
        "--bundle",
        metavar="DIR",
        help="The bundle's folder. Default: the nearest above with a databricks.yml.",
    ),
]
Storage = Annotated[
    Path | None,
    typer.Option(
        "--storage",
        metavar="DIR",
        help="The local workspace's folder. Default: .dlt_stub in the bundle's folder.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", "-t", help="The bundle's target. Default: the one marked default."),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A bundle variable; can be repeated."),
]
Master = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The Spark to run on, spark://host:7077. Default: DLT_STUB_MASTER, else this machine.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Write JSON to standard output, all else to standard error.")
]


def _place(
    bundle: Path | None,
    storage: Path | None,
    target: str | None,
    var: list[str] | None,
    master: str | None = None,
) -> "Place":
    from dlt_stub.cli.place import Place, pairs, use_master

    use_master(master)

    variables = pairs("--var", var or ())
    return Place(bundle=bundle, storage=storage, target=target, variables=variables)


@app.command(epilog="Example: dlt-stub validate --target prod --var service_principal=0000-1111")
def validate(
    target: Target = None,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Say everything that is wrong with the bundle, by file, line and column; run nothing.

    Pipelines are resolved and jobs planned when the bundle itself has no errors.
    """
    from dlt_stub.cli.validate import validate as verb

    place = _place(bundle, storage, target, var)
    raise typer.Exit(verb(place, as_json=as_json))


@app.command(epilog="Example: dlt-stub run orders --full-refresh-selection orders_target")
def run(
    key: Annotated[str, typer.Argument(help="A job or pipeline of the bundle.")],
    target: Target = None,
    refresh: Annotated[
        list[str] | None,
        typer.Option("--refresh", metavar="A,B", help="Pipeline: only these datasets."),
    ] = None,
    full_refresh: Annotated[
        bool,
        typer.Option(
            "--full-refresh", "--full-refresh-all", help="Pipeline: make every dataset anew."
        ),
    ] = False,
    full_refresh_selection: Annotated[
        list[str] | None,
        typer.Option(
            "--full-refresh-selection", metavar="A,B", help="Pipeline: make these datasets anew."
        ),
    ] = None,
    reset_checkpoint_selection: Annotated[
        list[str] | None,
        typer.Option(
            "--reset-checkpoint-selection",
            metavar="A,B",
            help="Pipeline: let these flows read their sources from the start; rows are kept.",
        ),
    ] = None,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Pipeline: resolve it, write no table.")
    ] = False,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="Job: a parameter; can be repeated."),
    ] = None,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    master: Master = None,
    as_json: Json = False,
) -> None:
    """Run a job or update a pipeline once; exit 0 only if it succeeded."""
    from dlt_stub.cli.place import names, pairs
    from dlt_stub.cli.run import run as verb
    from dlt_stub.update import Selection

    place = _place(bundle, storage, target, var, master)
    selection = Selection(
        refresh=names(refresh or ()),
        full_refresh=full_refresh,
        full_refresh_selection=names(full_refresh_selection or ()),
        reset_checkpoint_selection=names(reset_checkpoint_selection or ()),
        validate_only=validate_only,
    )
    parameters = pairs("--param", param or ())
    raise typer.Exit(verb(place, key, selection=selection, parameters=parameters, as_json=as_json))


@app.command(epilog="Example: dlt-stub watch order_ingest --wait-seconds 2")
def watch(
    job_key: Annotated[
        str, typer.Argument(help="A job of the bundle with a file-arrival trigger.")
    ],
    target: Target = None,
    wait_seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Take the place of the trigger's own waits (60 s or more)."),
    ] = None,
    poll_seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="How often to look. Default: 60, or what --wait-seconds says."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many runs; exit 1 if one failed.")
    ] = None,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    master: Master = None,
    as_json: Json = False,
) -> None:
    """Run a job each time files arrive, until Ctrl-C (exit 0), and say why nothing fires.

    Ctrl-C lets the batch under way end, for six seconds, and begins nothing new (exit 130 if a run
    was stopped by it); a second one cuts it off. SIGTERM does the same (exit 143).
    """
    from dlt_stub.cli.watch import watch as verb

    place = _place(bundle, storage, target, var, master)
    code = verb(
        place,
        job_key,
        wait_seconds=wait_seconds,
        poll_seconds=poll_seconds,
        max_runs=runs,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command(epilog="Example: dlt-stub events orders --update latest --level WARN")
def events(
    pipeline: Annotated[str, typer.Argument(help="A pipeline of the bundle.")],
    target: Target = None,
    update: Annotated[
        str | None,
        typer.Option(metavar="ID", help="One update: its id, how that begins, or 'latest'."),
    ] = None,
    level: Annotated[
        Level | None,
        typer.Option(case_sensitive=False, help="Only events of this level or graver."),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="A,B", help="Only these types, flow_progress for one."),
    ] = None,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Print a pipeline's event log, oldest first; no Spark is started."""
    from dlt_stub.cli.events import events as verb
    from dlt_stub.cli.place import names

    place = _place(bundle, storage, target, var)
    code = verb(
        place,
        pipeline,
        update=update,
        level=level,
        types=names(types or ()),
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command(epilog='Example: dlt-stub sql "SELECT * FROM event_log(TABLE(orders_target))"')
def sql(
    text: Annotated[str, typer.Argument(help="One or more statements, between semicolons.")],
    target: Target = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows to print at most; 0 means all.")] = 100,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Run Databricks SQL over the local tables; event_log() and cloud_files_state() work."""
    from dlt_stub.cli.sql import sql as verb

    place = _place(bundle, storage, target, var)
    raise typer.Exit(verb(place, text, limit=limit, as_json=as_json))


@app.command(epilog="Example: dlt-stub reconcile orders --since 7d")
def reconcile(
    pipeline: Annotated[
        str | None, typer.Argument(help="A pipeline of the bundle. Default: all that read files.")
    ] = None,
    target: Target = None,
    file: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only deliveries of this name; * is anything."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only files written since: 7d, 12h, or a date or instant (UTC). Default: all.",
        ),
    ] = None,
    recount: Annotated[
        bool,
        typer.Option(
            help="Open every file: count its rows and compare its content with the record."
        ),
    ] = True,
    limit: Annotated[
        int, typer.Option(min=0, help="Deliveries to print, the newest; 0 means all.")
    ] = 100,
    var: Variables = None,
    bundle: BundleFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Account for every file that came: its rows, and where it is now; exit 1 if it is not right.

    Compares the ledger, the files on disk, the rows in the tables and the record of the archive.
    """
    from dlt_stub.cli.reconcile import reconcile as verb

    place = _place(bundle, storage, target, var)
    code = verb(
        place, pipeline, file=file, since=since, recount=recount, limit=limit, as_json=as_json
    )
    raise typer.Exit(code)


@app.command(epilog="Example: dlt-stub doctor --json")
def doctor(
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Check Java, Spark, Delta's jars, disk and ports; exit 2 if one is wrong."""
    from dlt_stub.cli.doctor import doctor as verb

    raise typer.Exit(verb(storage or Path(".dlt_stub"), as_json=as_json))


def main() -> None:
    """Run the command line this process was given and exit; no secret is printed."""
    redact_streams()
    try:
        app(sys.argv[1:], prog_name="dlt-stub")
    except SystemExit as end:
        if any(each.name.startswith("flow") for each in threading.enumerate()):
            # A query function that not even being cut off has ended: Python would wait for it.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


if __name__ == "__main__":
    main()
