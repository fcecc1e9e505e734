"""What is wrong with a bundle, collected so that the user sees every fault at once."""

from dataclasses import dataclass
from enum import StrEnum

from dlt_stub.errors import BundleError, Origin

YamlPath = tuple[str | int, ...]


class Severity(StrEnum):
    """How bad a diagnostic is: an ``error`` keeps the bundle from being used."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One fault: what it is, where it stands, and what to do about it.

    ``path`` is the place in the merged YAML, as ``resources.jobs.x.tasks[0].depends_on[0]``.
    """

    severity: Severity
    summary: str
    origin: Origin
    path: str = ""
    detail: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """Return ``file:line:column: severity: summary``, on one line."""
        return f"{self.origin}: {self.severity}: {self.summary}"

    def render(self) -> str:
        """Return the line, and below it the path, the detail and the hint where there are any."""
        lines = [str(self)]
        if self.path:
            lines.append(f"  at {self.path}")
        if self.detail:
            lines.append(f"  {self.detail}")
        if self.hint:
            lines.append(f"  Hint: {self.hint}")
        return "\n".join(lines)


class Report:
    """Collects the diagnostics of one reading; the same fault at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Origin, str], Diagnostic] = {}

    def error(
        self,
        summary: str,
        *,
        origin: Origin,
        path: YamlPath = (),
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Note a fault that keeps the bundle from being used."""
        self._add(Severity.ERROR, summary, origin, path, detail, hint)

    def warning(
        self,
        summary: str,
        *,
        origin: Origin,
        path: YamlPath = (),
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Note something that has no effect here, or not the one the user may expect."""
        self._add(Severity.WARNING, summary, origin, path, detail, hint)

    def _add(
        self,
        severity: Severity,
        summary: str,
        origin: Origin,
        path: YamlPath,
        detail: str | None,
        hint: str | None,
    ) -> None:
        self._found.setdefault(
            (origin, summary),
            Diagnostic(
                severity=severity,
                summary=summary,
                origin=origin,
                path=render_path(path),
                detail=detail,
                hint=hint,
            ),
        )

    @property
    def has_errors(self) -> bool:
        """Whether an error was noted."""
        return any(found.severity is Severity.ERROR for found in self._found.values())

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Everything noted so far, by file, line and column."""
        return tuple(
            sorted(
                self._found.values(),
                key=lambda d: (d.origin.path, d.origin.line or 0, d.origin.column or 0, d.summary),
            )
        )


class BundleFaultsError(BundleError):
    """Raised when a bundle has error diagnostics; ``diagnostics`` holds the errors, in order."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        count = len(diagnostics)
        listing = "\n".join(diagnostic.render() for diagnostic in diagnostics)
        super().__init__(f"the bundle has {count} error{'s'[: count != 1]}\n{listing}")


def render_path(path: YamlPath) -> str:
    """Return the path as a user reads it: ``tasks[0].depends_on``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
