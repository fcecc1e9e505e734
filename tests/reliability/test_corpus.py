"""Bad files beside good ones, three runs of the bundle's job: each comes to what was written down.

In the first two runs the refused files lie in the landing folder; before the third they are moved
out of it, which is the way out that the error names.
"""

from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from dlt_stub.errors import RefusedFilesError
from dlt_stub.testing import JobRun, UpdateResult
from tests.pipelines.shop import ROOT, Shop, query
from tests.reliability.corpus import BadFile, as_markdown, corpus, good_files, row, text

CORPUS = corpus()
REFUSED = [file for file in CORPUS if file.outcome.refused]
LATE = "late orders.csv"
TABLES = ("orders_stage", "orders_quarantine", "orders_target", "order_files")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """What there was after a run."""

    run: JobRun
    update: UpdateResult
    tables: dict[str, pa.Table]
    printed: list[str]

    def rows_of(self, shop: Shop, table: str, name: str) -> list[dict[str, Any]]:
        """Return the rows that a table has of the file called ``name``."""
        rows = self.tables[table]
        below = [_below(shop.source, uri) == name for uri in rows["source_file"].to_pylist()]
        return [
            row for n, is_of in enumerate(below) if is_of for row in rows.slice(n, 1).to_pylist()
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """The shop after three runs, and what was delivered: path below the folder -> contents."""

    shop: Shop
    evenings: tuple[Evening, Evening, Evening]
    delivered: dict[str, list[bytes]]
    taken_out: Path


@pytest.fixture(scope="module")
def fed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Fed:
    """Land all, run, deliver some names again, run, take out what is refused, run."""
    shop = Shop(tmp_path_factory.mktemp("corpus"), spark)
    delivered = {file.name: [file.content] for file in CORPUS}
    for file in CORPUS:
        file.land(shop.source)
    for name, content in good_files().items():
        shop.put(name, content)
        delivered[name] = [content]
    first = _run(shop)
    for file in CORPUS:
        file.land_again(shop.source)
        if file.again is not None:
            delivered[file.name].append(file.again)
    late = text([row("late-1")]).encode()
    shop.put(LATE, late)
    delivered[LATE] = [late]
    second = _run(shop)
    taken_out = shop.source.parent / "refused"
    taken_out.mkdir()
    for file in REFUSED:
        (shop.source / file.name).rename(taken_out / file.name)
    third = _run(shop)
    return Fed(shop=shop, evenings=(first, second, third), delivered=delivered, taken_out=taken_out)


def _run(shop: Shop) -> Evening:
    with redirect_stdout(StringIO()) as printed:
        run = shop.run()
    return Evening(
        run=run,
        update=shop.updates[-1],
        tables={name: shop.read(name) for name in TABLES},
        printed=printed.getvalue().splitlines(),
    )


def _below(source: Path, uri: str) -> str:
    path = "/" + unquote(uri.partition(":")[2]).lstrip("/")
    return path.removeprefix(f"{source}/")


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name[:40])
def test_file_comes_to_its_outcome(fed: Fed, file: BadFile) -> None:
    expected, last = file.outcome, fed.evenings[-1]
    stage = last.rows_of(fed.shop, "orders_stage", file.name)
    held = last.rows_of(fed.shop, "orders_quarantine", file.name)
    rescued = [each for each in stage if each["_rescued_data"] is not None]
    assert (len(stage) - len(held), len(held), len(rescued)) == (
        expected.accepted,
        expected.quarantined,
        expected.rescued,
    ), [stage, held]
    for sql, rows in expected.holds:
        t = pa.Table.from_pylist(stage)
        assert query(f"SELECT count(*) FROM t WHERE {sql}", t=t) == [(rows,)], stage
    assert set(file.new_columns) <= set(last.tables["orders_stage"].column_names)


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name[:40])
def test_refusal_names_file_and_reason(fed: Fed, file: BadFile) -> None:
    for evening in fed.evenings[:2]:
        error = evening.update.error
        assert isinstance(error, RefusedFilesError)
        reason = error.reasons[str(fed.shop.source / file.name)]
        assert repr(str(fed.shop.source / file.name)) in reason
        assert [word for word in file.outcome.refused if word not in reason] == []
        assert reason in str(evening.run.task("refresh").state.message)


def test_only_expected_files_are_refused(fed: Fed) -> None:
    expected = sorted(str(fed.shop.source / file.name) for file in REFUSED)
    for evening in fed.evenings[:2]:
        assert isinstance(evening.update.error, RefusedFilesError)
        assert sorted(evening.update.error.reasons) == expected
        assert "move it out of the source folder" in str(evening.update.error)
    assert fed.evenings[-1].run.state.has_succeeded
    assert fed.evenings[-1].update.error is None


def test_page_has_the_whole_corpus() -> None:
    assert as_markdown() in (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def test_good_files_wait_for_nothing(fed: Fed) -> None:
    keys = [{f"good-{letter}-{n}" for letter in "abc" for n in range(5)}, {"late-1"}]
    for evening, expected in zip(fed.evenings[:2], keys, strict=True):
        for table in ("orders_stage", "orders_target"):
            assert expected <= set(evening.tables[table]["order_id"].to_pylist())


def test_every_accepted_row_is_in_target(fed: Fed) -> None:
    tables = fed.evenings[-1].tables

    def rows(table: str) -> Counter[tuple[str, str]]:
        found = tables[table]
        return Counter(
            zip(found["source_file"].to_pylist(), found["order_id"].to_pylist(), strict=True)
        )

    accepted = rows("orders_stage") - rows("orders_quarantine")
    target = tables["orders_target"]["order_id"].to_pylist()
    assert sorted(target) == sorted({key for _, key in accepted})
    files = tables["order_files"]
    assert sum(files["rows"].to_pylist()) == tables["orders_stage"].num_rows
    assert sum(files["quarantined"].to_pylist()) == tables["orders_quarantine"].num_rows


def test_every_delivery_is_somewhere_whole(fed: Fed) -> None:
    left = {file.name: file for file in CORPUS if file.outcome.left}
    kept_out = {file.name: file for file in REFUSED}
    source = {
        str(p.relative_to(fed.shop.source)) for p in fed.shop.source.rglob("*") if p.is_file()
    }
    assert source == set(left)
    lines = fed.evenings[-1].printed
    for name, file in left.items():
        assert [line for line in lines if name in line and file.outcome.left in line]
        assert (fed.shop.source / name).read_bytes() == file.content
    for name, file in kept_out.items():
        if not file.is_link:
            assert (fed.taken_out / name).read_bytes() == file.content
    archived = Counter(fed.shop.archive_listing().values())
    expected = Counter(
        contents[-1]  # a name delivered twice is replaced in place: its last content is left
        for name, contents in fed.delivered.items()
        if name not in left and name not in kept_out
    )
    assert archived == expected
