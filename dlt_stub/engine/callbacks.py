"""Threads on which Java calls Python: let go once what called has ended.

Each stream is a thread of the JVM, and its first call of a Python function opens a connection with
a Python thread behind it. py4j keeps both for as long as the process lives (tried with 0.10.9.9:
four more threads and sockets with each update of four streams).
"""

import contextlib
import socket
from typing import Any, cast

from pyspark.sql import SparkSession


class CallbackThreads:
    """The connections that one caller in the JVM has called on; ``end`` lets them go."""

    def __init__(self, spark: SparkSession) -> None:
        # Py4J edge: pyspark names neither its gateway nor the gateway's client.
        self._client: Any = cast(Any, spark).sparkContext._gateway._gateway_client
        self._connections: list[Any] = []

    def note(self) -> None:
        """Remember the connection that the calling thread serves, inside a call from Java."""
        connection = self._client.get_thread_connection()
        if connection is not None and connection not in self._connections:
            self._connections.append(connection)

    def end(self) -> None:
        """Let the threads end; what called on them in the JVM must have ended."""
        for connection in self._connections:
            # Its thread waits in a read, which this ends; the thread then closes what it has.
            with contextlib.suppress(OSError, AttributeError):  # it is closed already
                connection.socket.shutdown(socket.SHUT_RDWR)
        self._connections.clear()
