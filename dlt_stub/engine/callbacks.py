"""Threads on which Java calls Python: let go once what called has ended.

Each stream is a thread of the JVM, and its first call of a Python function opens a connection with
a Python thread behind it. py4j means to close those that were idle for a minute, and where many
streams come and go it does not get to it (tried with 0.10.9.9: four more threads and sockets with
each update of four streams).
"""

from typing import Any, cast

from pyspark.sql import SparkSession


def close_idle_callbacks(spark: SparkSession) -> None:
    """Close the connections from Java that serve no call now; their Python threads end.

    A stream that goes on beside this opens a new one for its next batch.
    """
    # Py4J edge: pyspark names neither its gateway nor the gateway's server.
    client: Any = cast(Any, spark).sparkContext._gateway.java_gateway_server.getCallbackClient()
    client.periodicCleanup()  # marks those that were used as idle,
    client.periodicCleanup()  # and closes those that still are
