"""How often what fails is tried again.

Source: docs "Pipeline properties reference" (``pipelines.maxFlowRetryAttempts``,
``pipelines.numUpdateRetryAttempts``) and databricks-sdk, ``pipelines.start_update(development=)``:
development mode disables automatic retries, 2026-11-24. The defaults, 2 and 5, are that page's; the
first is Spark's own, too (``spark.sql.pipelines.maxFlowRetryAttempts``). That an update is started
again whatever failed, a broken rule or a query that cannot be analysed included, was measured by
users in their workspaces. Databricks waits between two attempts; here they follow each other at
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dlt_stub.declare.records import AppendFlow, Flow
from dlt_stub.errors import DefinitionError, FlowError, NotEmulatedError, SourceError, UsageError

FLOW_ATTEMPTS = "pipelines.maxFlowRetryAttempts"
UPDATE_ATTEMPTS = "pipelines.numUpdateRetryAttempts"
_FLOW_DEFAULT = 2
_UPDATE_DEFAULT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How many times a failed flow, and a failed update, is started again."""

    is_development: bool = True
    flow: int = 0
    of_update: int = 0

    @classmethod
    def of(cls, configuration: Mapping[str, str], *, development: bool) -> "Retries":
        """Return what a pipeline's settings say; in development mode nothing is tried again.

        Raises:
            UsageError: a setting is no whole number of 0 or more.
        """
        flow = _count(configuration, FLOW_ATTEMPTS, _FLOW_DEFAULT)
        update = _count(configuration, UPDATE_ATTEMPTS, _UPDATE_DEFAULT)
        if development:
            return cls()
        return cls(is_development=False, flow=flow, of_update=update)

    def of_flow(self, flow: Flow) -> int:
        """Return how often ``flow`` is tried again; its own setting wins over the pipeline's.

        Raises:
            UsageError: its setting is no whole number of 0 or more.
        """
        own = flow.spark_conf if isinstance(flow, AppendFlow) else {}
        found = _count(own, FLOW_ATTEMPTS, self.flow)
        return 0 if self.is_development else found


NO_RETRIES = Retries()


def is_update_retryable(error: BaseException | None) -> bool:
    """Return whether an update that ended by ``error`` would be started again on Databricks.

    What is wrong with the call, with this machine, or refused here only, is not.
    """
    if isinstance(error, NotEmulatedError):
        return False
    return isinstance(error, FlowError | DefinitionError | SourceError)


def _count(settings: Mapping[str, str], key: str, default: int) -> int:
    value = settings.get(key)
    if value is None:
        return default
    if not str(value).strip().isdecimal():
        raise UsageError(
            f"{key} is {value!r}; allowed: a whole number of 0 or more",
            hint="0 tries nothing again",
        )
    return int(value)
