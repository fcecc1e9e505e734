from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dlt_stub.engine.session import start_session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """One Spark session for the whole test process."""
    jars = sorted((Path.home() / ".cache/dlt_stub/jars/4.4.0").glob("*.jar"))
    session = start_session(jars=jars, warehouse=tmp_path_factory.mktemp("warehouse"))
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
