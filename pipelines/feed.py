"""What the pipeline's configuration says about the feed, read in one place.

It lies beside ``pipelines/orders/`` and not in it: every file there is a definition. Databricks
puts the pipeline's ``root_path`` (the bundle's root) on ``sys.path``, so definitions can import it.

Source: databricks-sdk 0.156.0, docstring of ``pipelines.PipelineSpec.root_path``.
"""

from dataclasses import dataclass
from typing import Protocol

from expectations.orders import ORDER_RULES
from expectations.rules import FittedRules, Severity, columns_in_hints, fit_rules

RESCUED = "_rescued_data"
SOURCE_FILE = "source_file"
SOURCE_FILE_SIZE = "source_file_size"
SOURCE_FILE_MODIFIED_AT = "source_file_modified_at"
TECHNICAL_COLUMNS = (RESCUED, SOURCE_FILE, SOURCE_FILE_SIZE, SOURCE_FILE_MODIFIED_AT)
OPERATION = "operation"


class FeedError(ValueError):
    """Raised when the pipeline's configuration does not fit together."""


class Configuration(Protocol):
    """Where settings come from: ``spark.conf``."""

    def get(self, key: str) -> str | None:
        """Return the setting's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed of orders: where it lands, what its columns mean, which rules hold."""

    source_path: str
    order_key: str
    sequence_column: str
    schema_hints: str
    event_log: str
    columns: tuple[str, ...]  # those the hints promise; files may bring more
    rules: FittedRules

    @property
    def warns(self) -> dict[str, str]:
        """Rules counted on the stage."""
        return self.rules.constraints(Severity.WARN)

    @property
    def drops(self) -> dict[str, str]:
        """Rules that keep a row out of the target."""
        return self.rules.constraints(Severity.DROP)

    @property
    def guards(self) -> dict[str, str]:
        """Rules an accepted row meets: a row in quarantine breaks at least one."""
        return self.rules.constraints(Severity.DROP, Severity.FAIL)

    @property
    def operation_column(self) -> str | None:
        """The column that marks deletes, if the feed promises it."""
        return next((name for name in self.columns if name.lower() == OPERATION), None)


def feed_from(configuration: Configuration) -> Feed:
    """Return the feed that the pipeline's configuration describes.

    Raises:
        FeedError: the key or the sequence column is not among the hinted columns.
        RuleError: a rule of ``expectations.orders`` is wrong.
    """
    hints = _setting(configuration, "orders.schema_hints")
    order_key = _setting(configuration, "orders.order_key")
    sequence = _setting(configuration, "orders.sequence_column")
    columns = columns_in_hints(hints)
    for setting, column in (("order_key", order_key), ("sequence_column", sequence)):
        if column.lower() not in {name.lower() for name in columns}:
            raise FeedError(
                f"orders.{setting} is {column!r}, which orders.schema_hints does not promise"
                f" (it has {', '.join(columns)})"
            )
    rules = fit_rules(
        ORDER_RULES, key=order_key, sequence=sequence, columns=(*columns, *TECHNICAL_COLUMNS)
    )
    return Feed(
        source_path=_setting(configuration, "orders.source_path"),
        order_key=order_key,
        sequence_column=sequence,
        schema_hints=hints,
        event_log=_setting(configuration, "orders.event_log"),
        columns=columns,
        rules=rules,
    )


def _setting(configuration: Configuration, key: str) -> str:
    value = configuration.get(key)
    if not value or not value.strip():
        raise FeedError(f"{key} is empty; set it in the pipeline's configuration")
    return value
