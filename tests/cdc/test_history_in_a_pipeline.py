"""A history kept by updates of a whole pipeline."""

from pathlib import Path

from pyspark.sql import SparkSession

from dlt_stub import Pipeline

SOURCE = """
import dlt

dlt.create_streaming_table("users", schema=SCHEMA)
dlt.apply_changes(
    target="users",
    source="changes",
    keys=["id"],
    sequence_by="seq",
    apply_as_deletes="op = 'DELETE'",
    except_column_list=["op", "seq"],
    stored_as_scd_type=2,
    track_history_except_column_list=["seen"],
)

@dlt.view
def changes():
    return spark.readStream.format("delta").load(spark.conf.get("test.changes"))
"""
SCHEMA = '"id INT, city STRING, seen INT, __START_AT INT, __END_AT INT"'
CHANGES = "id int, city string, seen int, op string, seq int"


def test_updates_of_a_pipeline_keep_history(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "main.py").write_text(SOURCE.replace("SCHEMA", SCHEMA), encoding="utf-8")
    changes = str(tmp_path / "changes")
    pipeline = Pipeline(
        source=["main.py"],
        root=tmp_path / "root",
        storage=tmp_path / "workspace",
        catalog="main",
        schema="shop",
        name="shop",
        spark=spark,
        configuration={"test.changes": changes},
    )

    def update(*rows: tuple[object, ...]) -> dict[str, int]:
        frame = spark.createDataFrame(list(rows), CHANGES).coalesce(1)
        frame.write.format("delta").mode("append").save(changes)
        result = pipeline.update()
        result.raise_for_failure()
        return dict(result.flows["users"].metrics)

    first = update((1, "Oslo", 1, "I", 1), (1, "Oslo", 2, "U", 2), (2, "Rome", 1, "I", 1))
    assert first == {"num_upserted_rows": 2, "num_deleted_rows": 0}
    second = update((2, None, None, "DELETE", 4), (1, "Bonn", 3, "U", 3))
    assert second == {"num_upserted_rows": 2, "num_deleted_rows": 1}
    assert sorted(tuple(row) for row in pipeline.table("users").collect()) == [
        (1, "Bonn", 3, 3, None),
        (1, "Oslo", 2, 1, 3),
        (2, "Rome", 1, 1, 4),
    ]
