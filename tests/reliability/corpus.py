"""Files as they really arrive, made anew for each test, and what each of them should come to.

The outcomes were written before the code was looked at or run, from the documents named in
``because``; where no document says it, it says "assumed". They are outcomes of the bundle: a row
that is rescued is in quarantine too, by its rule ``row_fits_schema``.

The bundle reads CSV with a header, schema hints, ``escape`` a quote, ``allowOverwrites``, no
``multiLine``, UTF-8, ``PERMISSIVE``.
"""

import bz2
import csv
import gzip
import io
import os
import random
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samples.orders_feed import COLUMNS

SEED = 20261124
MEGABYTE = 1 << 20
LINKED = "outside"  # the folder beside the landing folder that links lead to

RESCUE = 'docs "Read CSV files", rescued data column'
BAD_RECORDS = 'docs "Handle bad records and files"'
CSV_OPTIONS = 'docs "DataFrameReader options", CSV'
EVOLUTION = 'docs "Configure schema inference and evolution in Auto Loader"'
COLUMN_NAMES = 'docs "Rename and drop columns with Delta Lake column mapping"'
CORRUPT = 'docs "DataFrameReader options", ignoreCorruptFiles is false'
OVERWRITES = 'docs "Auto Loader FAQ", allowOverwrites'
SPARK_HIDDEN = 'docs "Generic File Source Options" of Spark, ignored path segments'
ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a file: rows of the stage, or words of the error that refuses it."""

    accepted: int = 0
    quarantined: int = 0
    rescued: int = 0  # of those in quarantine
    refused: tuple[str, ...] = ()  # the error names the file and has these words
    left: str = ""  # words of the archive task's line for a file that stays; "" is archived
    holds: tuple[tuple[str, int], ...] = ()  # SQL over the file's stage rows, rows that meet it

    @property
    def rows(self) -> int:
        """How many rows the stage holds."""
        return self.accepted + self.quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """One file of the corpus; ``name`` is its path below the landing folder."""

    name: str
    what: str
    outcome: Outcome
    because: str
    content: bytes = b""
    again: bytes | None = None  # delivered under the same name after the first run
    is_link: bool = False  # to a file of this content outside of the folder; of none, to nowhere
    new_columns: tuple[str, ...] = field(default=())

    def land(self, source: Path) -> None:
        """Put the file below ``source``, whole at once."""
        path = source / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self.is_link:
            _write_whole(path, self.content)
            return
        target = source.parent / LINKED / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.content:
            target.write_bytes(self.content)
        path.symlink_to(target)

    def land_again(self, source: Path) -> None:
        """Deliver the second content, if there is one, under the same name."""
        if self.again is not None:
            _write_whole(source / self.name, self.again)


def as_markdown() -> str:
    """Return the table of ``docs/reliability.md``: each file, and what it comes to."""
    rows = ["| file | what is in it | comes to | because |", "| --- | --- | --- | --- |"]
    for file in corpus():
        name = file.name if len(file.name) < 40 else f"{file.name[:20]}..."
        cells = (f"`{_shown(name)}`", file.what, _told(file), file.because)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def _shown(name: str) -> str:
    plain = name.replace("`", "'").encode("unicode_escape").decode().replace("\\\\", "\\")
    return plain if not name.isprintable() else name.replace("`", "'")


def _told(file: BadFile) -> str:
    outcome = file.outcome
    if outcome.refused:
        return "refused"
    if outcome.left:
        return "left in the folder, and the archive task says why"
    parts = [f"{outcome.accepted} accepted"] if outcome.accepted else []
    if outcome.quarantined:
        rescued = f", {outcome.rescued} of them rescued" if outcome.rescued else ""
        parts.append(f"{outcome.quarantined} quarantined{rescued}")
    if file.new_columns:
        many = len(file.new_columns)
        parts.append("a new column" if many == 1 else f"{many} new columns")
    return "; ".join(parts) or "no rows"


def row(key: str, **changes: str) -> dict[str, str]:
    """Return a good order row with some values changed."""
    good = {
        "order_id": key,
        "customer_id": "C00001",
        "order_timestamp": "2026-01-05T09:00:00Z",
        "status": "PAID",
        "carrier": "",
        "tracking_number": "",
        "quantity": "2",
        "amount": "19.90",
        "currency": "EUR",
        "ship_country": "DE",
        "updated_at": "2026-01-05T10:00:00Z",
        "operation": "INSERT",
    }
    return {**good, **changes}


def text(
    rows: Iterable[dict[str, str]],
    columns: Sequence[str] = COLUMNS,
    *,
    sep: str = ",",
    eol: str = "\n",
    quoting: int = csv.QUOTE_MINIMAL,
) -> str:
    """Return rows as CSV text with a header."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, lineterminator=eol, quoting=quoting)  # type: ignore[arg-type] # one of csv.QUOTE_*
    writer.writerow(columns)
    writer.writerows([r.get(column, "") for column in columns] for r in rows)
    return out.getvalue()


