"""The names of ``import dlt`` and ``from pyspark import pipelines``: what they offer and refuse.

Both record into one registry. Signatures hold to databricks-dlt 0.3.0 and to Apache Spark's own
``pyspark.pipelines``; tests compare them. What is not run raises NotEmulatedError with the reason.

Source: databricks-dlt 0.3.0 on PyPI; docs "Lakeflow Spark Declarative Pipelines Python language
reference", 2026-11-24.
"""

import functools
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pyspark.sql import DataFrame

from dlt_stub.declare import appends, changes, datasets, hooks, rules, sinks
from dlt_stub.declare.arguments import plain
from dlt_stub.declare.reads import current_reads


def read(name: str) -> DataFrame:
    """Return the whole content of a dataset of this pipeline or of an outside table.

    Shape: the dataset's columns and grain, batch.
    """
    return current_reads().table(plain(name), streaming=False, options={})


def read_stream(name: str) -> DataFrame:
    """Return the rows of a dataset that no earlier update has read.

    Shape: the dataset's columns and grain, streaming.
    """
    return current_reads().table(plain(name), streaming=True, options={})


def _deprecated(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # the signature is the replacement's
        warnings.warn(f"{name} is deprecated, use {function.__name__}", stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = name
    call.__doc__ = f"Deprecated name of ``{function.__name__}``."
    return call


_BOTH: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "append_flow": appends.append_flow,
        "apply_changes": changes.apply_changes,
        "apply_changes_from_snapshot": changes.apply_changes_from_snapshot,
        "create_auto_cdc_flow": changes.create_auto_cdc_flow,
        "create_auto_cdc_from_snapshot_flow": changes.create_auto_cdc_from_snapshot_flow,
        "create_sink": sinks.create_sink,
        "create_streaming_live_table": _deprecated(
            datasets.create_streaming_table, "create_streaming_live_table"
        ),
        "create_streaming_table": datasets.create_streaming_table,
        "create_target_table": _deprecated(datasets.create_streaming_table, "create_target_table"),
        "create_view": _deprecated(datasets.view, "create_view"),
        "expect": rules.expect,
        "expect_all": rules.expect_all,
        "expect_all_or_drop": rules.expect_all_or_drop,
        "expect_all_or_fail": rules.expect_all_or_fail,
        "expect_or_drop": rules.expect_or_drop,
        "expect_or_fail": rules.expect_or_fail,
        "foreach_batch_sink": sinks.foreach_batch_sink,
        "materialized_view": datasets.materialized_view,
        "on_event_hook": hooks.on_event_hook,
        "read": read,
        "readStream": read_stream,  # databricks-dlt's own spelling
        "read_stream": read_stream,
        "table": datasets.table,
        "temporary_view": datasets.temporary_view,
        "view": datasets.view,
    }
)
# What ``pyspark.pipelines`` calls create_table is a managed table, in Beta; dlt's is the decorator.
# What people write as ``dp.read`` and the like is offered by both (assumed: one implementation).
NAMES: Mapping[str, Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "dlt": {**_BOTH, "create_table": _deprecated(datasets.table, "create_table")},
        "pyspark.pipelines": _BOTH,
    }
)
_REFUSED_BY_BOTH = {
    "update_flow": "rows of update mode go to sinks outside this machine (preview on Databricks)",
}
REFUSED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "dlt": _REFUSED_BY_BOTH,
        "pyspark.pipelines": {
            **_REFUSED_BY_BOTH,
            "create_table": "managed tables of a pipeline are Beta on Databricks; "
            "create_streaming_table makes a target for flows",
        },
    }
)
