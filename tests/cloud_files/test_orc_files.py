from typing import TYPE_CHECKING

import pytest

from dlt_stub.errors import SourceError

if TYPE_CHECKING:
    from tests.cloud_files.conftest import Landing


def test_orc_columns_are_read_by_name(landing: "Landing") -> None:
    landing.options["cloudFiles.format"] = "orc"
    landing.schema = "day DATE, s STRING, id BIGINT, later INT"
    rows = landing.spark.range(2).selectExpr("id", "string(id) AS s", "1 AS other")
    rows.coalesce(1).write.orc(f"{landing.folder}/day=2026-04-01")
    assert [(row.id, row.s, row.later, row.day.day) for row in landing.ingest()] == [
        (0, "0", None, 1),
        (1, "1", None, 1),
    ]
    assert landing.ingest() == []
    (batch,) = (landing.land("none.orc", ""), landing.plan())[1]
    assert batch.is_empty
    probe = landing.source.probe(landing.spark, landing.state)
    assert probe.schema == landing.source.current_schema(landing.spark, landing.state)


def test_orc_columns_are_not_inferred(landing: "Landing") -> None:
    landing.options["cloudFiles.format"] = "orc"
    with pytest.raises(SourceError, match="columns of ORC files cannot be inferred"):
        landing.columns()
    landing.schema = "id INT"
    landing.options["rescuedDataColumn"] = "rest"
    with pytest.raises(SourceError, match=r"does not go with cloudFiles\.format 'orc'"):
        landing.columns()
