"""Two processes on one workspace: what is refused, what is queued, what goes on side by side."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub import BusyError, Workspace
from dlt_stub.engine.java_lock import held_by_java
from dlt_stub.events import Event
from dlt_stub.locks import is_held
from tests.pipelines.shop import ROOT
from tests.reliability.gated import AT_THE_GATE, write_bundle
from tests.reliability.processes import Process, hear, start, tell

ROUNDS = 20


def test_new_workspace_gives_one_name_once(tmp_path: Path) -> None:
    with start("registering", "one") as one, start("registering", "two") as two:
        assert [hear(one), hear(two)] == ["ready", "ready"]
        for number in range(ROUNDS):
            for each in (one, two):
                tell(each, str(tmp_path / str(number)))
            answers = {"one": hear(one), "two": hear(two)}
            (winner,) = [name for name, answer in answers.items() if answer == "won"]
            (loser,) = set(answers) - {winner}
            assert f"main.shop.orders is already managed by pipeline {winner}" in answers[loser]
            assert (tmp_path / str(number) / "format").read_text() == "1"
        for each in (one, two):
            assert each.stdin is not None
            each.stdin.close()


@contextmanager
def running(root: Path) -> Iterator[Process]:
    """A process in the middle of a run of job ``nightly``, which updates pipeline ``shop``."""
    command = [sys.executable, "-m", "dlt_stub.cli.main", "run", "nightly", "--bundle", str(root)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = list(takewhile(lambda line: line.strip() != AT_THE_GATE, process.stdout))
            assert process.poll() is None, said
            yield process
        finally:
            process.kill()


def test_update_stands_alone_others_go_on(spark: SparkSession, tmp_path: Path) -> None:
    gate = write_bundle(tmp_path)
    workspace = Workspace.open(tmp_path, spark=spark)
    landing = Path(workspace.paths.to_local("/Volumes/main/shop/landing"))
    (landing / "1.csv").write_text("n\n1\n2\n", encoding="utf-8")
    shop = workspace.pipeline("shop")
    java_locks = (
        shop.place.lock.with_name("java.lock"),
        workspace.paths.job("dev.nightly") / "slots" / "0.java",
    )

    def numbers() -> list[int]:
        return sorted(row.n for row in workspace.sql("SELECT n FROM numbers").collect())

    with running(tmp_path) as other:
        # Refused: the same pipeline, by hand, as a dry run and by another job; the same job.
        for validate_only in (False, True):
            with pytest.raises(BusyError, match=f"'shop' runs in process {other.pid} on"):
                shop.update(validate_only=validate_only)
        assert workspace.run_job("nightly").state.life_cycle.value == "SKIPPED"
        (task,) = workspace.run_job("by_hand").tasks
        assert task.state.result is not None
        assert task.state.result.value == "FAILED"
        assert f"runs in process {other.pid}" in task.state.message
        # Side by side: readers, a look at the graph, another pipeline.
        assert numbers() == [1, 2]
        assert shop.table("numbers").count() == 2
        said = [event.message for event in shop.event_records()]
        assert any("is RUNNING" in message for message in said), said
        assert shop.resolve().datasets["numbers"].flows
        workspace.pipeline("letters").update().raise_for_failure()
        # A table of the pipeline that runs is not another's, full refresh or not.
        thief = workspace.pipeline("thief").update(full_refresh=True)
        owner = workspace.bundle.pipeline_id("shop")
        assert f"main.shop.numbers is already managed by pipeline {owner}" in str(thief.error)
        assert numbers() == [1, 2]

        # Killed, its Java stopped in the middle of what it did: the lock is free, Java's is not.
        java_pid = json.loads(java_locks[0].read_text())["pid"]
        os.kill(java_pid, signal.SIGSTOP)
        try:
            other.kill()
            other.wait()
            assert not is_held(shop.place.lock)
            for java_lock in java_locks:
                with (
                    pytest.raises(BusyError, match=rf"Java \(process {java_pid}\) has not ended"),
                    held_by_java(spark, java_lock, what="the next", wait_seconds=0.1),
                ):
                    pytest.fail("two wrote")
        finally:
            os.kill(java_pid, signal.SIGCONT)
        gate.unlink()
        inner: list[str] = []

        def again(event: Event) -> None:
            if not inner:
                try:
                    shop.update()
                except BusyError as error:
                    inner.append(error.message)

        # The next run waits for that Java, and takes up where it was.
        assert workspace.run_job("nightly", listener=again).state.has_succeeded
    assert f"runs in process {os.getpid()}" in inner[0]
    assert numbers() == [1, 2]
