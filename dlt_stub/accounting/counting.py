"""Counts the rows in the bytes of a file without Spark, so that the two can disagree."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

_BLANKS = bytes(range(33))  # what Spark trims from a line before it calls it blank
_COMPRESSED = {".bz2", ".deflate", ".lz4", ".snappy", ".xz", ".zst", ".zstd"}
_CANNOT_TELL = ("comment", "linesep", "encoding", "charset")


def rows_in(path: str, file_format: str, options: Mapping[str, str]) -> int | None:
    """Return how many rows the bytes of a file have, or None where that cannot be said here.

    csv: its lines but for blank ones and the header; with ``multiLine`` as Python's csv module
    reads them. json: its lines; with ``multiLine`` nobody says. text: its lines, blank ones too.
    parquet and orc: what their footers say. binaryFile: one. xml, avro, other compressions than
    gzip, other encodings, comments and line separators: None.
    """
    told = {name.lower(): value for name, value in options.items()}
    kind, file = file_format.lower(), Path(path)
    if kind == "binaryfile":
        return 1
    try:
        if kind == "parquet":
            return int(pq.read_metadata(file).num_rows)
        if kind == "orc":
            return int(orc.ORCFile(file).nrows)
        if file.suffix.lower() in _COMPRESSED or any(name in told for name in _CANNOT_TELL):
            return None
        if kind == "csv":
            return _csv_rows(file, told)
        is_whole = told.get("multiline") == "true" or told.get("wholetext") == "true"
        if kind in ("json", "text") and not is_whole:
            return sum(1 for line in _lines(file) if kind == "text" or line.strip(_BLANKS))
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowInvalid, UnicodeDecodeError, csv.Error):
        return None
    return None


def sha256(path: str) -> str:
    """Return the SHA-256 of a file's content."""
    with Path(path).open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _csv_rows(file: Path, told: Mapping[str, str]) -> int:
    # Auto Loader takes a header for granted while it infers columns; Spark's reader does not.
    headers = 1 if told.get("header", "false").lower() == "true" else 0
    if told.get("multiline", "false").lower() != "true":
        filled = sum(1 for line in _lines(file) if line.strip(_BLANKS))
        return max(filled - headers, 0)
    quote, escape = told.get("quote", '"') or '"', told.get("escape", "\\")
    with io.TextIOWrapper(_opened(file), encoding="utf-8", newline="") as text:
        records = csv.reader(
            text,
            delimiter=told.get("sep", told.get("delimiter", ",")),
            quotechar=quote,
            doublequote=escape == quote,
            escapechar=None if escape == quote else escape,
        )
        return max(sum(1 for record in records if record) - headers, 0)


def _opened(file: Path) -> io.BufferedReader | gzip.GzipFile:
    return gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb")


def _lines(file: Path) -> Iterator[bytes]:
    """Yield lines as Spark ends them, at any of LF, CR and CRLF; without what ends them."""
    with _opened(file) as content:
        for line in content:
            ended = line.removesuffix(b"\n").removesuffix(b"\r") if b"\n" in line else line
            yield from ended.split(b"\r") if ended or line else ()
