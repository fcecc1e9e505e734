"""The options of a cloudFiles source: each one is emulated, harmless here, or refused aloud."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from dlt_stub.cloud_files.formats import (
    CSV_ONLY,
    FORMATS,
    INFERRING,
    NOT_FOR_FIXED,
    READER_OPTIONS,
    FileFormat,
)
from dlt_stub.errors import NotEmulatedError, Origin, SourceError, nearest

DEFAULT_RESCUED_COLUMN: Final = "_rescued_data"
_DEFAULT_MAX_FILES: Final = 1000
_PREFIX: Final = "cloudFiles."
_UNITS: Final = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}

_EMULATED: Final = (
    "cloudFiles.allowOverwrites",
    "cloudFiles.cleanSource",
    "cloudFiles.cleanSource.moveDestination",
    "cloudFiles.cleanSource.retentionDuration",
    "cloudFiles.format",
    "cloudFiles.includeExistingFiles",
    "cloudFiles.inferColumnTypes",
    "cloudFiles.maxBytesPerTrigger",
    "cloudFiles.maxFilesPerTrigger",
    "cloudFiles.partitionColumns",
    "cloudFiles.rescuedDataColumn",
    "cloudFiles.schemaEvolutionMode",
    "cloudFiles.schemaHints",
    "cloudFiles.useStrictGlobber",
    "cloudFiles.validateOptions",
    "header",
    "ignoreMissingFiles",
    "inferSchema",
    "modifiedAfter",
    "modifiedBefore",
    "pathGlobFilter",
    "readerCaseSensitive",
    "rescuedDataColumn",
)
# How Databricks finds files and where it keeps the schema: the rows are the same here without.
_HARMLESS: Final = (
    "cloudFiles.backfillInterval",
    "cloudFiles.cleanSource.waitForCompletion",  # here an update always does
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
# Option -> (the values that mean what happens here anyway, why any other is refused).
_REFUSED: Final = {
    "badRecordsPath": ((), "bad records go to the rescued data column only"),
    "cloudFiles.maxFileAge": ((), "the ledger forgets no file"),
    "columnNameOfCorruptRecord": ((), "malformed fields go to the rescued data column only"),
    "ignoreCorruptFiles": (("false",), "a file that cannot be read stops the flow"),
    "dropFieldIfAllNull": (("false",), "a column is there when a file names it"),
    "mergeSchema": (("true",), "the headers of all files are always merged"),
    "mode": (("PERMISSIVE",), "every row of a file gives one row of the source"),
    "rowValidationXSDPath": ((), "records are not checked against an XSD"),
    "samplingRatio": (("1", "1.0"), "columns are inferred from all rows"),
    "singleVariantColumn": ((), "each key of a record is a column of its own"),
}


class EvolutionMode(StrEnum):
    """What happens when a file holds columns the schema lacks."""

    ADD_NEW_COLUMNS = "addNewColumns"
    RESCUE = "rescue"
    FAIL_ON_NEW_COLUMNS = "failOnNewColumns"
    NONE = "none"


class CleanMode(StrEnum):
    """What happens to a file some time after its rows are committed."""

    OFF = "OFF"
    DELETE = "DELETE"
    MOVE = "MOVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFilesOptions:
    """The options of one source, defaults filled in; ``reader`` is what Spark's reader gets.

    ``partition_columns`` is None where the folders themselves say which columns they hold;
    ``notes`` say which options have no effect.
    """

    format: FileFormat
    evolution: EvolutionMode
    hints: str | None
    infer_column_types: bool
    max_files: int
    max_bytes: int | None
    allow_overwrites: bool
    include_existing_files: bool
    partition_columns: tuple[str, ...] | None
    is_strict_globber: bool
    clean_mode: CleanMode
    clean_retention: str
    clean_destination: str | None
    ignore_missing_files: bool
    path_glob_filter: str | None
    modified_after: str | None
    modified_before: str | None
    rescued_column: str | None
    is_case_sensitive: bool
    has_header: bool
    reader: Mapping[str, str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOptions:
    """What is done with the options of Auto Loader, beside those Spark's own readers take."""

    honoured: tuple[str, ...]
    ignored: tuple[str, ...]  # they say how files are found, or where the schema is kept
    refused: Mapping[str, tuple[tuple[str, ...], str]]  # the values allowed, and why no other is


def known_options() -> KnownOptions:
    """Return the options of a ``cloudFiles`` source by what is done with them."""
    return KnownOptions(honoured=_EMULATED, ignored=_HARMLESS, refused=_REFUSED)


