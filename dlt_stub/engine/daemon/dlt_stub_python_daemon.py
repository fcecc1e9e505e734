"""Starts the Python workers of a local session: pyspark's own, with one fault of 4.2.0 mended.

pyspark hands a worker the schema of a group's state as JSON, and the worker makes all of it lower
case: ``elementType`` of an array is not found, and ``applyInPandasWithState`` fails with a
``KeyError``. On Databricks it runs.

Spark runs this file as ``python -m dlt_stub_python_daemon``, from whatever folder: it imports
nothing of ``dlt_stub``, which may be another one there.
"""

import socket
from typing import Any

from pyspark import daemon

_SCHEMAS = ("state_value_schema", "grouping_key_schema")
_work = daemon.worker


def mend() -> None:
    """Let a worker read the settings that hold a schema as they were written."""
    from pyspark.worker_util import Conf  # after the fork: it may import what starts threads

    plain = Conf.get

    def get(self: Any, key: str, default: Any = "", *, lower_str: bool = True) -> Any:
        return plain(self, key, default, lower_str=lower_str and key not in _SCHEMAS)

    Conf.get = get  # type: ignore[method-assign]


def worker(sock: socket.socket, authenticated: bool) -> int:
    """Do what pyspark's worker does, mended; a worker is forked for each connection."""
    mend()
    return _work(sock, authenticated)


if __name__ == "__main__":
    daemon.worker = worker
    daemon.manager()
