from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from pyspark.sql import SparkSession

from dlt_stub.declare.records import Declarations
from dlt_stub.declare.user_code import load_declarations, user_world

Declare = Callable[[str], Declarations]


@pytest.fixture
def declare(spark: SparkSession, tmp_path: Path) -> Declare:
    """Run one source file and return what it declares."""

    def run(source: str) -> Declarations:
        file = tmp_path / "main.py"
        file.write_text(f"import dlt\nfrom pyspark.sql import functions as F\n{dedent(source)}")
        with user_world(spark, root=tmp_path):
            return load_declarations([file], root=tmp_path, user_globals={"spark": spark})

    return run