def lines(*values: str) -> bytes:
    """Return the usual header and lines as they are given."""
    return "\n".join([",".join(COLUMNS), *values, ""]).encode()


def line(key: str, **changes: str) -> str:
    """Return one good line with some values changed, nothing quoted."""
    return ",".join(row(key, **changes).values())


def good_files() -> dict[str, bytes]:
    """Return the good files that lie among the bad ones, first, between and last by name."""
    chance = random.Random(SEED)

    def rows(prefix: str) -> list[dict[str, str]]:
        return [
            row(f"{prefix}-{n}", customer_id=f"C{chance.randint(1, 500):05d}") for n in range(5)
        ]

    names = {"!first.csv": "good-a", "good orders.csv": "good-b", "~last.csv": "good-c"}
    return {name: text(rows(prefix)).encode() for name, prefix in names.items()}


def corpus() -> tuple[BadFile, ...]:
    """Return every small file of the corpus, by name."""
    files = (*_shapes(), *_encodings(), *_lines(), *_headers(), *_values(), *_packed(), *_names())
    assert len({file.name for file in files}) == len(files), "names of the corpus are unique"
    return tuple(sorted(files, key=lambda file: file.name))


def _shapes() -> Iterable[BadFile]:
    nothing = Outcome()
    yield BadFile(name="empty.csv", what="no byte", outcome=nothing, because=ASSUMED)
    yield BadFile(
        name="bom-only.csv",
        what="a byte order mark and nothing else",
        content=b"\xef\xbb\xbf",
        outcome=nothing,
        because=ASSUMED,
    )
    yield BadFile(
        name="blank-lines-only.csv",
        what="blank lines and nothing else",
        content=b"\n\r\n  \n",
        outcome=nothing,
        because="assumed: Spark passes over blank lines",
    )
    yield BadFile(
        name="header-only.csv",
        what="a header",
        content=text([]).encode(),
        outcome=nothing,
        because=ASSUMED,
    )
    yield BadFile(
        name="header-only-no-newline.csv",
        what="a header without a newline",
        content=text([]).encode().rstrip(),
        outcome=nothing,
        because=ASSUMED,
    )
    yield BadFile(
        name="no-final-newline.csv",
        what="no newline at the end",
        content=text([row("nonl-1"), row("nonl-2")]).encode().rstrip(),
        outcome=Outcome(accepted=2),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="crlf.csv",
        what="lines end in CRLF",
        content=text([row("crlf-1"), row("crlf-2")], eol="\r\n").encode(),
        outcome=Outcome(accepted=2, holds=(("operation = 'INSERT'", 2),)),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="cr.csv",
        what="lines end in CR alone",
        content=text([row("cr-1"), row("cr-2")], eol="\r").encode(),
        outcome=Outcome(accepted=2, holds=(("operation = 'INSERT'", 2),)),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="blank-lines.csv",
        what="blank lines before the header and between rows",
        content=("\n\n" + text([row("blank-1")]) + "\n   \n" + line("blank-2") + "\n").encode(),
        outcome=Outcome(accepted=2),
        because="assumed: Spark passes over blank lines",
    )
    yield BadFile(
        name="everything-quoted.csv",
        what="every value is quoted, empty ones too",
        content=text([row("allq-1"), row("allq-2")], quoting=csv.QUOTE_ALL).encode(),
        outcome=Outcome(accepted=2),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="big-field.csv",
        what="a field of 1 MB",
        content=text([row("big-1", customer_id="x" * MEGABYTE), row("big-2")]).encode(),
        outcome=Outcome(accepted=2, holds=((f"length(customer_id) = {MEGABYTE}", 1),)),
        because=f"{CSV_OPTIONS}, maxCharsPerColumn",
    )
    yield BadFile(
        name="too-many-columns.csv",
        what="25,000 columns",
        content=text([row("wide-1")], [*COLUMNS, *(f"c{n}" for n in range(25_000))]).encode(),
        outcome=Outcome(refused=("maxColumns",)),
        because=f"{CSV_OPTIONS}, maxColumns is 20480",
    )
    yield BadFile(
        name="same-again.csv",
        what="the same name twice, same content",
        content=text([row("same-1")]).encode(),
        again=text([row("same-1")]).encode(),
        outcome=Outcome(accepted=2),
        because=OVERWRITES,
    )
    yield BadFile(
        name="other-again.csv",
        what="the same name twice, other content",
        content=text([row("other-1")]).encode(),
        again=text([row("other-1", status="SHIPPED", updated_at="2026-01-06T10:00:00Z")]).encode(),
        outcome=Outcome(accepted=2, holds=(("status = 'SHIPPED'", 1),)),
        because=OVERWRITES,
    )


