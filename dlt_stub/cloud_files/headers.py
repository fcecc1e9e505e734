"""Reads the first record of a CSV file as Spark's own parser would."""

import io
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from dlt_stub.cloud_files.listing import jvm, local_path
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.packed import is_packed, open_unpacked, reason_of
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.errors import Origin, SourceError

_BYTE_ORDER_MARK: Final = "\ufeff"
_PLAIN_CHARSETS: Final = ("UTF-8", "ISO-8859-1", "US-ASCII")
_TOO_MANY: Final = "ArrayIndexOutOfBounds"
_LOSSY: Final = "\ufffd"  # what a decoder writes for bytes that mean nothing to it
# First bytes -> what the file is instead of CSV, and what to do.
_KINDS: Final = (
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\x1f\x8b", "gzip", "give it a name that ends in .gz"),
    (b"BZh", "bzip2", "give it a name that ends in .bz2"),
    (b"PAR1", "Parquet", "read it with cloudFiles.format parquet"),
    (b"\xff\xfe", "UTF-16", "deliver it in {charset}, or set the option encoding to its own"),
    (b"\xfe\xff", "UTF-16", "deliver it in {charset}, or set the option encoding to its own"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The columns of one file, in its order, and whether a data row follows.

    ``types`` holds the same columns with their types, where the file itself says them.
    """

    columns: tuple[str, ...]
    has_rows: bool
    types: StructType | None = None


class HeaderReader:
    """Reads headers with one parser, set up as Spark sets it up for the same options.

    A blank name becomes ``_c<position>``, as in Spark's reader. A name that occurs twice is
    refused: Spark would rename both, and what Auto Loader does is not documented. Two names that
    differ in case only are two columns.
    """

    def __init__(
        self,
        spark: SparkSession,
        options: CloudFilesOptions,
        *,
        positional: tuple[str, ...] | None,
        origin: Origin | None,
    ) -> None:
        """Prepare to read; ``positional`` names the columns of files that have no header."""
        self._spark = spark
        self._options = options
        self._positional = positional
        self._origin = origin
        java = jvm(spark)
        settings = java.java.util.HashMap()
        for key, value in options.reader.items():
            settings.put(key, value)
        zone = spark.conf.get("spark.sql.session.timeZone") or "UTC"
        self._csv = java.org.apache.spark.sql.catalyst.csv.CSVOptions(
            java.PythonUtils.toScalaMap(settings), False, zone
        )
        self._charset: str = self._csv.charset()
        self._null_value: str = self._csv.nullValue()
        self._comment: str | None = self._csv.comment() if self._csv.isCommentSet() else None
        self._parser = java.com.univocity.parsers.csv.CsvParser(self._csv.asParserSettings())
        self._known: dict[str, tuple[str | None, ...]] = {}

    def read(self, file: FileEntry) -> Header:
        """Return the header of one file; one with no record at all has no columns.

        Raises:
            SourceError: the file cannot be read, its header is no text, or two of its
                columns have one name.
        """
        if file.size == 0:
            return Header(columns=(), has_rows=False)
        try:
            first, has_second = self._first_record(file)
        except (OSError, Py4JJavaError) as error:
            reason, hint = reason_of(error), None
            if _TOO_MANY in reason:  # all that the parser says of it
                reason = f"it has more than {self._csv.maxColumns()} columns"
                hint = "set the option maxColumns to a larger number"
            raise SourceError(
                f"the header of file {file.path!r} cannot be read: {reason}",
                origin=self._origin,
                hint=hint,
            ) from error
        if first is None:
            return Header(columns=(), has_rows=False)
        if not self._options.has_header:
            names = self._positional or tuple(f"_c{i}" for i in range(len(first)))
            return Header(columns=names, has_rows=True)
        return Header(columns=self._names(first, file), has_rows=has_second)

    def _check_text(self, line: str, file: FileEntry) -> None:
        is_lossy = _LOSSY in line and self._charset in ("UTF-8", "US-ASCII")
        if not is_lossy and "\0" not in line:
            return
        begin = self._first_bytes(file)
        is_utf16 = begin.count(b"\0") * 3 >= len(begin)
        other = ("UTF-16" if is_utf16 else "something else", _KINDS[-1][-1])
        found = ((kind, to_do) for magic, kind, to_do in _KINDS if begin.startswith(magic))
        kind, way_out = next(found, other)
        raise SourceError(
            f"file {file.path!r} does not begin with text in {self._charset}: it looks like {kind}",
            origin=self._origin,
            hint=way_out.format(charset=self._charset),
        )

    def _first_bytes(self, file: FileEntry) -> bytes:
        local = local_path(file.path)
        if local is not None:
            with Path(local).open("rb") as raw:
                return raw.read(16)
        stream = open_unpacked(self._spark, file)
        try:
            return bytes(stream.readNBytes(16))
        finally:
            stream.close()

    def _names(self, tokens: tuple[str | None, ...], file: FileEntry) -> tuple[str, ...]:
        names = tuple(
            f"_c{position}" if not token or token == self._null_value else token
            for position, token in enumerate(tokens)
        )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SourceError(
                f"file {file.path!r} has more than one column named {', '.join(map(repr, twice))}",
                origin=self._origin,
                hint="give each column of the header its own name, or set header to false",
            )
        return names

    def _first_record(self, file: FileEntry) -> tuple[tuple[str | None, ...] | None, bool]:
        local = local_path(file.path)
        if self._options.reader.get("multiLine", "false").lower() == "true":
            return self._first_multi_line_record(file)
        if local is not None and self._is_plain(local):
            with Path(local).open("rb") as raw:
                # Universal newlines are Hadoop's: \n, \r\n and \r alone.
                text = io.TextIOWrapper(raw, self._charset, errors="replace", newline=None)
                return self._first_line(text, file)
        with closing(self._java_lines(file)) as lines:
            return self._first_line(lines, file)

    def _is_plain(self, path: str) -> bool:
        has_separator = "lineSep" in self._options.reader
        return self._charset in _PLAIN_CHARSETS and not has_separator and not is_packed(path)

    def _first_line(
        self, lines: Iterable[str], file: FileEntry
    ) -> tuple[tuple[str | None, ...] | None, bool]:
        records = (line for line in _without_mark(lines) if not self._is_skipped(line))
        first = next(records, None)
        if first is None:
            return None, False
        self._check_text(first, file)
        if first not in self._known:
            self._known[first] = tuple(self._parser.parseLine(first) or ())
        return self._known[first], next(records, None) is not None

    def _is_skipped(self, line: str) -> bool:
        # Spark's CSVExprUtils: blank lines, and lines that begin with the comment character.
        text = line.strip()
        return not text or (self._comment is not None and text.startswith(self._comment))

    def _java_lines(self, file: FileEntry) -> Generator[str, None, None]:
        java = jvm(self._spark)
        stream = open_unpacked(self._spark, file)
        try:
            separator = self._options.reader.get("lineSep")
            if separator is None:
                reader = java.java.io.BufferedReader(
                    java.java.io.InputStreamReader(stream, self._charset)
                )
                while (line := reader.readLine()) is not None:
                    yield line
            else:
                scanner = java.java.util.Scanner(stream, self._charset)
                scanner.useDelimiter(java.java.util.regex.Pattern.quote(separator))
                while scanner.hasNext():
                    yield scanner.next()
        finally:
            stream.close()

    def _first_multi_line_record(
        self, file: FileEntry
    ) -> tuple[tuple[str | None, ...] | None, bool]:
        stream = open_unpacked(self._spark, file)
        try:
            self._parser.beginParsing(stream, self._charset)
            first = self._parser.parseNext()
            second = self._parser.parseNext() if first is not None else None
            tokens = None if first is None else tuple(first)
            self._check_text("".join(token or "" for token in tokens or ()), file)
            return tokens, second is not None
        finally:
            self._parser.stopParsing()
            stream.close()


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        text = line.rstrip("\n")
        yield text.removeprefix(_BYTE_ORDER_MARK) if number == 0 else text
