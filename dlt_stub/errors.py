"""One tree of errors; each says what failed, where, what was allowed, and what to do next.

DltStubError
├── SetupError                  the machine lacks Java, jars, disk, ...           (exit 2)
├── UsageError                  a verb was given something that does not exist    (exit 2)
├── BundleError                 databricks.yml or a resource file is wrong        (exit 1)
├── DefinitionError             a dataset or flow is declared wrongly             (exit 1)
│   └── GraphError              datasets do not fit together                      (exit 1)
├── NotEmulatedError            Databricks can, we cannot: refused aloud          (exit 1)
├── SourceError                 files or options of a cloudFiles source           (exit 1)
│   ├── UnknownFieldError       new columns: schema written, the flow restarts
│   └── RefusedFilesError       some files cannot be read, all others are committed
├── FlowError                   a flow failed while it ran                        (exit 1)
│   ├── ExpectationViolation    a fail expectation was not met
│   └── StuckFlowError          it fails until a person chooses one of the named commands
├── StateError                  ledger, registry or event log cannot be trusted   (exit 1)
├── DiskError                   a file cannot be written or read: full, read-only (exit 2)
├── SparkLostError              Spark's Java process has ended                    (exit 2)
└── BusyError                   another process runs this pipeline or job         (exit 1)
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dlt_stub.redaction import redact


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a user wrote something: the file as the user names it, lines and columns from 1."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return ``path:line:column``, without the parts that are not known."""
        parts = [self.path, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


class DltStubError(Exception):
    """Base of every error of ours; ``condition`` is stable, the sentence may be reworded.

    It tells no secret: what it says is redacted when it is made.
    """

    condition = "DLT_STUB_ERROR"
    exit_code = 1

    def __init__(
        self, message: str, *, origin: Origin | None = None, hint: str | None = None
    ) -> None:
        self.message = redact(message)
        self.origin = origin
        self.hint = redact(hint) if hint is not None else None
        super().__init__(self.message, origin, self.hint)

    def __str__(self) -> str:
        """Return ``[CONDITION] where: what`` and, on a line of its own, the hint."""
        where = f"{self.origin}: " if self.origin else ""
        hint = f"\n  Hint: {self.hint}" if self.hint else ""
        return f"[{self.condition}] {where}{self.message}{hint}"


class SetupError(DltStubError):
    """Raised when the machine lacks what Spark and Delta need."""

    condition = "SETUP"
    exit_code = 2


class UsageError(DltStubError):
    """Raised when a verb names something that does not exist."""

    condition = "USAGE"
    exit_code = 2


class BundleError(DltStubError):
    """Raised when the bundle has error diagnostics; the message holds all of them."""

    condition = "BUNDLE"


class DefinitionError(DltStubError):
    """Raised when a dataset, flow or expectation is declared in a way Databricks refuses."""

    condition = "DEFINITION"


class GraphError(DefinitionError):
    """Raised when datasets do not fit together: unknown names, cycles, doubled definitions."""

    condition = "GRAPH"


class NotEmulatedError(DltStubError):
    """Raised when Databricks supports something that we do not run, with the reason."""

    condition = "NOT_EMULATED"


class SourceError(DltStubError):
    """Raised when a cloudFiles source has a bad option or a file it cannot read."""

    condition = "CLOUD_FILES"


class UnknownFieldError(SourceError):
    """Raised when files hold columns the schema lacks; the new schema has been written.

    The flow that raised it succeeds when it is started again.
    """

    condition = "UNKNOWN_FIELD_EXCEPTION.NEW_FIELDS_IN_FILE"


class RefusedFilesError(SourceError):
    """Raised when files cannot be read, after every other file of the flow was committed.

    ``reasons`` holds, by the path of each such file, why.
    """

    condition = "CLOUD_FILES.REFUSED_FILES"

    def __init__(
        self, reasons: Mapping[str, str], *, origin: Origin | None = None, hint: str | None = None
    ) -> None:
        self.reasons = dict(reasons)
        many = "1 file is" if len(self.reasons) == 1 else f"{len(self.reasons)} files are"
        lines = "".join(f"\n  - {reason}" for reason in self.reasons.values())
        way_out = "replace what is refused or move it out of the source folder, then run again"
        super().__init__(
            f"{many} refused; every other file was taken in:{lines}",
            origin=origin,
            hint=hint or way_out,
        )


class FlowError(DltStubError):
    """Raised when a flow fails while it runs; the original error is its cause."""

    condition = "FLOW"


class ExpectationViolation(FlowError):
    """Raised when a row breaks a fail expectation; nothing of that flow was committed."""

    condition = "EXPECTATION_VIOLATION.VERBOSITY_ALL"


class StuckFlowError(FlowError):
    """Raised when every further run of a flow would fail: its source or checkpoint has changed.

    The hint names the commands to choose from, and what each does to the rows there are.
    """

    condition = "FLOW_STUCK"


class StateError(DltStubError):
    """Raised when a file of ours (ledger, registry, event log) cannot be trusted."""

    condition = "STATE"


class DiskError(DltStubError):
    """Raised when the disk refuses: it is full, read-only, broken, or not ours to use."""

    condition = "DISK"
    exit_code = 2


class SparkLostError(DltStubError):
    """Raised when Spark's Java process has ended under what runs; the next session starts anew."""

    condition = "SPARK_LOST"
    exit_code = 2


class BusyError(DltStubError):
    """Raised when another live process runs an update of this pipeline or a run of this job."""

    condition = "BUSY"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` was probably meant to be, if one is near enough."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