def parse_options(
    options: Mapping[str, str], *, has_schema: bool, origin: Origin | None
) -> CloudFilesOptions:
    """Return the options of a source, each one understood.

    A schema given by the user changes two defaults: the evolution mode is ``none``, and a header
    is expected only where ``header`` says so. Without one a header is assumed.

    Source: Databricks, "Auto Loader options" and "Configure schema inference and evolution in
    Auto Loader" (the columns of ORC files are not inferred), checked 2026-11-24.
    Spelling ``cloudFiles.rescuedDataColumn`` is taken from pipelines seen in the wild. That
    ``none`` without a schema has no rescued data column unless one is named is how we read "data
    is not rescued unless ..." (assumed). ``inferSchema`` has no effect: the options of CSV files
    there refer to ``cloudFiles.inferColumnTypes`` instead (that it is accepted is assumed).

    Raises:
        SourceError: an option is unknown, given twice, or has a value Databricks refuses.
        NotEmulatedError: an option that changes rows is not emulated.
    """
    given = _Given(options, origin)
    kind = given.format()
    given.check_names(kind)
    given.check_refused()
    given.check_needed(kind, has_schema=has_schema)
    given.check_encoding(kind)
    evolution = given.evolution(has_schema=has_schema or kind.is_fixed)
    rescued = given.text("rescuedDataColumn") or given.text("cloudFiles.rescuedDataColumn")
    is_rescuing = evolution is EvolutionMode.RESCUE or not (
        has_schema or kind.is_fixed or evolution is EvolutionMode.NONE
    )
    return CloudFilesOptions(
        format=kind,
        evolution=evolution,
        hints=given.text("cloudFiles.schemaHints") or None,
        infer_column_types=given.flag("cloudFiles.inferColumnTypes", default=False),
        max_files=given.count("cloudFiles.maxFilesPerTrigger", default=_DEFAULT_MAX_FILES),
        max_bytes=given.byte_count("cloudFiles.maxBytesPerTrigger"),
        allow_overwrites=given.flag("cloudFiles.allowOverwrites", default=False),
        include_existing_files=given.flag("cloudFiles.includeExistingFiles", default=True),
        partition_columns=given.names("cloudFiles.partitionColumns"),
        is_strict_globber=given.flag("cloudFiles.useStrictGlobber", default=False),
        clean_mode=given.clean_mode(),
        clean_retention=given.text("cloudFiles.cleanSource.retentionDuration") or "30 days",
        clean_destination=given.text("cloudFiles.cleanSource.moveDestination"),
        ignore_missing_files=given.flag("ignoreMissingFiles", default=False),
        path_glob_filter=given.text("pathGlobFilter"),
        modified_after=given.text("modifiedAfter"),
        modified_before=given.text("modifiedBefore"),
        rescued_column=rescued or (DEFAULT_RESCUED_COLUMN if is_rescuing else None),
        is_case_sensitive=given.flag("readerCaseSensitive", default=True),
        has_header=given.flag("header", default=not has_schema),
        reader=MappingProxyType(given.reader(kind)),
        notes=given.notes(),
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

    def format(self) -> FileFormat:
        found = self.text("cloudFiles.format")
        if found is None:
            raise self._error(
                "a cloudFiles source needs the option 'cloudFiles.format'",
                hint="add .option('cloudFiles.format', 'csv')",
            )
        emulated = {kind.lower(): kind for kind in FileFormat}
        if found.lower() in emulated:
            return emulated[found.lower()]
        if found.lower() in [known.lower() for known in FORMATS]:
            raise NotEmulatedError(
                f"cloudFiles.format {found!r} is not emulated: Spark's Avro reader is no part of "
                "pyspark, and was not published for its version 4.2.0",
                origin=self._origin,
                hint=f"formats read here: {', '.join(FileFormat)}",
            )
        near = nearest(found, FORMATS)
        raise self._error(
            f"cloudFiles.format {found!r} is not one of {', '.join(FORMATS)}",
            hint=f"did you mean {near!r}?" if near else None,
        )

    def check_names(self, kind: FileFormat) -> None:
        readers = {name for names in READER_OPTIONS.values() for name in names}
        everything = (*_EMULATED, *_HARMLESS, *readers, *_REFUSED)
        known = {name.lower(): name for name in everything}
        others = {*readers.difference(READER_OPTIONS[kind])}
        others |= set() if kind is FileFormat.CSV else set(CSV_ONLY)
        others |= set() if kind in INFERRING else {"inferSchema"}
        is_given = kind.is_fixed or kind is FileFormat.ORC
        others |= set(NOT_FOR_FIXED) if is_given else set()
        foreign = {name.lower() for name in others}
        if not self.flag("cloudFiles.validateOptions", default=True):
            return
        for lower, name in self._spelled.items():
            if lower in foreign:
                raise self._error(
                    f"option {name!r} does not go with cloudFiles.format {kind.value!r}",
                    hint="remove the option",
                )
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

    def check_needed(self, kind: FileFormat, *, has_schema: bool) -> None:
        if kind is FileFormat.XML and not self.text("rowTag"):
            raise self._error(
                "a cloudFiles source of XML files needs the option 'rowTag'",
                hint="add .option('rowTag', '<the element that is one row>')",
            )
        if kind is FileFormat.ORC and not has_schema:
            raise self._error(
                "the columns of ORC files cannot be inferred by Auto Loader",
                hint="say them by .schema(...)",
            )

    def check_encoding(self, kind: FileFormat) -> None:
        found = self.text("encoding")
        if kind is FileFormat.TEXT and found is not None and found.upper() not in ("UTF-8", "UTF8"):
            raise NotEmulatedError(
                f"option encoding = {found!r} is not emulated for text files: Spark reads UTF-8",
                origin=self._origin,
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

    def clean_mode(self) -> CleanMode:
        found = self.text("cloudFiles.cleanSource") or CleanMode.OFF.value
        if found.upper() not in list(CleanMode):
            known = ", ".join(CleanMode)
            raise self._error(f"option cloudFiles.cleanSource = {found!r} is not one of {known}")
        return CleanMode(found.upper())

    def reader(self, kind: FileFormat) -> dict[str, str]:
        names = READER_OPTIONS[kind]
        return {name: self._values[name.lower()] for name in names if self._has(name)}

    def _has(self, name: str) -> bool:
        return name.lower() in self._values

    def text(self, name: str) -> str | None:
        return self._values.get(name.lower())

    def names(self, name: str) -> tuple[str, ...] | None:
        found = self.text(name)
        if found is None:
            return None
        return tuple(each.strip() for each in found.split(",") if each.strip())

    def notes(self) -> tuple[str, ...]:
        if self.text("inferSchema") is None:
            return ()
        return ("option inferSchema has no effect on Auto Loader: use cloudFiles.inferColumnTypes",)

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
