from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub.engine.jars import delta_jars

pytest_plugins = ["dlt_stub.testing.plugin"]  # the installed entry point may be older than this


@pytest.fixture(scope="session")
def spark(dlt_spark: SparkSession) -> SparkSession:
    """One Spark session for the whole test process: the test kit's."""
    return dlt_spark


@pytest.fixture(scope="session")
def jars() -> tuple[Path, ...]:
    """Delta's jars on this machine, found before any test moves the cache folder."""
    return delta_jars()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dlt_stub"
