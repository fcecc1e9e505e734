"""The options of a cloudFiles source: each one is emulated, harmless here, or refused aloud."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dlt_stub.errors import NotEmulatedError, Origin, SourceError, nearest

DEFAULT_RESCUED_COLUMN: Final = "_rescued_data"
_DEFAULT_MAX_FILES: Final = 1000
_PREFIX: Final = "cloudFiles."
_FORMATS: Final = ("avro", "binaryFile", "csv", "json", "orc", "parquet", "text", "xml")
_UNITS: Final = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}

_EMULATED: Final = (
    "cloudFiles.allowOverwrites",
    "cloudFiles.format",
    "cloudFiles.includeExistingFiles",
    "cloudFiles.inferColumnTypes",
    "cloudFiles.maxBytesPerTrigger",
    "cloudFiles.maxFilesPerTrigger",
    "cloudFiles.partitionColumns",
    "cloudFiles.rescuedDataColumn",
    "cloudFiles.schemaEvolutionMode",
    "cloudFiles.schemaHints",
    "cloudFiles.validateOptions",
    "cloudFiles.cleanSource",
    "header",
    "ignoreMissingFiles",
    "modifiedAfter",
    "modifiedBefore",
    "pathGlobFilter",
    "readerCaseSensitive",
    "rescuedDataColumn",
)
# How Databricks finds files and where it keeps the schema: the rows are the same here without.
_HARMLESS: Final = (
    "cloudFiles.backfillInterval",
    "cloudFiles.cleanSource.moveDestination",
    "cloudFiles.cleanSource.retentionDuration",
    "cloudFiles.client",
    "cloudFiles.clientEmail",
    "cloudFiles.clientId",
    "cloudFiles.clientSecret",
    "cloudFiles.connectionString",
    "cloudFiles.databricks.serviceCredential",
    "cloudFiles.fetchParallelism",
    "cloudFiles.pathRewrites",
    "cloudFiles.privateKey",
    "cloudFiles.privateKeyId",
    "cloudFiles.projectId",
    "cloudFiles.queueName",
    "cloudFiles.queueUrl",
    "cloudFiles.region",
    "cloudFiles.resourceGroup",
    "cloudFiles.schemaLocation",
    "cloudFiles.subscription",
    "cloudFiles.subscriptionId",
    "cloudFiles.tenantId",
    "cloudFiles.useIncrementalListing",
    "cloudFiles.useManagedFileEvents",
    "cloudFiles.useNotifications",
    "enforceSchema",  # Auto Loader ignores it: it matches columns by name
    "recursiveFileLookup",  # Auto Loader always looks into subfolders
)
_READER: Final = (
    "charset",
    "charToEscapeQuoteEscaping",
    "comment",
    "dateFormat",
    "delimiter",
    "emptyValue",
    "enableDateTimeParsingFallback",
    "encoding",
    "escape",
    "ignoreLeadingWhiteSpace",
    "ignoreTrailingWhiteSpace",
    "lineSep",
    "locale",
    "maxCharsPerColumn",
    "maxColumns",
    "multiLine",
    "nanValue",
    "negativeInf",
    "nullValue",
    "positiveInf",
    "preferDate",
    "quote",
    "sep",
    "timestampFormat",
    "timestampNTZFormat",
    "timeZone",
    "unescapedQuoteHandling",
)
# Option -> (the values that mean what happens here anyway, why any other is refused).
_REFUSED: Final = {
    "badRecordsPath": ((), "bad records go to the rescued data column only"),
    "cloudFiles.cleanSource": (
        ("OFF",),
        "files are never moved or deleted here; the bundle's archive task does that",
    ),
    "cloudFiles.maxFileAge": ((), "the ledger forgets no file"),
    "cloudFiles.partitionColumns": (("",), "columns are not taken from folder names"),
    "cloudFiles.useStrictGlobber": (("false",), "there is one way of matching paths"),
    "columnNameOfCorruptRecord": ((), "malformed fields go to the rescued data column only"),
    "ignoreCorruptFiles": (("false",), "a file that cannot be read stops the flow"),
    "inferSchema": (("false",), "Auto Loader infers types by cloudFiles.inferColumnTypes"),
    "mergeSchema": (("true",), "the headers of all files are always merged"),
    "mode": (("PERMISSIVE",), "every row of a file gives one row of the source"),
}


class EvolutionMode(StrEnum):
    """What happens when a file holds columns the schema lacks."""

    ADD_NEW_COLUMNS = "addNewColumns"
    RESCUE = "rescue"
    FAIL_ON_NEW_COLUMNS = "failOnNewColumns"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFilesOptions:
    """The options of one source, defaults filled in; ``reader`` is what Spark's reader gets."""

    evolution: EvolutionMode
    hints: str | None
    infer_column_types: bool
    max_files: int
    max_bytes: int | None
    allow_overwrites: bool
    include_existing_files: bool
    has_partition_columns: bool
    ignore_missing_files: bool
    path_glob_filter: str | None
    modified_after: str | None
    modified_before: str | None
    rescued_column: str | None
    is_case_sensitive: bool
    has_header: bool
    reader: Mapping[str, str]