def _encodings() -> Iterable[BadFile]:
    yield BadFile(
        name="bom.csv",
        what="UTF-8 with a byte order mark",
        content=text([row("bom-1", customer_id="Zoë")]).encode("utf-8-sig"),
        outcome=Outcome(accepted=1, holds=(("customer_id = 'Zoë'", 1),)),
        because="assumed: Spark's line reader takes the mark away",
    )
    for name, encoding, what in (
        ("utf16.csv", "utf-16", "UTF-16 with a byte order mark"),
        ("utf16le.csv", "utf-16-le", "UTF-16 without a mark"),
    ):
        yield BadFile(
            name=name,
            what=what,
            content=text([row(f"{encoding}-1")]).encode(encoding),
            outcome=Outcome(refused=("UTF-16", "encoding")),
            because="assumed: read as UTF-8 its header would be new columns without sense",
        )
    yield BadFile(
        name="latin1.csv",
        what="Latin-1: one value with an umlaut, one row without",
        content=text([row("latin-1", customer_id="Zoë"), row("latin-2")]).encode("latin-1"),
        outcome=Outcome(
            accepted=1, quarantined=1, holds=(("customer_id = 'Zo' || chr(65533)", 1),)
        ),
        because=f"{CSV_OPTIONS}, encoding is UTF-8; a rule must hold the row back",
    )
    yield BadFile(
        name="latin1-header.csv",
        what="Latin-1 in the header",
        content=text([row("latinh-1")], [*COLUMNS, "größe"]).encode("latin-1"),
        outcome=Outcome(refused=("UTF-8", "encoding")),
        because="assumed: the name would be lost",
    )
    yield BadFile(
        name="nul-bytes.csv",
        what="NUL in a text and in a number",
        content=lines(line("nul-1", customer_id="a\0b"), line("nul-2", quantity="1\0")),
        outcome=Outcome(
            accepted=1, quarantined=1, rescued=1, holds=(("customer_id = 'a' || chr(0) || 'b'", 1),)
        ),
        because=RESCUE,
    )
    yield BadFile(
        name="unicode-line-ends.csv",
        what="U+2028 and U+0085 inside values",
        content=lines(line("uline-1", customer_id="a\u2028b"), line("uline-2", status="a\u0085b")),
        outcome=Outcome(accepted=2),
        because="assumed: only CR and LF end lines",
    )


