"""A pipeline with what a test does to it: feed it, update it, look at what came out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from dlt_stub.errors import UsageError, nearest
from dlt_stub.expectations import ExpectationMetrics
from dlt_stub.flows.sessions import knowing_workspace, private_session
from dlt_stub.testing.landing import land
from dlt_stub.testing.outside import three_levels, write_outside_table
from dlt_stub.testing.rows import RowSpelling, assert_rows
from dlt_stub.update import Pipeline, UpdateResult

LANDING = "landing"


class PipelineUnderTest:
    """One pipeline in a workspace of its own; ``last_update`` is how its last update ended."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.last_update: UpdateResult | None = None

    @property
    def landing(self) -> Path:
        """The folder of volume ``landing`` in the pipeline's own schema on this machine."""
        return self._volume_file("")

    def feed(
        self,
        table: str,
        rows: Iterable[RowSpelling] = (),
        schema: StructType | str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        replace: bool = False,
    ) -> None:
        """Append rows to a table the pipeline reads but does not make; one call is one commit.

        The first call says the ``schema``; values may be Python's or SQL text.

        Raises:
            UsageError: the pipeline makes that table, or rows and columns do not fit.
        """
        place = self.pipeline.place
        write_outside_table(
            self.pipeline.spark,
            rows,
            name=three_levels(table, catalog=place.catalog, schema=place.schema),
            schema=schema,
            properties=properties or {},
            replace=replace,
            paths=self.pipeline.paths,
            registry=self.pipeline.registry,
        )

    def put(self, name: str, content: str | bytes, *, modified_at: datetime | None = None) -> Path:
        """Land a file, whole at once, and return it; one of that name is replaced.

        ``name`` is a ``/Volumes/...`` path, or a path below ``landing``.
        """
        return land(self._volume_file(name), content, modified_at=modified_at)

    def remove(self, name: str) -> None:
        """Take away a file that was landed."""
        self._volume_file(name).unlink()

    def update(self, **arguments: Any) -> UpdateResult:  # whatever Pipeline.update takes
        """Update the pipeline, which must succeed, and return what the update did.

        Raises:
            DltStubError: the root cause of a failed update; ``last_update`` has the rest.
        """
        result = self.try_update(**arguments)
        result.raise_for_failure()
        return result

    def try_update(self, **arguments: Any) -> UpdateResult:  # whatever Pipeline.update takes
        """Update the pipeline and return how that ended."""
        self.last_update = None
        self.last_update = self.pipeline.update(**arguments)
        return self.last_update

    def table(self, name: str) -> DataFrame:
        """Return a published table, or one that was fed.

        Shape: the table's columns and grain, batch.

        Raises:
            UsageError: there is no such table yet.
        """
        return self.pipeline.table(name)

    def assert_rows(
        self,
        table: str,
        rows: Iterable[RowSpelling],
        *,
        columns: Sequence[str] = (),
        key: Sequence[str] = (),
    ) -> None:
        """Return if a table holds exactly ``rows``, in any order.

        Raises:
            RowsDiffer: a row is missing, unexpected, or differs in a column.
        """
        name = f"table '{table}'"
        assert_rows(self.table(table), rows, columns=columns, key=key, name=name)

    def expectation(self, dataset: str, rule: str) -> ExpectationMetrics:
        """Return what the last update counted of one expectation, summed over its flows.

        Raises:
            UsageError: the last update counted no such expectation.
        """
        counted = self.expectations(dataset)
        if rule not in counted:
            near = nearest(rule, counted)
            raise UsageError(
                f"the last update counted no expectation '{rule}' of dataset '{dataset}'",
                hint=f"did you mean '{near}'?" if near else f"it counted: {sorted(counted)}",
            )
        return counted[rule]

    def expectations(self, dataset: str) -> dict[str, ExpectationMetrics]:
        """Return what the last update counted of each expectation of a dataset, by name."""
        if self.last_update is None:
            raise UsageError("there was no update yet", hint="pipeline.update()")
        return expectation_counts(self.last_update, dataset)

    def sql(self, text: str) -> DataFrame:
        """Run Databricks SQL over the workspace's tables, in the pipeline's catalog and schema.

        Shape: what the query returns, batch.
        """
        pipeline = self.pipeline
        session = knowing_workspace(
            private_session(pipeline.spark),
            paths=pipeline.paths,
            registry=pipeline.registry,
            catalog=pipeline.place.catalog,
            schema=pipeline.place.schema,
        )
        return session.sql(text)

    def _volume_file(self, name: str) -> Path:
        place = self.pipeline.place
        volume = f"/Volumes/{place.catalog}/{place.schema}/{LANDING}"
        path = name if name.startswith("/Volumes/") else f"{volume}/{name}"
        return Path(self.pipeline.paths.to_local(path))


def expectation_counts(update: UpdateResult, dataset: str) -> dict[str, ExpectationMetrics]:
    """Return what an update counted of each expectation of a dataset, summed over its flows."""
    counted: dict[str, ExpectationMetrics] = {}
    for flow in update.flows.values():
        for each in flow.expectations:
            if each.dataset != dataset:
                continue
            known = counted.get(each.name)
            counted[each.name] = ExpectationMetrics(
                name=each.name,
                dataset=dataset,
                passed_records=each.passed_records + (known.passed_records if known else 0),
                failed_records=each.failed_records + (known.failed_records if known else 0),
            )
    return counted
