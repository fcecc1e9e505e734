"""The file formats a source may have, and which of Spark's reader options go with each."""

from enum import StrEnum
from typing import Final

FORMATS: Final = ("avro", "binaryFile", "csv", "json", "orc", "parquet", "text", "xml")


class FileFormat(StrEnum):
    """A format that is read here; the others of ``FORMATS`` are refused aloud."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    TEXT = "text"
    BINARY_FILE = "binaryFile"
    ORC = "orc"
    XML = "xml"

    @property
    def is_fixed(self) -> bool:
        """Whether every file has the same columns, so that nothing is inferred or rescued."""
        return self in (FileFormat.TEXT, FileFormat.BINARY_FILE)

    @property
    def is_text(self) -> bool:
        """Whether the files hold no types, so that columns are STRING unless types are inferred."""
        return self in (FileFormat.CSV, FileFormat.JSON, FileFormat.XML)


_CSV: Final = (
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
_JSON: Final = (
    "allowBackslashEscapingAnyCharacter",
    "allowComments",
    "allowNonNumericNumbers",
    "allowNumericLeadingZeros",
    "allowSingleQuotes",
    "allowUnquotedControlChars",
    "allowUnquotedFieldNames",
    "charset",
    "dateFormat",
    "enableDateTimeParsingFallback",
    "encoding",
    "inferTimestamp",
    "lineSep",
    "locale",
    "multiLine",
    "prefersDecimal",
    "primitivesAsString",
    "timestampFormat",
    "timestampNTZFormat",
    "timeZone",
)
_XML: Final = (
    "attributePrefix",
    "charset",
    "dateFormat",
    "encoding",
    "excludeAttribute",
    "ignoreNamespace",
    "ignoreSurroundingSpaces",
    "locale",
    "nullValue",
    "rowTag",
    "timestampFormat",
    "timestampNTZFormat",
    "timeZone",
    "valueTag",
    "wildcardColName",
)
READER_OPTIONS: Final = {
    FileFormat.CSV: _CSV,
    FileFormat.JSON: _JSON,
    FileFormat.PARQUET: ("datetimeRebaseMode", "int96RebaseMode"),
    FileFormat.TEXT: ("encoding", "lineSep", "wholetext"),
    FileFormat.BINARY_FILE: (),
    FileFormat.ORC: (),
    FileFormat.XML: _XML,
}
# What our own reading does with them, beside Spark's reader; for CSV only.
CSV_ONLY: Final = ("enforceSchema", "header")
# Formats beside which ``inferSchema`` is written, and has no effect.
INFERRING: Final = (FileFormat.CSV, FileFormat.JSON, FileFormat.XML)
# The columns of fixed formats come from the file itself, or are the file; those of ORC are given.
NOT_FOR_FIXED: Final = (
    "cloudFiles.inferColumnTypes",
    "cloudFiles.rescuedDataColumn",
    "cloudFiles.schemaEvolutionMode",
    "cloudFiles.schemaHints",
    "readerCaseSensitive",
    "rescuedDataColumn",
)