def _lines() -> Iterable[BadFile]:
    yield BadFile(
        name="short-rows.csv",
        what="rows with fewer values: one lacks the last, one all but two",
        content=lines(line("short-1").rsplit(",", 1)[0], "short-2,C1"),
        outcome=Outcome(accepted=1, quarantined=1, holds=(("operation IS NULL", 2),)),
        because=f"{CSV_OPTIONS}, PERMISSIVE: NULLs are inserted; {BAD_RECORDS}",
    )
    yield BadFile(
        name="long-rows.csv",
        what="rows with more values: an unquoted comma, commas at the end",
        content=lines(line("long-1", carrier="Smith, Sons"), line("long-2") + ",,", line("long-3")),
        outcome=Outcome(accepted=2, quarantined=1, rescued=1),
        because="assumed: what has no column is rescued, and an empty value is nothing",
    )
    yield BadFile(
        name="quotes-inside.csv",
        what="doubled quotes, an inch sign, a backslash before a quote",
        content=lines(
            line("quote-1", customer_id='"the ""big"" boss, Ltd"'),
            line("quote-2", carrier='5" van'),
            line("quote-3", carrier='"C:\\"'),
        ),
        outcome=Outcome(
            accepted=3,
            holds=(
                ("""customer_id = 'the "big" boss, Ltd'""", 1),
                ("""carrier = '5" van'""", 1),
                ("carrier = 'C:\\'", 1),
            ),
        ),
        because=f"{CSV_OPTIONS}, escape and unescapedQuoteHandling",
    )
    yield BadFile(
        name="newlines-inside.csv",
        what="a newline inside a quoted value",
        content=lines(line("nlin-1", customer_id='"first\nsecond"'), line("nlin-2")),
        outcome=Outcome(accepted=1, quarantined=2, rescued=1),
        because=f"{CSV_OPTIONS}, multiLine is false: two lines are two rows",
    )
    yield BadFile(
        name="unclosed-quote.csv",
        what="a quote that is not closed",
        content=lines(line("unclosed-1", customer_id='"C1'), line("unclosed-2")),
        outcome=Outcome(accepted=1, quarantined=1),
        because=f"{CSV_OPTIONS}, multiLine is false: it ends with its line",
    )
    yield BadFile(
        name="only-commas.csv",
        what="a row of commas, and a key of two quotes",
        content=lines("," * (len(COLUMNS) - 1), line('""')),
        outcome=Outcome(quarantined=2),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="header-repeated.csv",
        what="the header again in the middle",
        content=lines(line("rehead-1"), ",".join(COLUMNS), line("rehead-2")),
        outcome=Outcome(accepted=2, quarantined=1, rescued=1),
        because=RESCUE,
    )


