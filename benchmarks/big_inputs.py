"""Inputs that are too large for the suite, through the bundle's job: are all rows there, how long.

    python -m benchmarks.big_inputs [million-rows] [tiny-files] [columns]

Each input has a workspace of its own; a first small file makes the tables and warms the session.
Printed for each: files, rows, seconds of the job, and rows in the stage, in quarantine and in the
target, and files in the archive. It fails if one row or file is not where it belongs.
"""

import argparse
import tempfile
import time
from pathlib import Path

from dlt_stub.engine.session import start_session
from tests.pipelines.shop import JOB, Shop
from tests.reliability.corpus import BIG_INPUTS, BigInput, row, text


def measure(big: BigInput, storage: Path) -> str:
    """Return what came of one input and how long it took.

    Raises:
        AssertionError: a row or a file is not where it belongs.
    """
    shop = Shop(storage, start_session())
    shop.put("first.csv", text([row("first-1")]))
    shop.run_green()
    big.land(shop.source)
    started = time.perf_counter()
    shop.run_green()
    seconds = time.perf_counter() - started
    counts = {
        name: shop.read(name).num_rows
        for name in ("orders_stage", "orders_quarantine", "orders_target")
    }
    archived = len(shop.archive_listing())
    rows = big.files * (big.rows // big.files) + 1
    assert counts == {"orders_stage": rows, "orders_quarantine": 0, "orders_target": rows}, counts
    assert archived == big.files + 1, archived
    assert shop.source_listing() == [], shop.source_listing()[:3]
    return (
        f"{big.name}: {big.files} files, {big.rows} rows, {big.columns} columns:"
        f" {seconds:.1f} s; stage {rows}, quarantine 0, target {rows}, archived {archived}"
    )


def main() -> None:
    """Measure the inputs that are named, or all."""
    names = [big.name for big in BIG_INPUTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="*", choices=[*names, []], default=[])
    given = parser.parse_args().inputs or names
    print(f"job {JOB}, one warm session for each input")
    for big in BIG_INPUTS:
        if big.name in given:
            with tempfile.TemporaryDirectory(prefix="dlt_stub-big-") as storage:
                print(measure(big, Path(storage)), flush=True)


if __name__ == "__main__":
    main()
