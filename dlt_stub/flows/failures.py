"""What a failed flow is said to have failed of: Spark's own reason, and the user's line."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from py4j.java_gateway import is_instance_of
from pyspark import SparkContext
from pyspark.errors import PySparkException, QueryContextType

from dlt_stub.cloud_files import FileBatch
from dlt_stub.declare.records import Flow
from dlt_stub.declare.registry import is_users_file, origin_in, shown
from dlt_stub.disk import refusal_in
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.errors import (
    ExpectationViolation,
    FlowError,
    Origin,
    RefusedFilesError,
    StuckFlowError,
)
from dlt_stub.expectations import violation
from dlt_stub.flows.progress import versions_read
from dlt_stub.flows.ways_out import Ways
from dlt_stub.paths import decode_file_path

_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b")
_PYTHON_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_CALL_SITE = re.compile(r"was called from\s+(\S+):(\d+)")
# Source: Delta's and Spark's error conditions for streams, and docs "Full refresh for streaming
# tables", 2026-11-24.
_CHANGED_ROWS = {
    "DELTA_SOURCE_TABLE_IGNORE_CHANGES": "leave changed rows out",
    "DELTA_SOURCE_IGNORE_DELETE": "leave deleted rows out",
}
_SHORT_LOG = "its source's log no longer goes back to what it has read"
_READ_AGAIN = {
    "Could not find any delta files for version": _SHORT_LOG,  # Delta 4.4 gives it no condition
    "DELTA_LOG_FILE_NOT_FOUND_FOR_STREAMING_SOURCE": _SHORT_LOG,
    "files in the transaction log may have been deleted": _SHORT_LOG,
    "DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE": "its source was made anew",
    "DELTA_STREAMING_CHECK_COLUMN_MAPPING": "its source has changed its columns",
    "sources in the checkpoint offsets and now there are": "it reads more or fewer sources now",
    "STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY": "its query keeps state now",
    "STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA": "its query keeps other state now",
    "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE": "its query keeps other state now",
    "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE": "its query keeps other state now",
    "CANNOT_LOAD_STATE_STORE": "its checkpoint's state cannot be read",
}
_SHOWN_FILES = 5
_ADDED = re.compile(r'^{"add":{"path":"([^"]+)"', re.MULTILINE)


def flow_error(
    error: BaseException,
    flow: Flow,
    ways: Ways | None = None,
    registry: TableRegistry | None = None,
) -> FlowError:
    """Return the error to report for ``error``, which ended ``flow``.

    A broken fail expectation comes out as Databricks words it; everything else as the innermost
    reason Spark or Python gives, at the user's line where one is known. What every further run
    would fail of comes out as a ``StuckFlowError`` that names the commands to choose from.
    """
    broken = violation("\n".join(_texts(error)), flow=flow.name)
    if broken is not None:
        full = ways.full_refresh() if ways is not None and ways.is_streaming else None
        if full is not None:
            broken.hint = (
                f"{broken.hint}. What is corrected in the source table is seen after {full}"
            )
        return broken
    # Delta names no table that it was given by its path.
    text = reason(error).replace("ALTER TABLE null ", f"ALTER TABLE {flow.target} ")
    origin = _line(error) or flow.origin
    said = "\n".join(_texts(error))
    hint = _way_out(said, ways) if ways is not None else None
    lost = unread_file(error)
    if lost is not None and ways is not None and not Path(lost).exists():
        folder = next((p for p in Path(lost).parents if (p / "_delta_log").is_dir()), None)
        if folder is not None:
            text = _vacuumed(folder, registry, versions_read(ways.folder))
            hint = ways.read_again()
    if hint is None:
        hint = refusal_in(said)
        return FlowError(f"flow '{flow.name}' failed: {text}", origin=origin, hint=hint)
    return StuckFlowError(f"flow '{flow.name}' failed: {text}", origin=origin, hint=hint)


def is_retryable(error: Exception) -> bool:
    """Return whether a flow that ended by ``error`` might not end so if it is started again.

    A broken fail rule and a changed source need a person. What the query itself raised may be gone
    the next time (assumed: the page says "when a retryable failure occurs", not which those are).
    """
    needs_person = ExpectationViolation | StuckFlowError
    return isinstance(error, FlowError) and not isinstance(error, needs_person)


def unread_file(error: BaseException) -> str | None:
    """Return the path of the file Spark says it could not read, as the file system has it.

    Source: Spark's error condition FAILED_READ_FILE, whose parameter ``path`` is a URI, 2026-11-24.
    """
    for throwable in _throwables(error):
        if not is_instance_of(SparkContext._gateway, throwable, "org.apache.spark.SparkThrowable"):
            continue  # it has no condition
        if str(throwable.getCondition() or "").startswith("FAILED_READ_FILE"):
            path = throwable.getMessageParameters().get("path")
            return None if path is None else decode_file_path(str(path))
    return None


def unread_files(batch: FileBatch, error: BaseException) -> dict[str, str]:
    """Return the files of ``batch`` that ``error`` says could not be read, and why."""
    if isinstance(error, RefusedFilesError):
        return {path: why for path, why in error.reasons.items() if path in batch.paths}
    path = unread_file(error)
    if path not in batch.paths:
        return {}
    return {path: f"file {path!r} of batch {batch.number} cannot be read: {reason(error)}"}


def violation_in(batch: FileBatch, error: BaseException, flow: Flow) -> ExpectationViolation | None:
    """Return what to say where a row of a batch of files breaks a fail rule; None where none does.

    Nothing of the batch is committed. Which file the row is of is not known to Spark.
    """
    broken = violation("\n".join(_texts(error)), flow=flow.name)
    if broken is not None:
        paths = sorted(batch.paths)
        files = ", ".join(paths[:_SHOWN_FILES])
        more = f" and {len(paths) - _SHOWN_FILES} more" if len(paths) > _SHOWN_FILES else ""
        where = f"file {files}" if len(paths) == 1 else f"the file it is of (one of {files}{more})"
        broken.hint = (
            f"correct the rule, or let it drop or warn; or correct the row: replace {where} or "
            "move it out of the source folder. Then run again: nothing was committed"
        )
    return broken


def reason(error: BaseException) -> str:
    """Return, on one line, the innermost message of ``error`` and its Java causes."""
    texts = [text for text in _texts(error) if text.strip()]
    text = texts[-1] if texts else ""
    if _TRACEBACK in text:  # a Python worker's: what was raised stands at its end
        raised = [line for line in text.splitlines() if _RAISED.match(line)]
        return raised[-1].strip() if raised else text.strip().splitlines()[-1]
    _, found, after = text.partition("terminated with exception: ")
    line = (after if found else text).strip().splitlines()[0] if text.strip() else ""
    return line or type(error).__name__


def _texts(error: BaseException) -> Iterator[str]:
    """Yield the messages of ``error``, outermost first."""
    yield str(error)
    for throwable in _throwables(error):
        message = throwable.getMessage()
        if message:
            yield str(message)


def _throwables(error: BaseException) -> Iterator[Any]:  # Py4J: Java Throwables
    throwable: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while throwable is not None:
        yield throwable
        throwable = throwable.getCause()


def _way_out(text: str, ways: Ways) -> str | None:
    for condition, leave_out in _CHANGED_ROWS.items():
        if condition in text:
            again = ways.read_again(follows_changes=True)
            return (
                f"{leave_out} by .option('skipChangeCommits', 'true') where it is read; or {again}"
            )
    for condition, why in _READ_AGAIN.items():
        if condition in text:
            return f"{why}: {ways.read_again()}"
    return None


def _vacuumed(table: Path, registry: TableRegistry | None, since: int) -> str:
    """Say which version of the Delta table in folder ``table`` has lost a file, read or not."""
    entries = registry.entries() if registry is not None else ()
    name = next((each.full_name for each in entries if Path(each.location) == table), table)
    lost = (
        f"version {int(commit.stem)} of table {name} has lost {file}"
        for commit in sorted((table / "_delta_log").glob("[0-9]*.json"))
        if int(commit.stem) >= since
        for file in _ADDED.findall(commit.read_text(encoding="utf-8"))
        if not (table / decode_file_path(file)).exists()
    )
    what = next(lost, f"table {name} has lost a file")
    return (
        f"{what}, which this stream has not read: VACUUM takes every file that is old and no "
        "longer part of its table"
    )


def _line(error: BaseException) -> Origin | None:
    found = origin_in(error)
    if found is not None:
        return found
    places = []
    if isinstance(error, PySparkException):
        for context in error.getQueryContext():
            if context.contextType() is QueryContextType.DataFrame:
                path, _, line = context.callSite().rpartition(":")
                places.append((path, line))
    for text in _texts(error):
        places += _PYTHON_LINE.findall(text) + _CALL_SITE.findall(text)
    users = [
        Origin(path=shown(path), line=int(line))
        for path, line in places
        if line.isdigit() and is_users_file(path)
    ]
    return users[-1] if users else None
