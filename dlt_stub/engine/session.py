"""The only place that starts a Spark session.

The settings come in groups: what serverless compute documents (so that local rows equal deployed
rows), what makes small local runs quick, and what Delta needs. Nothing is left in the working
folder.
"""

import atexit
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from dlt_stub.engine.jars import delta_jars
from dlt_stub.engine.java import Java, class_archive, find_java, spark_java_home
from dlt_stub.engine.lost import forget_lost_spark, is_spark_lost, own_interrupt_handler
from dlt_stub.errors import SetupError
from dlt_stub.failpoints import check_failpoint
from dlt_stub.redaction import JVM_PATTERN, jvm_pattern

# Source: docs "Set Spark configuration properties on Databricks", what serverless notebooks
# and jobs know, 2026-11-24; the names were seen quoted, not on the page itself, so the values are
# assumed. The other two change no row: shuffle partitions are "auto" there, and
# spark.databricks.execution.timeout bounds notebook queries only.
SERVERLESS_DEFAULTS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "Etc/UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.files.maxPartitionBytes": "134217728b",
}
SESSION_DEFAULTS = {  # what each session of ours has, those of a session the user started too
    **SERVERLESS_DEFAULTS,
    # Spark 4.2.0 hands a scan's columns to the Python worker as they are, which then waits for ever
    # (tried: any UDF over a string column of a Delta table).
    "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false",
}
FAST_AND_LOCAL = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.databricks.delta.snapshotPartitions": "1",  # 50 tasks for each snapshot otherwise
    # A read of 1,000 files lists them by so many tasks: 1,000 took 2 s, 8 take 0.2 s.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Pages nobody can open, which a long life would fill: 1,000 plans and jobs are kept otherwise.
    "spark.sql.ui.retainedExecutions": "10",
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.ui.retainedTasks": "500",
    "spark.sql.streaming.ui.retainedQueries": "10",
    "spark.sql.streaming.metricsEnabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.catalogImplementation": "in-memory",  # no metastore_db, no derby.log
}
DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# Full compilation, not -XX:TieredStopAtLevel=1: that saves 2 s of a cold run and doubles the time
# of a 2 M row load (measured: 3.5 s and 8.3 s). The JVM's own warnings would go to standard output.
# pyspark writes every exception to stderr as JSON before it raises it.
_SECOND_TELLINGS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
MASTER = "DLT_STUB_MASTER"
LOCAL = "local[*]"
_OF_ONE_MACHINE = ("spark.sql.shuffle.partitions", "spark.default.parallelism")
_OF_LOOPBACK = ("spark.driver.host", "spark.driver.bindAddress")
JAVA_OPTIONS = ("-XX:+UseParallelGC", "-Xlog:disable", "-Xlog:all=error:stderr")
MORE_JAVA_OPTIONS = "DLT_STUB_JAVA_OPTIONS"  # appended to ours, so it wins
_LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")


