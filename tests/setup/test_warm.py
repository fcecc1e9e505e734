import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlt_stub.engine.java import class_archive, find_java

USED = """
from dlt_stub.engine.session import start_session
spark = start_session(master="local[1]")
runtime = spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean()
print([a for a in runtime.getInputArguments() if "SharedArchiveFile" in a])
print(spark.range(3).count())
spark.stop()
"""


@pytest.mark.slow
def test_class_archive_is_made_and_used(cache: Path, jars: tuple[Path, ...]) -> None:
    environ = {**os.environ, "DLT_STUB_JARS": str(jars[0].parent)}
    for _ in range(2):  # the second has nothing to do
        subprocess.run(
            [sys.executable, "-m", "dlt_stub.engine.warm"], env=environ, check=True, timeout=300
        )
    archive = class_archive(find_java(), jars)
    assert archive.is_relative_to(cache)
    assert archive.stat().st_size > 50 * 2**20
    assert [path.suffix for path in archive.parent.iterdir() if path.is_file()] == [".jsa"]
    answer = subprocess.run(
        [sys.executable, "-c", USED], env=environ, capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == [f"['-XX:SharedArchiveFile={archive}']", "3"]
    assert answer.stderr == ""