def parse_options(
    options: Mapping[str, str], *, has_schema: bool, origin: Origin | None
) -> CloudFilesOptions:
    """Return the options of a source, each one understood.

    A schema given by the user changes two defaults: the evolution mode is ``none``, and a header
    is expected only where ``header`` says so. Without one a header is assumed.

    Source: Databricks, "Auto Loader options" and "Configure schema inference and evolution in
    Auto Loader", checked 2026-11-24. Spelling ``cloudFiles.rescuedDataColumn`` is taken from
    pipelines seen in the wild. That ``none`` without a schema has no rescued data column unless
    one is named is how we read "data is not rescued unless ..." (assumed).

    Raises:
        SourceError: an option is unknown, given twice, or has a value Databricks refuses.
        NotEmulatedError: an option that changes rows is not emulated.
    """
    given = _Given(options, origin)
    given.check_format()
    given.check_names()
    given.check_refused()
    evolution = given.evolution(has_schema=has_schema)
    rescued = given.text("rescuedDataColumn") or given.text("cloudFiles.rescuedDataColumn")
    is_rescuing = evolution is EvolutionMode.RESCUE or not (
        has_schema or evolution is EvolutionMode.NONE
    )
    return CloudFilesOptions(
        evolution=evolution,
        hints=given.text("cloudFiles.schemaHints") or None,
        infer_column_types=given.flag("cloudFiles.inferColumnTypes", default=False),
        max_files=given.count("cloudFiles.maxFilesPerTrigger", default=_DEFAULT_MAX_FILES),
        max_bytes=given.byte_count("cloudFiles.maxBytesPerTrigger"),
        allow_overwrites=given.flag("cloudFiles.allowOverwrites", default=False),
        include_existing_files=given.flag("cloudFiles.includeExistingFiles", default=True),
        has_partition_columns=not has_schema and given.text("cloudFiles.partitionColumns") is None,
        ignore_missing_files=given.flag("ignoreMissingFiles", default=False),
        path_glob_filter=given.text("pathGlobFilter"),
        modified_after=given.text("modifiedAfter"),
        modified_before=given.text("modifiedBefore"),
        rescued_column=rescued or (DEFAULT_RESCUED_COLUMN if is_rescuing else None),
        is_case_sensitive=given.flag("readerCaseSensitive", default=True),
        has_header=given.flag("header", default=not has_schema),
        reader=MappingProxyType(given.reader()),
    )