def start_session(
    *,
    jars: Sequence[Path] | None = None,
    warehouse: Path | None = None,
    master: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> SparkSession:
    """Start a Spark session with Delta, or return the one this process has.

    ``master`` is what ``DLT_STUB_MASTER`` says unless it is given, this machine by default. On a
    cluster the workspace folder must be one that every machine finds by the same path.

    A session whose Java process has ended is forgotten, and a new process started.

    Java and Delta's jars are found (the jars fetched, the first time) unless ``jars`` is given.
    ``settings`` win over ours. A session already there keeps its own settings but for those of
    serverless, which decide what rows come out.

    Raises:
        SetupError: no Java, no jars, no disk, or a session already there that has no Delta.
        UsageError: ``DLT_STUB_FAILPOINT`` names no failpoint.
    """
    check_failpoint()
    for name in _SECOND_TELLINGS:
        logging.getLogger(name).disabled = True
    logging.getLogger().addFilter(_is_no_py4j)
    on_interrupt = None
    if is_spark_lost():
        forget_lost_spark()
        on_interrupt = own_interrupt_handler()
    if (running := _running_session()) is not None:
        return _adopt(running)
    master = master or os.environ.get(MASTER) or LOCAL
    java = find_java()
    paths = delta_jars() if jars is None else tuple(jars)
    os.environ["JAVA_HOME"] = str(spark_java_home(java))  # pyspark's launcher reads both
    if master.startswith("local"):
        os.environ["PYSPARK_PYTHON"] = sys.executable
    else:  # another machine may have it elsewhere
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf: dict[str, bool | float | int | str | None] = {  # as pyspark's builder spells it
        **SESSION_DEFAULTS,
        **_sized(master),
        **DELTA,
        **_classpath(paths, master),
        **_workers(master),
        "spark.sql.warehouse.dir": str(warehouse or _passing_folder()),
        "spark.driver.memory": f"{driver_memory_mb()}m",
        "spark.driver.extraJavaOptions": " ".join(_java_options(java, paths)),
        **(settings or {}),
    }
    if pattern := jvm_pattern():
        os.environ[JVM_PATTERN] = pattern
    builder = SparkSession.builder.master(master).appName("dlt_stub")
    session = builder.config(map=conf).getOrCreate()
    if on_interrupt is not None:
        signal.signal(signal.SIGINT, on_interrupt)
    return session


def _is_no_py4j(record: logging.LogRecord) -> bool:
    """Return whether a record is not py4j's: it writes to the root logger what it raises too."""
    return Path(record.pathname).parent.name != "py4j"


def driver_memory_mb() -> int:
    """Return the heap Spark gets: a quarter of the machine's memory, between 1 and 4 GiB."""
    if os.name == "nt":
        return 2048
    machine_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return max(1024, min(4096, machine_mb // 4))


def _classpath(jars: Sequence[Path], master: str) -> dict[str, str]:
    """Return how Spark finds ``jars``: here as plain files, which a class archive can hold."""
    paths = [str(jar) for jar in jars]
    if master.startswith("local"):
        return {"spark.driver.extraClassPath": os.pathsep.join(paths)}
    return {"spark.jars": ",".join(paths)}


def _sized(master: str) -> dict[str, str]:
    """Return what suits the size of this machine, less what a cluster's own settings say."""
    if master.startswith("local"):
        return FAST_AND_LOCAL
    is_here = urlsplit(master).hostname in ("127.0.0.1", "localhost", "::1")
    left_out = _OF_ONE_MACHINE if is_here else (*_OF_ONE_MACHINE, *_OF_LOOPBACK)
    return {key: value for key, value in FAST_AND_LOCAL.items() if key not in left_out}


def _workers(master: str) -> dict[str, str]:
    """Return how Spark starts Python workers: here with ours, elsewhere with what is there."""
    if not master.startswith("local") or os.name == "nt":  # Windows has no daemon
        return {}
    return {
        "spark.python.daemon.module": "dlt_stub_python_daemon",
        "spark.executorEnv.PYTHONPATH": str(Path(__file__).with_name("daemon")),
    }


def _java_options(java: Java, jars: Sequence[Path]) -> tuple[str, ...]:
    archive = class_archive(java, jars)
    return (
        *JAVA_OPTIONS,
        *((f"-XX:SharedArchiveFile={archive}",) if archive.exists() else ()),
        f"-Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()}",
        *os.environ.get(MORE_JAVA_OPTIONS, "").split(),
    )


def _running_session() -> SparkSession | None:
    session = SparkSession.getActiveSession()
    if session is None or session.sparkContext._jsc is None:  # the public API cannot say "stopped"
        return None
    return session


def _adopt(session: SparkSession) -> SparkSession:
    extensions = session.conf.get("spark.sql.extensions", None) or ""
    if DELTA["spark.sql.extensions"] not in extensions:
        raise SetupError(
            "this process already has a Spark session, and it has no Delta",
            hint="start it with spark.sql.extensions=" + DELTA["spark.sql.extensions"],
        )
    for key, value in SESSION_DEFAULTS.items():
        session.conf.set(key, value)
    return session


def _passing_folder() -> Path:
    """Return a new folder that goes when this process ends: our in-memory catalog forgets too."""
    folder = tempfile.mkdtemp(prefix="dlt_stub-warehouse-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