def _headers() -> Iterable[BadFile]:
    yield BadFile(
        name="semicolons.csv",
        what="the delimiter is ;",
        content=text([row("semi-1")], sep=";").encode(),
        outcome=Outcome(refused=("order_id;customer_id", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="tabs.csv",
        what="the delimiter is a tab",
        content=text([row("tab-1")], sep="\t").encode(),
        outcome=Outcome(refused=("order_id", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="pipes.csv",
        what="the delimiter is |",
        content=text([row("pipe-1"), row("pipe-2")], sep="|").encode(),
        outcome=Outcome(quarantined=2),
        because=f"{EVOLUTION}: a new column, of one odd name",
        new_columns=("|".join(COLUMNS),),
    )
    yield BadFile(
        name="no-header.csv",
        what="no header: the first row is taken for it",
        content="\n".join(
            ",".join([key, "C7", "2026-01-05T09:00:00Z", "PAID", "DHL", "T1"])
            for key in ("nohead-1", "nohead-2")
        ).encode(),
        outcome=Outcome(quarantined=1),
        because=f"{EVOLUTION}: new columns, of odd names",
        new_columns=("nohead-1", "C7", "2026-01-05T09:00:00Z", "PAID", "DHL", "T1"),
    )
    yield BadFile(
        name="reordered.csv",
        what="the header in another order",
        content=text([row("reorder-1")], sorted(COLUMNS)).encode(),
        outcome=Outcome(
            accepted=1, holds=(("customer_id = 'C00001' AND amount = 19.90 AND quantity = 2", 1),)
        ),
        because=f"{EVOLUTION}: columns are matched by name",
    )
    yield BadFile(
        name="missing-column.csv",
        what="carrier and operation are missing",
        content=text(
            [row("miss-1")], [c for c in COLUMNS if c not in ("carrier", "operation")]
        ).encode(),
        outcome=Outcome(accepted=1, holds=(("carrier IS NULL AND operation IS NULL", 1),)),
        because=EVOLUTION,
    )
    yield BadFile(
        name="missing-key.csv",
        what="the key column is missing",
        content=text([row("none")], COLUMNS[1:]).encode(),
        outcome=Outcome(quarantined=1),
        because=EVOLUTION,
    )
    yield BadFile(
        name="new-column.csv",
        what="a column more, in the middle",
        content=text(
            [row("newcol-1", gift_note="Grüße")], [*COLUMNS[:3], "gift_note", *COLUMNS[3:]]
        ).encode(),
        outcome=Outcome(accepted=1, holds=(("gift_note = 'Grüße' AND status = 'PAID'", 1),)),
        because=f"{EVOLUTION}, addNewColumns",
        new_columns=("gift_note",),
    )
    yield BadFile(
        name="duplicate-column.csv",
        what="a column twice",
        content=text([row("dup-1")], [*COLUMNS, "status"]).encode(),
        outcome=Outcome(refused=("status", "more than one column")),
        because="assumed: which of the two counts is not documented",
    )
    yield BadFile(
        name="case-changed.csv",
        what="the key column in capitals",
        content=text([row("none")]).replace("order_id", "ORDER_ID", 1).encode(),
        outcome=Outcome(quarantined=1, rescued=1),
        because=f"{RESCUE}: names that differ in case, readerCaseSensitive is true",
    )
    yield BadFile(
        name="spaces-in-header.csv",
        what="spaces after the header's commas",
        content=text([row("spacehead-1")]).replace(",customer_id", ", customer_id", 1).encode(),
        outcome=Outcome(refused=(" customer_id", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="nameless-column.csv",
        what="a comma at the end of the header and of each row, as spreadsheets write",
        content=text([row("nameless-1")], [*COLUMNS, ""]).encode(),
        outcome=Outcome(accepted=1),
        because="assumed: Spark names the column by its place, counted from 0",
        new_columns=(f"_c{len(COLUMNS)}",),
    )
    yield BadFile(
        name="preamble.csv",
        what="a title above the header",
        content=("Orders of the 5th of January\n" + text([row("preamble-1")])).encode(),
        outcome=Outcome(refused=("Orders of the 5th", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="excel-sep.csv",
        what="a spreadsheet's line sep=, above the header",
        content=("sep=,\n" + text([row("sep-1")])).encode(),
        outcome=Outcome(refused=("sep=", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="web-page.csv",
        what="an error page of a web server",
        content=b"<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n",
        outcome=Outcome(refused=("<!DOCTYPE html>", "column name")),
        because=COLUMN_NAMES,
    )
    yield BadFile(
        name="json.csv",
        what="JSON",
        content=b'{"order_id": "json-1", "status": "PAID"}\n{"order_id": "json-2"}\n',
        outcome=Outcome(refused=("order_id", "column name")),
        because=COLUMN_NAMES,
    )


def _values() -> Iterable[BadFile]:
    def valued(
        name: str, what: str, because: str, outcome: Outcome, *rows: dict[str, str]
    ) -> BadFile:
        named = [{**r, "order_id": f"{name}-{n}"} for n, r in enumerate(rows, 1)]
        content = text(named).encode()
        return BadFile(
            name=f"{name}.csv", what=what, content=content, outcome=outcome, because=because
        )

    yield valued(
        "numbers-with-commas",
        'amount "1,234.50", amount "1.234,50", quantity "1,000"',
        "assumed: Spark's decimal parser takes commas away, its integer parser does not",
        Outcome(accepted=1, quarantined=2, rescued=2, holds=(("amount = 1234.50", 1),)),
        row("", amount="1,234.50"),
        row("", amount="1.234,50 EUR"),
        row("", quantity="1,000"),
    )
    yield valued(
        "other-dates",
        "2026-01-06 10:00:00, 2026-01-06, 06.01.2026, 1/6/2026, seconds since 1970",
        "assumed: what a cast to TIMESTAMP takes; " + RESCUE,
        Outcome(accepted=2, quarantined=3, rescued=3),
        row("", updated_at="2026-01-06 10:00:00"),
        row("", updated_at="2026-01-06"),
        row("", updated_at="06.01.2026 10:00"),
        row("", updated_at="1/6/2026"),
        row("", updated_at="1767693600"),
    )
    yield valued(
        "out-of-range",
        "quantity 3000000000, 2.5, two, and 7 between spaces",
        RESCUE,
        Outcome(quarantined=4, rescued=4),
        row("", quantity="3000000000"),
        row("", quantity="2.5"),
        row("", quantity="two"),
        row("", quantity=" 7 "),
    )
    yield valued(
        "decimal-overflow",
        "amount 99999999999.99, 1e11, 1.005 and -9999999999.99 in DECIMAL(12,2)",
        f"{RESCUE}; assumed: a digit too many behind the point is rounded",
        Outcome(
            accepted=2,
            quarantined=2,
            rescued=2,
            holds=(("amount = 1.01", 1), ("amount = -9999999999.99", 1)),
        ),
        row("", amount="99999999999.99"),
        row("", amount="1e11"),
        row("", amount="1.005"),
        row("", amount="-9999999999.99"),
    )
    yield valued(
        "leap-second",
        "2026-06-30T23:59:60Z and 2026-02-29",
        RESCUE,
        Outcome(quarantined=2, rescued=2),
        row("", updated_at="2026-06-30T23:59:60Z"),
        row("", updated_at="2026-02-29T10:00:00Z"),
    )
    yield valued(
        "far-future",
        "9999-12-31T23:59:59Z, and a year that no timestamp has",
        RESCUE,
        Outcome(accepted=1, quarantined=1, rescued=1),
        row("", updated_at="9999-12-31T23:59:59Z"),
        row("", updated_at="300000-01-01T00:00:00Z"),
    )
    yield valued(
        "negative-amount",
        "amount -5.00",
        "expectations/orders.py: a warning, the row stays",
        Outcome(accepted=1, holds=(("amount = -5.00", 1),)),
        row("", amount="-5.00"),
    )


def _packed() -> Iterable[BadFile]:
    packed = gzip.compress(text([row("gz-1"), row("gz-2")]).encode(), mtime=0)
    yield BadFile(
        name="packed.csv.gz",
        what="gzip",
        content=packed,
        outcome=Outcome(accepted=2),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="packed.csv.bz2",
        what="bzip2",
        content=bz2.compress(text([row("bz-1")]).encode()),
        outcome=Outcome(accepted=1),
        because=CSV_OPTIONS,
    )
    yield BadFile(
        name="two-members.csv.gz",
        what="two gzip files, one behind the other",
        content=gzip.compress(text([row("gz2-1")]).encode(), mtime=0)
        + gzip.compress(f"{line('gz2-2')}\n".encode(), mtime=0),
        outcome=Outcome(accepted=2),
        because=ASSUMED,
    )
    yield BadFile(
        name="header-only.csv.gz",
        what="gzip of a header",
        content=gzip.compress(text([]).encode(), mtime=0),
        outcome=Outcome(),
        because=ASSUMED,
    )
    chance = random.Random(SEED)
    many = [row(f"cut-{n}", customer_id=f"{chance.getrandbits(256):x}") for n in range(2_000)]
    yield BadFile(
        name="truncated.csv.gz",
        what="gzip that was cut off in the middle, far behind its header",
        content=gzip.compress(text(many).encode(), mtime=0)[:-20_000],
        outcome=Outcome(refused=("truncated.csv.gz",)),
        because=CORRUPT,
    )
    yield BadFile(
        name="truncated-at-start.csv.gz",
        what="gzip that was cut off before its header ended",
        content=packed[:20],
        outcome=Outcome(refused=("truncated-at-start.csv.gz",)),
        because=CORRUPT,
    )
    yield BadFile(
        name="not-packed.csv.gz",
        what="plain CSV with the name of a gzip file",
        content=text([row("notgz-1")]).encode(),
        outcome=Outcome(refused=("gzip",)),
        because=CORRUPT,
    )
    yield BadFile(
        name="packed-as.csv",
        what="gzip with the name of a CSV file",
        content=packed,
        outcome=Outcome(refused=("gzip",)),
        because="assumed: its bytes would be taken for a header",
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folder:
        folder.writestr(zipfile.ZipInfo("orders.csv"), text([row("zip-1")]))
    yield BadFile(
        name="zip-as.csv",
        what="a zip archive with the name of a CSV file",
        content=archive.getvalue(),
        outcome=Outcome(refused=("zip",)),
        because="assumed: its bytes would be taken for a header",
    )
    yield BadFile(
        name="noise.csv",
        what="random bytes",
        content=random.Random(SEED).randbytes(4_000),
        outcome=Outcome(refused=("encoding",)),
        because="assumed: its bytes would be taken for a header",
    )


def _names() -> Iterable[BadFile]:
    for number, (name, what) in enumerate(
        (
            ("with two  spaces.csv", "spaces in the name"),
            ("größe-注文-📦.csv", "letters of other scripts in the name"),
            ("gro\u0308ße.csv", "a letter and its accent as two characters"),
            ("100%2Fraw%20.csv", "%2F in the name"),
            ('it\'s "quoted" `here`.csv', "quotes in the name"),
            ("plus+hash#question?and&=.csv", "what means something in a URL"),
            ("brackets[1]{2,3}*.csv", "what means something in a pattern"),
            ("back\\slash.csv", "a backslash in the name"),
            ("line\nbreak.csv", "a newline in the name"),
            ("orders.txt", "another ending"),
            ("no-ending", "no ending"),
            ("UPPER.CSV", "an ending in capitals"),
            ("folder.csv/inside.csv", "a folder named like a file, with a file in it"),
            ("deep/er/folder/file.csv", "folders in folders"),
            (f"{'l' * 240}.csv", "a name of 244 characters"),
        ),
        1,
    ):
        yield BadFile(
            name=name,
            what=what,
            content=text([row(f"name{number}-1")]).encode(),
            outcome=Outcome(accepted=1),
            because=ASSUMED,
        )
    yield BadFile(
        name="caf\udce9.csv",
        what="a name that is not UTF-8",
        content=text([row("latinname-1")]).encode(),
        outcome=Outcome(refused=("name", "UTF-8")),
        because="assumed: storage has no such names",
    )
    yield BadFile(
        name="colon:12.csv",
        what="a colon in the name",
        content=text([row("colon-1")]).encode(),
        outcome=Outcome(refused=("colon",)),
        because="Hadoop's local file system allows no colon in a name",
    )
    for name in ("_leading.csv", ".leading.csv", "_folder/inside.csv"):
        yield BadFile(
            name=name,
            what="a leading _ or .",
            content=text([row("hidden-1")]).encode(),
            outcome=Outcome(left="hidden"),
            because=SPARK_HIDDEN,
        )
    yield BadFile(
        name="half.csv._COPYING_",
        what="a copy on its way, as Hadoop names it",
        content=text([row("copying-1")]).encode(),
        outcome=Outcome(left="hidden"),
        because=SPARK_HIDDEN,
    )
    yield BadFile(
        name="link-out.csv",
        what="a link to a file outside of the folder",
        content=text([row("link-1")]).encode(),
        is_link=True,
        outcome=Outcome(refused=("link",)),
        because="assumed: storage has no links, and what lies outside was not delivered",
    )
    yield BadFile(
        name="link-nowhere.csv",
        what="a link that leads nowhere",
        is_link=True,
        outcome=Outcome(refused=("link",)),
        because="assumed: storage has no links",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BigInput:
    """An input that is too large for the suite: a benchmark lands it and looks at its outcome."""

    name: str
    files: int
    rows: int
    columns: int

    def land(self, source: Path) -> None:
        """Put the files into ``source``; every row is good."""
        more = [f"extra_{n}" for n in range(self.columns - len(COLUMNS))]
        header = ",".join([*COLUMNS, *more])
        values = "".join(",x" for _ in more)
        each = self.rows // self.files
        source.mkdir(parents=True, exist_ok=True)
        for number in range(self.files):
            body = (f"{line(f'{self.name}-{number}-{n}')}{values}\n" for n in range(each))
            content = "".join([f"{header}\n", *body]).encode()
            _write_whole(source / f"{self.name}-{number:05d}.csv", content)


BIG_INPUTS = (
    BigInput(name="million-rows", files=1, rows=1_000_000, columns=len(COLUMNS)),
    BigInput(name="tiny-files", files=10_000, rows=10_000, columns=len(COLUMNS)),
    BigInput(name="columns", files=1, rows=2, columns=10_000),
)


def _write_whole(path: Path, content: bytes) -> None:
    growing = path.with_name(f".part-{os.getpid()}")
    growing.write_bytes(content)
    os.replace(growing, path)  # noqa: PTH105 - says that an older file of that name goes


if __name__ == "__main__":
    print(as_markdown())  # noqa: T201 - the command is for its output
