from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub.clock import ManualClock
from dlt_stub.engine.java_lock import held_by_java
from dlt_stub.errors import BusyError, SetupError
from tests.jobs.bench import START


def test_java_holds_a_lock_of_its_own(spark: SparkSession, tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "java.lock"
    with (
        held_by_java(spark, lock, what="an update"),
        pytest.raises(BusyError, match=r"the next cannot start: .* its Java \(process \d+\)"),
        held_by_java(spark, lock, what="the next", clock=ManualClock(START)),
    ):
        pytest.fail("two held it")
    with held_by_java(spark, lock, what="the next"):
        pass
    lock.unlink()
    lock.mkdir()
    with (
        pytest.raises(SetupError, match=r"Java cannot hold its lock file .*/deep/java.lock"),
        held_by_java(spark, lock, what="the next"),
    ):
        pytest.fail("a folder was locked")
