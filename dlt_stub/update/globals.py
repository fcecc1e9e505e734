"""Names that user code finds without importing them, and the modules that offer the same names."""

import types
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.functions import udf

from dlt_stub.dbutils import Dbutils
from dlt_stub.declare.user_session import UserSession

DISPLAYED_ROWS = 20


def display(*args: Any, **kwargs: Any) -> None:  # whatever a notebook shows
    """Show nothing: a pipeline's source has no output (assumed), and HTML is for a browser."""


def display_table(shown: Any = None, *args: Any, **kwargs: Any) -> None:  # whatever is shown
    """Print the first rows of a DataFrame, or the value itself; a stream is named only."""
    if isinstance(shown, DataFrame) and not shown.isStreaming:
        shown.show(DISPLAYED_ROWS)
    elif shown is not None:
        print(shown)  # noqa: T201 - a task speaks through its output


def pipeline_names(session: UserSession, dbutils: Dbutils) -> dict[str, Any]:
    """Return what a pipeline's source finds as globals, by name."""
    return {
        "spark": session,
        "sc": session.sparkContext,
        "dbutils": dbutils,
        "display": display,
        "displayHTML": display,
    }


def task_names(session: UserSession, dbutils: Dbutils) -> dict[str, Any]:
    """Return what a notebook or script of a task finds as globals, by name.

    Source: the list of objects in databricks-sdk's ``databricks.sdk.runtime``, 2026-11-24.
    """
    return {
        "spark": session,
        "sc": session.sparkContext,
        "sql": session.sql,
        "table": session.table,
        "udf": udf,
        "dbutils": dbutils,
        "display": display_table,
        "displayHTML": display,
        "getArgument": dbutils.widgets.getArgument,
    }


def modules_of(names: Mapping[str, Any]) -> dict[str, types.ModuleType]:
    """Return the modules that offer ``names`` to code that imports them instead.

    Source: databricks-sdk's ``databricks.sdk.runtime``, and ``pyspark.dbutils`` of Databricks
    Runtime, 2026-11-24.
    """
    runtime = types.ModuleType("databricks.sdk.runtime", "The globals of a notebook.")
    vars(runtime).update(names, __all__=sorted(names))
    legacy = types.ModuleType("pyspark.dbutils", "DBUtils(spark) is the notebook's dbutils.")
    vars(legacy).update(DBUtils=lambda *args: names["dbutils"], __all__=["DBUtils"])
    return {module.__name__: module for module in (runtime, legacy)}
