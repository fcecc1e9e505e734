"""Sessions that know a workspace: its tables by name, Databricks' functions and its volumes."""

from collections.abc import Mapping
from typing import Any, cast

from pyspark.sql import SparkSession

from dlt_stub.declare.records import NOTHING
from dlt_stub.declare.user_session import UserSession
from dlt_stub.engine.catalog import TableRegistry
from dlt_stub.engine.names import SessionNames
from dlt_stub.engine.session import SESSION_DEFAULTS
from dlt_stub.flows.functions import WorkspaceFunctions
from dlt_stub.paths import WorkspacePaths

_SETTINGS = {
    **SESSION_DEFAULTS,
    # Delta's parser knows nothing of parameters put into the text: they are bound in the plan.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}


def private_session(spark: SparkSession, settings: Mapping[str, str] = NOTHING) -> SparkSession:
    """Return a new session beside ``spark`` with ``settings`` over ours; none outlives it."""
    # Py4J edge: a user's session has a class of its own, which newSession would call.
    private = SparkSession(spark.sparkContext, cast(Any, spark)._jsparkSession.newSession())
    for key, value in {**_SETTINGS, **settings}.items():
        private.conf.set(key, value)
    return private


def knowing_workspace(
    session: SparkSession,
    *,
    paths: WorkspacePaths,
    registry: TableRegistry,
    catalog: str,
    schema: str,
    stays_in_schema: bool = False,
) -> UserSession:
    """Return ``session`` as user code sees it, in ``catalog`` and ``schema``."""
    names = SessionNames(
        session=session,
        paths=paths,
        registry=registry,
        catalog=catalog,
        schema=schema,
        functions=WorkspaceFunctions(paths, registry, catalog=catalog, schema=schema),
        stays_in_schema=stays_in_schema,
    )
    names.use()
    return UserSession(session, names=names)
