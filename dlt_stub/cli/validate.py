"""``dlt-stub validate``: everything wrong with a bundle, and what it holds; nothing is run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from dlt_stub.bundle import Bundle, Diagnostic, Severity
from dlt_stub.cli.display import console_on, open_display, write_json
from dlt_stub.cli.place import Place
from dlt_stub.errors import DltStubError
from dlt_stub.graph import Graph
from dlt_stub.jobs import JobPlan, plan_job

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Findings:
    diagnostics: tuple[Diagnostic, ...]
    bundle: Bundle | None = None
    graphs: tuple[tuple[str, Graph], ...] = ()
    plans: tuple[tuple[str, JobPlan], ...] = ()

    def count(self, severity: Severity) -> int:
        return sum(each.severity is severity for each in self.diagnostics)


def validate(place: Place, *, as_json: bool) -> int:
    """Return 0 if the bundle has no errors, its pipelines resolve and its jobs can be planned.

    Spark starts only for a bundle that can be read.

    Raises:
        UsageError: there is no bundle.
    """
    reading = place.read()
    findings = _Findings(diagnostics=reading.diagnostics)
    if reading.bundle is not None:
        with _user_prints(to_stderr=as_json):
            findings = _resolve_all(place, reading.bundle, as_json=as_json)
    if as_json:
        write_json(sys.stdout, _record(findings))
    else:
        _print(console_on(sys.stdout), findings)
    return 1 if findings.count(Severity.ERROR) else 0


def _resolve_all(place: Place, bundle: Bundle, *, as_json: bool) -> _Findings:
    found = list(bundle.warnings)
    plans, graphs = [], []
    for key, settings in bundle.jobs.items():
        try:
            plans.append((key, plan_job(settings)))
        except DltStubError as error:
            found.append(_diagnostic(error, bundle, "jobs", key))
    workspace = place.workspace(bundle)
    if bundle.pipelines:
        with open_display(as_json=as_json).starting_spark():
            workspace.spark  # noqa: B018 - started here, where the display says so
    for key in bundle.pipelines:
        try:
            graphs.append((key, workspace.pipeline(key).resolve()))
        except DltStubError as error:
            found.append(_diagnostic(error, bundle, "pipelines", key))
    return _Findings(
        diagnostics=tuple(found), bundle=bundle, graphs=tuple(graphs), plans=tuple(plans)
    )


def _diagnostic(error: DltStubError, bundle: Bundle, kind: str, key: str) -> Diagnostic:
    path = f"resources.{kind}.{key}"
    return Diagnostic(
        severity=Severity.ERROR,
        summary=error.message,
        origin=error.origin or bundle.origins[path],
        path=path,
        hint=error.hint,
    )


@contextmanager
def _user_prints(*, to_stderr: bool) -> Iterator[None]:
    if not to_stderr:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def _print(out: Console, findings: _Findings) -> None:
    for each in findings.diagnostics:
        text = Text(each.render())
        text.highlight_words([f"{each.severity}:"], style=_STYLES[each.severity])
        out.print(text, soft_wrap=True)
    if findings.bundle is not None:
        out.print(Text("\n".join(_summary(findings.bundle, findings))), soft_wrap=True)
    errors, warnings = (findings.count(severity) for severity in Severity)
    if errors or warnings:
        out.print(f"\nFound {_count(errors, 'error')} and {_count(warnings, 'warning')}")
    if not errors:
        out.print("\nValidation OK!", style="green")


def _summary(bundle: Bundle, findings: _Findings) -> Iterator[str]:
    yield f"Name: {bundle.name}"
    yield f"Target: {bundle.target}" + (f" ({bundle.mode})" if bundle.mode else "")
    yield "Workspace:"
    yield f"  User: {bundle.user_name}"
    yield f"  Path: {bundle.workspace_root_path}"
    for key, plan in findings.plans:
        yield f"\nJob {key}: {' -> '.join(task.task_key for task in plan.tasks)}"
    for key, graph in findings.graphs:
        spec = bundle.pipelines[key]
        yield f"\nPipeline {key}: {spec.catalog}.{spec.schema}"
        width = max((len(name) for name in graph.datasets), default=0)
        for dataset in graph.datasets.values():
            inputs = [name for flow in dataset.flows for name in flow.analysis.inputs]
            reads = f"  <- {', '.join(dict.fromkeys(inputs))}" if inputs else ""
            yield f"  {dataset.name:<{width}}  {dataset.kind.value}{reads}"


def _record(findings: _Findings) -> dict[str, object]:
    bundle = findings.bundle
    return {
        "valid": findings.count(Severity.ERROR) == 0,
        "name": bundle.name if bundle else None,
        "target": bundle.target if bundle else None,
        "diagnostics": [
            {
                "severity": each.severity.value,
                "summary": each.summary,
                "file": each.origin.path,
                "line": each.origin.line,
                "column": each.origin.column,
                "path": each.path or None,
                "detail": each.detail,
                "hint": each.hint,
            }
            for each in findings.diagnostics
        ],
        "jobs": {key: [task.task_key for task in plan.tasks] for key, plan in findings.plans},
        "pipelines": {
            key: [
                {
                    "name": dataset.name,
                    "kind": dataset.kind.value,
                    "inputs": [name for flow in dataset.flows for name in flow.analysis.inputs],
                    "columns": {f.name: f.dataType.simpleString() for f in dataset.schema.fields},
                }
                for dataset in graph.datasets.values()
            ]
            for key, graph in findings.graphs
        },
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
