"""What a failed flow is said to have failed of: Spark's own reason, and the user's line."""

import re
from collections.abc import Iterator
from typing import Any

from pyspark.errors import PySparkException, QueryContextType

from dlt_stub.declare.records import Flow
from dlt_stub.declare.registry import is_users_file, origin_in, shown
from dlt_stub.disk import refusal_in
from dlt_stub.errors import ExpectationViolation, FlowError, Origin
from dlt_stub.expectations import violation

_TRACEBACK = "Traceback (most recent call last)"
_RAISED = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b")
_PYTHON_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_CALL_SITE = re.compile(r"was called from\s+(\S+):(\d+)")
# Source: Delta's error conditions for streams, and docs "Full refresh for streaming tables",
# 2026-11-24.
_CHANGED_SOURCE = {
    "DELTA_SOURCE_TABLE_IGNORE_CHANGES": "read it with .option('skipChangeCommits', 'true') to "
    "leave changed rows out, or",
    "DELTA_SOURCE_IGNORE_DELETE": "read it with .option('skipChangeCommits', 'true') to leave "
    "deletes out, or",
    "DIFFERENT_DELTA_TABLE_READ_BY_STREAMING_SOURCE": "its source was made anew:",
    "DELTA_STREAMING_CHECK_COLUMN_MAPPING": "its source has changed its columns:",
    "sources in the checkpoint offsets and now there are": "it reads more or fewer sources now:",
    "STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY": "its query keeps state now:",
    "STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA": "its query keeps other state now:",
    "STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE": "its query keeps other state now:",
    "STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE": "its query keeps other state now:",
}


def flow_error(error: BaseException, flow: Flow) -> FlowError:
    """Return the error to report for ``error``, which ended ``flow``.

    A broken fail expectation comes out as Databricks words it; everything else as the innermost
    reason Spark or Python gives, at the user's line where one is known.
    """
    broken = violation("\n".join(_texts(error)), flow=flow.name)
    if broken is not None:
        return broken
    # Delta names no table that it was given by its path.
    text = reason(error).replace("ALTER TABLE null ", f"ALTER TABLE {flow.target} ")
    ways = [way for condition, way in _CHANGED_SOURCE.items() if condition in text]
    hint = (
        f"{ways[0]} a full refresh of {flow.target} reads it from its start: "
        f"--full-refresh-selection {flow.target}; to keep its rows: --reset-checkpoint-selection "
        f"{flow.name}"
        if ways
        else refusal_in("\n".join(_texts(error)))
    )
    return FlowError(
        f"flow '{flow.name}' failed: {text}", origin=_line(error) or flow.origin, hint=hint
    )


def is_retryable(error: Exception) -> bool:
    """Return whether a flow that ended by ``error`` might not end so if it is started again.

    A broken fail rule and a changed source need a person. What the query itself raised may be gone
    the next time (assumed: the page says "when a retryable failure occurs", not which those are).
    """
    if not isinstance(error, FlowError) or isinstance(error, ExpectationViolation):
        return False
    return not any(condition in error.message for condition in _CHANGED_SOURCE)


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
    throwable: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while throwable is not None:  # Py4J: a Java Throwable
        message = throwable.getMessage()
        if message:
            yield str(message)
        throwable = throwable.getCause()


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
