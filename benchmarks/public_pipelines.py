"""Pipelines written by others, run unmodified; writes docs/public_pipelines.md.

    git clone https://github.com/<owner>/<name> CLONES/<owner>+<name>   # or --clone, which does it
    python -m benchmarks.public_pipelines CLONES [--only WORD] [--write]

The pipelines are those of ``benchmarks.public_cases``: repository, commit, paths, and inputs of our
own making. Each file is read from git at that commit into a folder of its own, never changed.
Printed: one line a pipeline, ``pass`` or the exact reason why not. ``--write`` writes the page.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from benchmarks.public_cases import CASES, Expected, PublicPipeline
from benchmarks.public_inputs import Inputs
from dlt_stub import DltStubError, Pipeline
from dlt_stub.engine.session import start_session

PAGE = Path(__file__).parents[1] / "docs" / "public_pipelines.md"
HEADING = """\
## Pipelines written by others

Run unmodified, with inputs we made up, by `python -m benchmarks.public_pipelines CLONES --write`.
None of their text is in this repository. "pass" means that every update completed and the tables
hold what we worked out by hand from the definitions.

| pipeline | kind | repository, commit | path | result |
| --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one pipeline ended: ``pass``, or why not."""

    case: PublicPipeline
    result: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pipelines and return 0 if each ends as its case says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clones", type=Path, help="a folder with <owner>+<name> clones")
    parser.add_argument("--only", default="", help="only pipelines whose name holds this")
    parser.add_argument("--clone", action="store_true", help="clone what is missing from GitHub")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    chosen = parser.parse_args(arguments)
    cases = [case for case in CASES if chosen.only in case.name]
    if chosen.clone:
        clone_missing(chosen.clones, {case.repository for case in cases})
    spark = start_session()
    outcomes = []
    try:
        for case in cases:
            outcome = run_case(case, clones=chosen.clones, spark=spark)
            print(f"{outcome.seconds:6.1f} s  {case.name:34} {outcome.result}", flush=True)
            outcomes.append(outcome)
    finally:
        spark.stop()
    if chosen.write:
        PAGE.write_text(render_page(outcomes), encoding="utf-8")
    return 0 if all(outcome.result.startswith(outcome.case.ends) for outcome in outcomes) else 1


def run_case(case: PublicPipeline, *, clones: Path, spark: SparkSession) -> Outcome:
    """Return how ``case`` ends; whatever it raises is its result."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = _run(case, clones=clones, folder=Path(folder), spark=spark)
        except Exception as error:  # what stops one pipeline is what this tool reports
            result = _first_line(error)
    return Outcome(case=case, result=result, seconds=time.monotonic() - began)


def _run(case: PublicPipeline, *, clones: Path, folder: Path, spark: SparkSession) -> str:
    check_out(clone_of(clones, case.repository), case.commit, folder / "source", case.folders)
    root = folder / "source" / case.root
    inputs = Inputs(folder / "workspace", spark)
    pipeline = Pipeline(
        source=[str(folder / "source" / each) for each in case.source],
        root=root,
        storage=folder / "workspace",
        catalog=case.catalog,
        schema=case.schema,
        name=case.name,
        configuration={
            key: value.replace("{root}", str(root)) for key, value in case.configuration.items()
        },
        spark=spark,
    )
    for given, expected in case.rounds:
        given(inputs)
        update = pipeline.update()
        if not update.succeeded:
            return _first_line(update.error)
        if differences := differences_of(pipeline, expected):
            return f"ran, but {'; '.join(differences)}"
    return "pass"


def differences_of(pipeline: Pipeline, expected: Mapping[str, Expected]) -> list[str]:
    """Return a sentence for each table whose rows are not the expected ones."""
    found = []
    for key, wanted in expected.items():
        name, _, columns = key.rstrip(")").partition("(")
        frame = pipeline.table(name)
        if isinstance(wanted, int):
            rows: Any = frame.count()
        else:
            chosen = frame.select(*[each.strip() for each in columns.split(",")])
            rows = sorted(tuple(map(str, row)) for row in chosen.collect())
            wanted = sorted(tuple(map(str, row)) for row in wanted)
        if rows != wanted:
            found.append(f"{key} holds {rows}, expected {wanted}")
    return found


def clone_of(clones: Path, repository: str) -> Path:
    """Return the git folder of ``repository`` below ``clones``.

    Raises:
        FileNotFoundError: there is none.
    """
    folder = clones / repository.replace("/", "+")
    for place in (folder, folder / "repo"):
        if (place / "HEAD").is_file() or (place / ".git").exists():
            return place
    raise FileNotFoundError(f"no clone of {repository} in {folder}; --clone makes one")


def clone_missing(clones: Path, repositories: set[str]) -> None:
    """Clone from GitHub what ``clones`` lacks."""
    for repository in sorted(repositories):
        try:
            clone_of(clones, repository)
        except FileNotFoundError:
            target = clones / repository.replace("/", "+")
            address = f"https://github.com/{repository}"
            git("clone", "--quiet", address, str(target))


def check_out(clone: Path, commit: str, target: Path, folders: Sequence[str]) -> None:
    """Write ``folders`` of ``commit`` below ``target``, byte for byte."""
    archive = git("-C", str(clone), "archive", commit, *folders)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="data")


def git(*arguments: str) -> bytes:
    """Return what a git command prints.

    Raises:
        CalledProcessError: git failed.
    """
    command = [shutil.which("git") or "git", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _first_line(error: BaseException | None) -> str:
    kind = "" if isinstance(error, DltStubError) else f"{type(error).__name__}: "
    return kind + textwrap.shorten(str(error), 400, placeholder=" ...")


def render_page(outcomes: Sequence[Outcome]) -> str:
    """Return the page: one row a pipeline; those that were not run keep theirs."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line[:2] == "| "}
    for each in outcomes:
        case = each.case
        result = case.reason if case.reason and each.result != "pass" else each.result
        address = f"https://github.com/{case.repository}/tree/{case.commit}"
        cells = (
            case.name,
            case.kind,
            f"[{case.repository}]({address}) `{case.commit[:10]}`",
            ", ".join(f"`{path}`" for path in case.source),
            result.replace("|", "\\|"),
        )
        rows[case.name] = f"| {' | '.join(cells)} |"
    return (
        "\n".join([HEADING.rstrip("\n"), *(rows[case.name] for case in CASES if case.name in rows)])
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