class _Given:
    """The options as the user wrote them, found without regard to case."""

    def __init__(self, options: Mapping[str, str], origin: Origin | None) -> None:
        self._origin = origin
        self._values: dict[str, str] = {}
        self._spelled: dict[str, str] = {}
        for name, value in options.items():
            if name.lower() in self._values and self._values[name.lower()] != value:
                raise self._error(f"option {name!r} is given twice, with different values")
            self._values[name.lower()] = value
            self._spelled[name.lower()] = name

    def _error(self, message: str, hint: str | None = None) -> SourceError:
        return SourceError(message, origin=self._origin, hint=hint)

    def check_format(self) -> None:
        found = self.text("cloudFiles.format")
        if found is None:
            raise self._error(
                "a cloudFiles source needs the option 'cloudFiles.format'",
                hint="add .option('cloudFiles.format', 'csv')",
            )
        if found.lower() == "csv":
            return
        if found.lower() in [known.lower() for known in _FORMATS]:
            raise NotEmulatedError(
                f"cloudFiles.format {found!r} is not emulated: only csv files are read here",
                origin=self._origin,
            )
        near = nearest(found, _FORMATS)
        raise self._error(
            f"cloudFiles.format {found!r} is not one of {', '.join(_FORMATS)}",
            hint=f"did you mean {near!r}?" if near else None,
        )

    def check_names(self) -> None:
        known = {name.lower(): name for name in (*_EMULATED, *_HARMLESS, *_READER, *_REFUSED)}
        if not self.flag("cloudFiles.validateOptions", default=True):
            return
        for lower, name in self._spelled.items():
            if lower in known or lower.startswith("cloudfiles.resourcetag."):
                continue
            near = nearest(lower, known) or nearest(_PREFIX.lower() + lower, known)
            raise self._error(
                f"unknown option {name!r} of a cloudFiles source",
                hint=f"did you mean {known[near]!r}?" if near else None,
            )

    def check_refused(self) -> None:
        for name, (allowed, reason) in _REFUSED.items():
            found = self.text(name)
            if found is None or found.lower() in [value.lower() for value in allowed]:
                continue
            raise NotEmulatedError(
                f"option {name} = {found!r} is not emulated: {reason}", origin=self._origin
            )

    def evolution(self, *, has_schema: bool) -> EvolutionMode:
        default = EvolutionMode.NONE if has_schema else EvolutionMode.ADD_NEW_COLUMNS
        found = self.text("cloudFiles.schemaEvolutionMode") or default.value
        if found.lower() == "addnewcolumnswithtypewidening":
            raise NotEmulatedError(
                "cloudFiles.schemaEvolutionMode 'addNewColumnsWithTypeWidening' is not emulated: "
                "column types are never widened here",
                origin=self._origin,
            )
        modes = {mode.lower(): mode for mode in EvolutionMode}
        if found.lower() not in modes:
            near = nearest(found, [mode.value for mode in EvolutionMode])
            known = ", ".join(EvolutionMode)
            raise self._error(
                f"cloudFiles.schemaEvolutionMode {found!r} is not one of {known}",
                hint=f"did you mean {near!r}?" if near else None,
            )
        mode = modes[found.lower()]
        if has_schema and mode is EvolutionMode.ADD_NEW_COLUMNS:
            raise self._error(
                "cloudFiles.schemaEvolutionMode 'addNewColumns' does not go with a schema",
                hint="give the types by the option cloudFiles.schemaHints instead of .schema(...)",
            )
        return mode

    def reader(self) -> dict[str, str]:
        return {name: self._values[name.lower()] for name in _READER if self._has(name)}

    def _has(self, name: str) -> bool:
        return name.lower() in self._values

    def text(self, name: str) -> str | None:
        return self._values.get(name.lower())

    def flag(self, name: str, *, default: bool) -> bool:
        found = self.text(name)
        if found is None:
            return default
        if found.lower() not in ("true", "false"):
            raise self._error(f"option {name} = {found!r} is neither true nor false")
        return found.lower() == "true"

    def count(self, name: str, *, default: int) -> int:
        found = self.text(name)
        if found is None:
            return default
        if not re.fullmatch(r"[0-9]+", found.strip()) or int(found) < 1:
            raise self._error(f"option {name} = {found!r} is not a whole number above 0")
        return int(found)

    def byte_count(self, name: str) -> int | None:
        found = self.text(name)
        if found is None:
            return None
        match = re.fullmatch(r"([0-9]+)\s*([a-z]?)b?", found.strip().lower())
        if match is None or match[2] not in _UNITS or int(match[1]) < 1:
            raise self._error(f"option {name} = {found!r} is not a size such as '512m' or '10g'")
        return int(match[1]) * _UNITS[match[2]]
